import type { Clock } from '../lib/clock.ts';

/**
 * The addresses that rest. Ends are kept by the monotonic clock, so setting the time neither ends nor prolongs a rest;
 * over a restart the wall clock is all there is, and a rest found there lasts at most a whole rest from now.
 */
export class RestingAddresses {
  readonly #clock: Clock;
  readonly #restMs: number;
  /** Address to its end, monotonic. In the order of the ends: every rest is equally long, and loading sorts. */
  readonly #endsMs = new Map<string, number>();

  constructor(clock: Clock, restMs: number, loadedUntilMs: ReadonlyMap<string, number>) {
    this.#clock = clock;
    this.#restMs = restMs;
    const wallMs = clock.wallMs();
    for (const [address, untilMs] of [...loadedUntilMs].toSorted((a, b) => a[1] - b[1])) {
      const remainingMs = Math.min(untilMs - wallMs, restMs);
      if (remainingMs > 0) this.#endsMs.set(address, clock.monotonicMs() + remainingMs);
    }
  }

  has(address: string): boolean {
    return this.#endsMs.has(address);
  }

  addresses(): Iterable<string> {
    return this.#endsMs.keys();
  }

  /** Begins the address's rest, anew when it rests already. */
  begin(address: string): void {
    this.#endsMs.delete(address);
    this.#endsMs.set(address, this.#clock.monotonicMs() + this.#restMs);
  }

  /** Forgets the rests that are over and gives their addresses. */
  takeEnded(): readonly string[] {
    const nowMs = this.#clock.monotonicMs();
    const ended: string[] = [];
    for (const [address, endMs] of this.#endsMs) {
      if (endMs > nowMs) break;
      ended.push(address);
    }
    for (const address of ended) this.#endsMs.delete(address);
    return ended;
  }

  /** Milliseconds until that address may be given; 0 when it does not rest. */
  remainingMs(address: string): number {
    const endMs = this.#endsMs.get(address);
    return endMs === undefined ? 0 : Math.max(0, endMs - this.#clock.monotonicMs());
  }

  /** For the file: address to its end by the wall clock. */
  untilWallMs(): ReadonlyMap<string, number> {
    const offsetMs = this.#clock.wallMs() - this.#clock.monotonicMs();
    return new Map([...this.#endsMs].map(([address, endMs]) => [address, Math.round(endMs + offsetMs)]));
  }
}
