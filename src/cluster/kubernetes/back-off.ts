import { BACKOFF_BASE_MS, BACKOFF_MS_MAX } from './limits.ts';

/** Waits between attempts: random from zero to a limit that doubles ("full jitter"), so that clients do not march in step. */
export class BackOff {
  readonly #random: () => number;
  #attempts = 0;

  /** @param random gives numbers from 0 (inclusive) to 1 (exclusive). */
  constructor(random: () => number) {
    this.#random = random;
  }

  /**
   * Milliseconds to wait before the next attempt.
   * @param limitMs of this wait; the one it doubles up to goes on growing.
   */
  next(limitMs: number = BACKOFF_MS_MAX): number {
    const limit = Math.min(BACKOFF_MS_MAX, BACKOFF_BASE_MS * 2 ** this.#attempts);
    if (limit < BACKOFF_MS_MAX) this.#attempts += 1;
    return this.#random() * Math.min(limit, limitMs);
  }

  /** It works again. */
  reset(): void {
    this.#attempts = 0;
  }
}
