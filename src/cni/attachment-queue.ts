/**
 * Runs requests: those of one attachment one after the other in the order they came, others beside each other up to a
 * limit. What does not fit is refused at once and not begun.
 */
import { CniCode, CniError } from './error.ts';

export interface QueueLimits {
  readonly running: number;
  readonly waiting: number;
  readonly waitingPerAttachment: number;
}

interface Waiting {
  readonly key: string;
  readonly start: () => void;
}

export class AttachmentQueue {
  readonly #limits: QueueLimits;
  readonly #running = new Set<string>();
  readonly #waiting: Waiting[] = [];

  constructor(limits: QueueLimits) {
    this.#limits = limits;
  }

  /** Requests that run and that wait, for metrics. */
  get size(): { readonly running: number; readonly waiting: number } {
    return { running: this.#running.size, waiting: this.#waiting.length };
  }

  /** @throws CniError code 11 when too many wait; else whatever the task throws. */
  async run<T>(key: string, task: () => Promise<T>): Promise<T> {
    await this.#enter(key);
    try {
      return await task();
    } finally {
      this.#running.delete(key);
      this.#startNext();
    }
  }

  #enter(key: string): Promise<void> {
    this.#refuseWhenFull(key);
    return new Promise((resolve) => {
      this.#waiting.push({ key, start: resolve });
      this.#startNext();
    });
  }

  #refuseWhenFull(key: string): void {
    const ofKey = this.#waiting.filter((waiting) => waiting.key === key).length;
    const { waiting, waitingPerAttachment } = this.#limits;
    if (this.#waiting.length < waiting && ofKey < waitingPerAttachment) return;
    throw new CniError(
      CniCode.tryAgain,
      `too many CNI requests wait: ${this.#waiting.length} (limit ${waiting}), ` +
        `${ofKey} for this interface (limit ${waitingPerAttachment})`,
      'the runtime repeats the request',
    );
  }

  #startNext(): void {
    for (let i = 0; i < this.#waiting.length && this.#running.size < this.#limits.running;) {
      const next = this.#waiting[i];
      if (next === undefined || this.#running.has(next.key)) {
        i += 1;
        continue;
      }
      this.#waiting.splice(i, 1);
      this.#running.add(next.key);
      next.start();
    }
  }
}
