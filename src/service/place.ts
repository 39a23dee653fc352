/**
 * A value inside a raw object, with its path and the report of that object: how untrusted JSON is walked. Only own
 * properties are looked at, null is read as absent (as the API server does), and a wrong type is reported once, here.
 */
import { SHOWN_CHARACTERS_MAX } from './limits.ts';
import type { Report } from './problem.ts';

export interface Place {
  readonly path: string;
  readonly value: unknown;
  readonly report: Report;
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The field of the object at that place; undefined when it is absent or null, or the place holds no object. */
export function field(place: Place | undefined, name: string): Place | undefined {
  if (place === undefined || !isRecord(place.value) || !Object.hasOwn(place.value, name)) return undefined;
  const value = place.value[name];
  if (value === undefined || value === null) return undefined;
  return { path: place.path === '' ? name : `${place.path}.${name}`, value, report: place.report };
}

/** A field of the labels or the annotations, whose keys hold dots. */
export function entry(place: Place | undefined, key: string): Place | undefined {
  const found = field(place, key);
  return found && { ...found, path: `${place?.path}["${key}"]` };
}

/** The place when it holds an object; otherwise undefined, and reported. */
export function objectAt(place: Place | undefined): Place | undefined {
  if (place === undefined || isRecord(place.value)) return place;
  place.report.error(place.path, `must be an object, is ${describe(place.value)}`);
  return undefined;
}

/** The items of a list; empty when the place is absent, no list, or longer than `most` (both reported). */
export function readList(place: Place | undefined, most: number): readonly Place[] {
  if (place === undefined) return [];
  const { path, value, report } = place;
  if (!Array.isArray(value)) {
    report.error(path, `must be a list, is ${describe(value)}`);
    return [];
  }
  if (value.length > most) {
    report.error(path, `has ${value.length} items, at most ${most} are allowed: none is used`);
    return [];
  }
  return value.map((item: unknown, index) => ({ path: `${path}[${index}]`, value: item, report }));
}

/** Undefined when absent, or no string (reported). */
export function readString(place: Place | undefined): string | undefined {
  if (place === undefined || typeof place.value === 'string') return place?.value as string | undefined;
  const { path, value, report } = place;
  const scalar = typeof value === 'number' || typeof value === 'boolean';
  report.error(path, `must be a string, is ${describe(value)}`, scalar ? `write it in quotes: "${value}"` : undefined);
  return undefined;
}

/** Undefined when absent, or neither true nor false (reported). */
export function readBoolean(place: Place | undefined): boolean | undefined {
  if (place === undefined || typeof place.value === 'boolean') return place?.value as boolean | undefined;
  place.report.error(place.path, `must be true or false, is ${describe(place.value)}`);
  return undefined;
}

/** A whole number in the bounds, which are part of them. Undefined when it is anything else (reported). */
export function readNumber(place: Place, least: number, most: number): number | undefined {
  const { path, value, report } = place;
  if (typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most) return value;
  const digits = typeof value === 'string' && /^[0-9]{1,9}$/.test(value);
  const hint = digits ? `write it without quotes: ${value}` : undefined;
  report.error(path, `must be a number from ${least} to ${most}, is ${describe(value)}`, hint);
  return undefined;
}

/** One of the words; the fallback when the place is absent. Undefined when it is another one (reported). */
export function readChoice<T extends string>(
  place: Place | undefined,
  words: readonly T[],
  fallback: T,
): T | undefined {
  if (place === undefined) return fallback;
  const text = readString(place);
  if (text === undefined) return undefined;
  const word = words.find((known) => known === text);
  if (word !== undefined) return word;
  const meant = words.find((known) => known.toLowerCase() === text.toLowerCase());
  place.report.error(place.path, `${quote(text)} is none of ${words.join(', ')}`, meant && `write ${meant}`);
  return undefined;
}

/** A short name of any value for a message. */
function describe(value: unknown): string {
  if (value === null || value === undefined) return 'empty';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'string') return `the string ${quote(value)}`;
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : 'an object';
}

/** Quoted, shortened. */
export function quote(text: string): string {
  return JSON.stringify(text.length <= SHOWN_CHARACTERS_MAX ? text : `${text.slice(0, SHOWN_CHARACTERS_MAX)}...`);
}
