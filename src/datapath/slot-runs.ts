/** Which slots are free: runs of consecutive ones are taken and given back. The first run that is large enough is cut. */

interface Run {
  first: number;
  count: number;
}

export class SlotRuns {
  /** Free runs in order; no two of them touch. */
  readonly #free: Run[] = [];

  /** used: runs within the capacity that do not overlap, in any order; empty ones do not count. */
  constructor(capacity: number, used: Iterable<readonly [first: number, count: number]>) {
    let at = 0;
    const sorted = [...used].filter(([, count]) => count > 0).sort(([a], [b]) => a - b);
    for (const [first, count] of sorted) {
      if (first > at) this.#free.push({ first: at, count: first - at });
      at = Math.max(at, first + count);
    }
    if (at < capacity) this.#free.push({ first: at, count: capacity - at });
  }

  /** First slot of a run of so many; undefined: no free run is large enough. */
  take(count: number): number | undefined {
    const index = this.#free.findIndex((run) => run.count >= count);
    const run = this.#free[index];
    if (run === undefined) return undefined;
    const { first } = run;
    run.first += count;
    run.count -= count;
    if (run.count === 0) this.#free.splice(index, 1);
    return first;
  }

  /** Gives back a run that was taken; an empty one is none. */
  give(first: number, count: number): void {
    if (count === 0) return;
    const found = this.#free.findIndex((run) => run.first > first);
    const index = found === -1 ? this.#free.length : found;
    const before = this.#free[index - 1];
    const behind = this.#free[index];
    const run = before !== undefined && before.first + before.count === first ? before : { first, count: 0 };
    run.count += count;
    if (run !== before) this.#free.splice(index, 0, run);
    if (behind === undefined || run.first + run.count !== behind.first) return;
    run.count += behind.count;
    this.#free.splice(this.#free.indexOf(behind), 1);
  }

  /** The largest run that could be taken. */
  get largest(): number {
    return this.#free.reduce((most, { count }) => Math.max(most, count), 0);
  }
}
