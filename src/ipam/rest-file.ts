/**
 * What outlives a reboot, as other nodes' memory does: where each range's round robin stands and which addresses rest.
 * A file that cannot be read costs only the rests it held, and is reported; the next write replaces it.
 */
import { mkdirSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { replaceFile } from '../lib/atomic-file.ts';
import { errorMessage } from '../lib/errors.ts';
import { canonicalAddress } from '../net/address.ts';

const VERSION = 1;

export interface RestState {
  /** Canonical podCIDR to the address given last. */
  readonly cursors: ReadonlyMap<string, string>;
  /** Address to the end of its rest, milliseconds since the epoch. */
  readonly restsUntilMs: ReadonlyMap<string, number>;
}

export interface LoadedRests extends RestState {
  /** Why the file was of no use. Undefined when it was, or when there is none yet. */
  readonly fault: string | undefined;
}

const NOTHING: RestState = { cursors: new Map(), restsUntilMs: new Map() };

export function loadRests(path: string): LoadedRests {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    const missing = error instanceof Error && 'code' in error && error.code === 'ENOENT';
    return { ...NOTHING, fault: missing ? undefined : `cannot be read: ${errorMessage(error)}` };
  }
  const state = decodeRests(text);
  return state === undefined
    ? { ...NOTHING, fault: 'is damaged; addresses released just before this start may be given before their rest' }
    : { ...state, fault: undefined };
}

/** Durable once it returns. */
export async function saveRests(path: string, state: RestState): Promise<void> {
  const rests = [...state.restsUntilMs].map(
    ([address, untilMs]) => [address, new Date(untilMs).toISOString()] as const,
  );
  const value = {
    version: VERSION,
    cursors: Object.fromEntries(state.cursors),
    restsUntil: Object.fromEntries(rests),
  };
  await replaceFile(path, `${JSON.stringify(value, undefined, 2)}\n`);
}

function decodeRests(text: string): RestState | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const { version, cursors, restsUntil } = value as Record<string, unknown>;
  const cursorMap = decodeStrings(cursors);
  const restMap = decodeStrings(restsUntil);
  if (version !== VERSION || cursorMap === undefined || restMap === undefined) return undefined;
  const restsUntilMs = new Map<string, number>();
  for (const [address, time] of restMap) {
    const untilMs = Date.parse(time);
    if (Number.isNaN(untilMs) || canonicalAddress(address) !== address) return undefined;
    restsUntilMs.set(address, untilMs);
  }
  return { cursors: cursorMap, restsUntilMs };
}

function decodeStrings(value: unknown): Map<string, string> | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const entries = Object.entries(value);
  return entries.every((entry): entry is [string, string] => typeof entry[1] === 'string')
    ? new Map(entries)
    : undefined;
}
