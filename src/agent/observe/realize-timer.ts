/**
 * How long changes take from being handed over to being in force. A step takes all that came before it together, so the
 * oldest of them waits longest; each change counts once.
 */
import type { Clock } from '../../lib/clock.ts';

/** Changes timed at once; of a burst beyond that the later ones are not timed, which only makes it look slower. */
export const TIMED_MAX = 1_024;

export interface RealizeTimerParts {
  readonly clock: Pick<Clock, 'monotonicMs'>;
  /** @param hasPodAddress the change held an address of a pod of another node that was not known before. */
  readonly observe: (seconds: number, hasPodAddress: boolean) => void;
}

interface Timed {
  readonly sequence: number;
  readonly atMs: number;
  readonly hasPodAddress: boolean;
}

export class RealizeTimer {
  readonly #parts: RealizeTimerParts;
  #waiting: Timed[] = [];

  constructor(parts: RealizeTimerParts) {
    this.#parts = parts;
  }

  /** @param sequence as the reconciler counts: rising. */
  submitted(sequence: number, hasPodAddress: boolean): void {
    if (this.#waiting.length >= TIMED_MAX) return;
    this.#waiting.push({ sequence, atMs: this.#parts.clock.monotonicMs(), hasPodAddress });
  }

  /** Every change up to this number is in force. */
  realized(sequence: number): void {
    const { clock, observe } = this.#parts;
    const nowMs = clock.monotonicMs();
    const done = this.#waiting.findIndex((timed) => timed.sequence > sequence);
    const inForce = this.#waiting.splice(0, done === -1 ? this.#waiting.length : done);
    for (const { atMs, hasPodAddress } of inForce) observe((nowMs - atMs) / 1000, hasPodAddress);
  }
}
