/**
 * Fields that are not fields. What Sluice does not understand it must not ignore: a misspelt `podSelectors` would
 * silently turn a narrow policy into a wide one, so an unknown field is an error, with a guess at what was meant.
 */
import { SHOWN_CHARACTERS_MAX } from './validate-limits.ts';
import { type Place, isRecord, quote } from './validate-place.ts';

/** Longest field name that a guess is made for. */
const GUESS_CHARACTERS_MAX = 40;
/** Edits (insert, delete, replace, swap neighbours) between a field and the guess. */
const GUESS_EDITS_MAX = 2;

/** Unknown fields that are right elsewhere, by the object they were found in. */
export type Misplaced = Readonly<Record<string, string>>;

/** Reports unknown fields as errors and null ones as warnings. The place must hold an object. */
export function checkFields(place: Place, known: readonly string[], misplaced: Misplaced = {}): void {
  if (!isRecord(place.value)) return;
  for (const [name, value] of Object.entries(place.value)) {
    const path = place.path === '' ? name : `${place.path}.${name}`;
    if (known.includes(name)) {
      if (value === null) place.report.warn(path, 'is empty, which is read as if the field were not there');
      continue;
    }
    if (place.report.full) return;
    const hint = Object.hasOwn(misplaced, name) ? misplaced[name] : guess(name, known);
    const short = name.length <= SHOWN_CHARACTERS_MAX;
    place.report.error(short ? path : place.path, `unknown field ${quote(name)}`, hint);
  }
}

function guess(name: string, known: readonly string[]): string | undefined {
  if (name.length > GUESS_CHARACTERS_MAX) return undefined;
  const wanted = name.toLowerCase();
  let best: string | undefined;
  let bestEdits = GUESS_EDITS_MAX + 1;
  for (const candidate of known) {
    const edits = editDistance(wanted, candidate.toLowerCase());
    if (edits < bestEdits && edits < candidate.length / 2) [best, bestEdits] = [candidate, edits];
  }
  return best === undefined ? `known here: ${known.join(', ')}` : `did you mean ${quote(best)}?`;
}

/** Optimal string alignment distance. */
export function editDistance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      let edits = Math.min(last[j]! + 1, row[j - 1]! + 1, last[j - 1]! + (same ? 0 : 1));
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      if (swapped) edits = Math.min(edits, beforeLast[j - 2]! + 1);
      row.push(edits);
    }
    [beforeLast, last] = [last, row];
  }
  return last[b.length]!;
}
