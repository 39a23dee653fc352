/** For what happens by itself, soon. */
import { setTimeout as delay } from 'node:timers/promises';

const TIMEOUT_MS = 10_000;
const POLL_MS = 20;

/** Returns when the condition holds. @throws Error when it does not in time. */
export async function waitUntil(condition: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + TIMEOUT_MS;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`not within ${TIMEOUT_MS} ms: ${condition.toString()}`);
    await delay(POLL_MS);
  }
}
