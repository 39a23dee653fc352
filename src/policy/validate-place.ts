/**
 * A value inside a raw object, with its path and the report of that object: how untrusted JSON is walked. Only own
 * properties are looked at, null is read as absent (as the API server does), and a wrong type is reported once, here.
 */
import type { Report } from './problem.ts';
import { LIST_ITEMS_MAX, OBJECT_ITEMS_MAX, SHOWN_CHARACTERS_MAX } from './validate-limits.ts';

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

export function expectObject(place: Place): boolean {
  if (isRecord(place.value)) return true;
  place.report.error(place.path, `must be an object, is ${describe(place.value)}`);
  return false;
}

/** The items of a list; empty when the place is absent, no list, or too long (both reported). */
export function readList(place: Place | undefined): readonly Place[] {
  if (place === undefined) return [];
  const { path, value, report } = place;
  if (!Array.isArray(value)) {
    report.error(path, `must be a list, is ${describe(value)}`);
    return [];
  }
  if (!withinLimits(place, value.length)) return [];
  return value.map((item: unknown, index) => ({ path: `${path}[${index}]`, value: item, report }));
}

/** The entries of a map whose keys are free; empty when the place is absent, no object, or too large (both reported). */
export function readEntries(place: Place | undefined): readonly (readonly [key: string, place: Place])[] {
  if (place === undefined || !expectObject(place)) return [];
  const entries = Object.entries(place.value as Readonly<Record<string, unknown>>);
  if (!withinLimits(place, entries.length)) return [];
  return entries.map(([key, value]) => [key, { path: `${place.path}[${quote(key)}]`, value, report: place.report }]);
}

function withinLimits(place: Place, length: number): boolean {
  if (length > LIST_ITEMS_MAX) {
    place.report.error(place.path, `has ${length} items; at most ${LIST_ITEMS_MAX} are read`);
    return false;
  }
  if (!place.report.spend(length)) {
    place.report.error(place.path, `is not read: the object has more than ${OBJECT_ITEMS_MAX} list items in all`);
    return false;
  }
  return true;
}

export function readString(place: Place | undefined): string | undefined {
  if (place === undefined) return undefined;
  const { path, value, report } = place;
  if (typeof value === 'string') return value;
  report.error(path, `must be a string, is ${describe(value)}`, quotingHint(value));
  return undefined;
}

function quotingHint(value: unknown): string | undefined {
  if (value === null) return 'write "" for an empty one';
  if (typeof value === 'number' || typeof value === 'boolean') return `write it in quotes: "${value}"`;
  return undefined;
}

export function readBoolean(place: Place | undefined): boolean | undefined {
  if (place === undefined || typeof place.value === 'boolean') return place?.value as boolean | undefined;
  place.report.error(place.path, `must be true or false, is ${describe(place.value)}`);
  return undefined;
}

/** A port number, 1-65535. */
export function readPortNumber(place: Place): number | undefined {
  const { path, value, report } = place;
  if (typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= 65535) return value;
  const digits = typeof value === 'string' && /^[0-9]{1,5}$/.test(value);
  const hint = digits ? `write it without quotes: ${value}` : undefined;
  report.error(path, `must be a number from 1 to 65535, is ${describe(value)}`, hint);
  return undefined;
}

/** A short name of any value for a message; never longer than SHOWN_CHARACTERS_MAX and a few words. */
export function describe(value: unknown): string {
  if (value === null || value === undefined) return 'empty';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'string') return `the string ${quote(value)}`;
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : 'an object';
}

/** Quoted, shortened. */
export function quote(text: string): string {
  return JSON.stringify(text.length <= SHOWN_CHARACTERS_MAX ? text : `${text.slice(0, SHOWN_CHARACTERS_MAX)}...`);
}
