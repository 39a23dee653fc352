import { setImmediate } from 'node:timers/promises';
import type { Work } from './work.ts';

/** Does the work; the event loop has a turn at every yield. */
export async function doInSlices<T>(work: Work<T>): Promise<T> {
  let step = work.next();
  while (step.done !== true) {
    await setImmediate();
    step = work.next();
  }
  return step.value;
}
