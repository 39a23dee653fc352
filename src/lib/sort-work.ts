/** Sorting many elements without holding up the event loop. */
import { SLICE_ELEMENTS, type Work } from './work.ts';

/** Elements sorted or merged between two yields: comparing two takes far less than a microsecond. */
const SLICE_SORTED = SLICE_ELEMENTS * 8;

/** A sorted copy; elements that compare as equal keep their order. */
export function* sortInWork<T>(items: readonly T[], compare: (a: T, b: T) => number): Work<T[]> {
  let sorted: T[] = [];
  for (let at = 0; at < items.length; at += SLICE_SORTED) {
    sorted.push(...items.slice(at, at + SLICE_SORTED).sort(compare));
    yield;
  }
  for (let width = SLICE_SORTED; width < sorted.length; width *= 2) {
    const merged: T[] = [];
    for (let at = 0; at < sorted.length; at += 2 * width) yield* mergeRuns(sorted, at, width, merged, compare);
    sorted = merged;
  }
  return sorted;
}

/** Appends the run of that width at `start` and the one behind it to `merged`, in order. */
function* mergeRuns<T>(
  from: readonly T[],
  start: number,
  width: number,
  merged: T[],
  compare: (a: T, b: T) => number,
): Work<void> {
  const middle = Math.min(start + width, from.length);
  const end = Math.min(middle + width, from.length);
  let [left, right] = [start, middle];
  while (left < middle || right < end) {
    const isLeft = right >= end || (left < middle && compare(from[left]!, from[right]!) <= 0);
    merged.push(isLeft ? from[left++]! : from[right++]!);
    if (merged.length % SLICE_SORTED === 0) yield;
  }
}
