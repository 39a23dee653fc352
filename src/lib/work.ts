/**
 * Long work that can be interrupted: a generator that yields about every millisecond. What it comes to does not depend on
 * what happens at a yield, so the same work can be done at once, or in slices between which others have a turn (slices.ts).
 */
export type Work<T> = Generator<undefined, T, undefined>;

/** Elements to go through between two yields, at some microseconds each. */
export const SLICE_ELEMENTS = 256;

export function doAtOnce<T>(work: Work<T>): T {
  let step = work.next();
  while (step.done !== true) step = work.next();
  return step.value;
}
