/** Waits for a moment in which the machine does nothing else, within a budget: a shared machine is never quiet for long. */
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';

/** Share of all CPUs that others may use. */
const BUSY_MAX = 0.15;
const LOOK_MS = 100;
/** Before one measurement, and of one question altogether. */
const WAIT_MAX_MS = 3_000;
const BUDGET_MS = 75_000;

interface Ticks {
  readonly idle: number;
  readonly all: number;
}

/** Idle and all ticks of every CPU since the start, from the first line of /proc/stat. */
export function parseTicks(stat: string): Ticks {
  const [line = ''] = stat.split('\n');
  const ticks = line.split(/\s+/).slice(1).map(Number);
  const [, , , idle = 0, iowait = 0] = ticks;
  return { idle: idle + iowait, all: ticks.reduce((sum, count) => sum + count, 0) };
}

/** Share of the CPUs' time between the two that was not idle. */
export function busyShare(before: Ticks, after: Ticks): number {
  const all = after.all - before.all;
  return all > 0 ? 1 - (after.idle - before.idle) / all : 0;
}

/** Gives a function to call before each measurement. */
export function makeQuietWait(): () => Promise<void> {
  let budgetMs = BUDGET_MS;
  return async () => {
    const start = performance.now();
    let before = parseTicks(readFileSync('/proc/stat', 'utf8'));
    for (let waited = 0; waited < Math.min(WAIT_MAX_MS, budgetMs); waited = performance.now() - start) {
      await delay(LOOK_MS);
      const after = parseTicks(readFileSync('/proc/stat', 'utf8'));
      if (busyShare(before, after) <= BUSY_MAX) break;
      before = after;
    }
    budgetMs -= performance.now() - start;
  };
}
