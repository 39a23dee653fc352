import type { Clock } from '../../../src/lib/clock.ts';

/** A clock that stands until it is told to move. Setting the wall clock leaves the monotonic one alone. */
export class FakeClock implements Clock {
  #wallMs = Date.parse('2026-01-01T00:00:00Z');
  #monotonicMs = 1000;
  readonly #timers = new Set<{ dueMs: number; callback: () => void }>();

  wallMs(): number {
    return this.#wallMs;
  }

  monotonicMs(): number {
    return this.#monotonicMs;
  }

  schedule(delayMs: number, callback: () => void): () => void {
    const timer = { dueMs: this.#monotonicMs + delayMs, callback };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  /** Timers that wait. */
  get pending(): number {
    return this.#timers.size;
  }

  advance(ms: number): void {
    this.#wallMs += ms;
    this.#monotonicMs += ms;
    const due = [...this.#timers].filter((timer) => timer.dueMs <= this.#monotonicMs);
    for (const timer of due.toSorted((a, b) => a.dueMs - b.dueMs)) {
      this.#timers.delete(timer);
      timer.callback();
    }
  }

  setWall(ms: number): void {
    this.#wallMs = ms;
  }
}
