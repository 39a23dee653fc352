/** The file of settings: YAML or JSON, one object. Every mistake in it is told at once, with its place. */
import { open } from 'node:fs/promises';
import { LineCounter, parseAllDocuments } from 'yaml';
import { offsetOf, placeAt } from '../../cluster/manifests/text-place.ts';
import type { TextPlace } from '../../cluster/source.ts';
import { ConfigError, errorMessage } from '../../lib/errors.ts';
import { editDistance } from '../../policy/validate-field.ts';

const FILE_BYTES_MAX = 1_048_576;
const ALIASES_MAX = 100;
/** Edits between a key and what it may have been meant for. */
const GUESS_EDITS_MAX = 3;

export interface SettingsFile {
  readonly path: string;
  /** By key, as they stand in the file. */
  readonly values: ReadonlyMap<string, unknown>;
  /** Where a setting, or a part of it (`flowTimeoutSeconds.tcp`), stands. */
  place(path: string): TextPlace;
}

/** @throws ConfigError when the file cannot be read or is no YAML object of known keys. */
export async function readSettingsFile(path: string, known: readonly string[]): Promise<SettingsFile> {
  const text = await readText(path);
  const lines = new LineCounter();
  const documents = [...parseAllDocuments(text, { lineCounter: lines, prettyErrors: false, logLevel: 'silent' })];
  const at = (offset: number): TextPlace => placeAt(text, lines, offset);
  const [syntax] = documents.flatMap(({ errors }) => errors);
  if (syntax !== undefined) throw new ConfigError(placed(path, at(syntax.pos[0]), syntax.message));
  const [document, second] = documents;
  if (second !== undefined) throw new ConfigError(placed(path, at(second.range[0]), 'use one document a file'));
  const contents = document?.contents ?? null;
  const place = (key: string): TextPlace => at(contents === null ? 0 : offsetOf(contents, key));
  const values = toObject(path, () => document?.toJS({ maxAliasCount: ALIASES_MAX }), place);
  const unknown = Object.keys(values).filter((key) => !known.includes(key));
  if (unknown.length > 0) {
    throw new ConfigError(unknown.map((key) => placed(path, place(key), unknownKey(key, known))).join('\n'));
  }
  return { path, values: new Map(Object.entries(values)), place };
}

/** `FILE:LINE:COLUMN: MESSAGE`, and the line with a caret below. */
export function placed(path: string, { line, column, excerpt }: TextPlace, message: string): string {
  return `${path}:${line}:${column}: ${message}\n${excerpt.replaceAll(/^/gm, '    ')}`;
}

/** A guess at what was meant, or what there is. */
export function unknownKey(key: string, known: readonly string[]): string {
  const [best] = known
    .map((name) => ({ name, edits: editDistance(key.toLowerCase(), name.toLowerCase()) }))
    .toSorted((a, b) => a.edits - b.edits);
  const hint =
    best !== undefined && best.edits <= Math.min(GUESS_EDITS_MAX, best.name.length / 2)
      ? `did you mean ${best.name}?`
      : `known here: ${known.join(', ')}`;
  return `unknown key ${JSON.stringify(key.slice(0, 80))}: ${hint}`;
}

async function readText(path: string): Promise<string> {
  try {
    await using file = await open(path, 'r');
    const { size } = await file.stat();
    if (size > FILE_BYTES_MAX) throw new Error(`it has ${size} bytes, and FILE_BYTES_MAX is ${FILE_BYTES_MAX}`);
    return await file.readFile('utf8');
  } catch (error) {
    throw new ConfigError(`--config: the file ${path} cannot be read: ${errorMessage(error)}`, { cause: error });
  }
}

function toObject(
  path: string,
  read: () => unknown,
  place: (key: string) => TextPlace,
): Readonly<Record<string, unknown>> {
  let value: unknown;
  try {
    value = read() ?? {};
  } catch (error) {
    throw new ConfigError(placed(path, place(''), errorMessage(error)), { cause: error });
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw new ConfigError(placed(path, place(''), 'use an object of settings, like `mtu: 1400`'));
}
