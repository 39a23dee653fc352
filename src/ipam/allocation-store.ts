/**
 * Allocations on disk: one file an address, named by it, in a folder that a reboot empties (as it ends the pods). A file
 * appears with its whole content or not at all: it is written under another name and linked, and link(2) fails when the
 * name is taken. So a crash leaves no record without an owner, and two writers never get the same address.
 *
 * Nothing is synced to the disk: what a power cut could take from the folder belonged to pods that it ended.
 *
 * What is in the folder and is not ours is reported and left alone; when its name is an address, that is never given.
 */
import {
  closeSync,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { errorMessage } from '../lib/errors.ts';
import { canonicalAddress } from '../net/address.ts';
import { RECORD_BYTES_MAX } from './limits.ts';
import type { Owner } from './owner.ts';

export interface AllocationRecord {
  readonly owner: Owner;
  /** Milliseconds since the epoch. */
  readonly sinceMs: number;
}

export interface StoreProblem {
  readonly file: string;
  readonly message: string;
}

export interface LoadedStore {
  readonly records: ReadonlyMap<string, AllocationRecord>;
  /** Addresses that a file claims without saying for whom. */
  readonly claimed: readonly string[];
  readonly problems: readonly StoreProblem[];
}

/** Of the record being written. Hidden and no address. */
const PREPARED = '.new';

export class AllocationStore {
  readonly #folder: string;

  /** Makes the folder when it is missing. */
  constructor(folder: string) {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    this.#folder = folder;
  }

  load(): LoadedStore {
    const records = new Map<string, AllocationRecord>();
    const claimed: string[] = [];
    const problems: StoreProblem[] = [];
    rmSync(join(this.#folder, PREPARED), { force: true });
    for (const name of readdirSync(this.#folder).toSorted()) {
      const file = join(this.#folder, name);
      const address = canonicalAddress(name);
      if (address === undefined) {
        problems.push({ file, message: 'is no record of an address; remove it when nobody needs it' });
        continue;
      }
      const record = address === name ? readRecord(file) : `is named by an address that is written ${address}`;
      if (typeof record !== 'string') {
        records.set(address, record);
        continue;
      }
      claimed.push(address);
      problems.push({ file, message: `${record}; the address is kept back; remove the file and restart the agent` });
    }
    return { records, claimed: claimed.filter((address) => !records.has(address)), problems };
  }

  /** False: a file of that name is there already. */
  create(address: string, record: AllocationRecord): boolean {
    const prepared = join(this.#folder, PREPARED);
    const file = join(this.#folder, address);
    this.#prepare(prepared, encodeRecord(record));
    const linked = linkExclusively(prepared, file);
    try {
      unlinkSync(prepared);
    } catch (error) {
      if (linked) rmSync(file, { force: true });
      throw error;
    }
    return linked;
  }

  /** Idempotent. */
  remove(address: string): void {
    rmSync(join(this.#folder, address), { force: true });
  }

  /** A left-over is removed, never written into: it may be a second name of a record. */
  #prepare(path: string, text: string): void {
    const fd = openExclusively(path);
    try {
      writeSync(fd, text);
    } catch (error) {
      unlinkSync(path);
      throw error;
    } finally {
      closeSync(fd);
    }
  }
}

function openExclusively(path: string): number {
  try {
    return openSync(path, 'wx', 0o600);
  } catch (error) {
    if (!isErrno(error, 'EEXIST')) throw error;
    unlinkSync(path);
    return openSync(path, 'wx', 0o600);
  }
}

/** False: the name is taken. */
function linkExclusively(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    if (isErrno(error, 'EEXIST')) return false;
    throw error;
  }
}

function encodeRecord(record: AllocationRecord): string {
  return `${JSON.stringify({ ...record.owner, time: new Date(record.sinceMs).toISOString() })}\n`;
}

/** The record, or what is wrong with the file. */
function readRecord(file: string): AllocationRecord | string {
  let text: string;
  try {
    const stat = statSync(file);
    if (!stat.isFile()) return 'is no file';
    if (stat.size > RECORD_BYTES_MAX) return `has ${stat.size} bytes, more than RECORD_BYTES_MAX, ${RECORD_BYTES_MAX}`;
    text = readFileSync(file, 'utf8');
  } catch (error) {
    return `cannot be read: ${errorMessage(error)}`;
  }
  return decodeRecord(text) ?? 'is no record of an allocation';
}

function decodeRecord(text: string): AllocationRecord | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const { network, containerId, ifname, time } = value as Record<string, unknown>;
  if (typeof network !== 'string' || typeof containerId !== 'string' || typeof ifname !== 'string') return undefined;
  const sinceMs = typeof time === 'string' ? Date.parse(time) : Number.NaN;
  if (network === '' || containerId === '' || ifname === '' || Number.isNaN(sinceMs)) return undefined;
  return { owner: { network, containerId, ifname }, sinceMs };
}

function isErrno(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}
