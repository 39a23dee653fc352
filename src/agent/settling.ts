/**
 * Brings pods that were attached at once to where they stay, when the runtime asks for nothing: the kernel holds up every
 * change of interfaces meanwhile. One pod at a time, with a pause after each; a pod waits at most `SETTLE_WITHIN_MS` for
 * quiet. Until then, and when it fails, the pod is enforced as it is; the next start tries again too.
 */
import type { Clock } from '../lib/clock.ts';
import { errorMessage } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';

/** Without an ADD or DEL. */
const QUIET_MS = 1_000;
const SETTLE_WITHIN_MS = 30_000;
const PAUSE_MS = 50;

export interface SettlingParts {
  /** Idempotent; an endpoint that is gone is fine. */
  readonly settle: (id: number) => Promise<void>;
  readonly clock: Clock;
  readonly log: Log;
}

export class Settling implements AsyncDisposable {
  readonly #parts: SettlingParts;
  /** Endpoint id to when it may wait no longer; in that order. */
  readonly #waiting = new Map<number, number>();
  #quietAtMs = 0;
  #cancel: (() => void) | undefined;
  /** One after the other: who flushes waits for what others have begun. Never rejects. */
  #running: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(parts: SettlingParts) {
    this.#parts = parts;
  }

  /** Endpoints that wait. */
  get size(): number {
    return this.#waiting.size;
  }

  /** The runtime has asked for something. */
  touch(): void {
    this.#quietAtMs = this.#parts.clock.monotonicMs() + QUIET_MS;
  }

  add(id: number): void {
    this.touch();
    this.#waiting.set(id, this.#parts.clock.monotonicMs() + SETTLE_WITHIN_MS);
    this.#schedule(QUIET_MS);
  }

  /** It is gone. */
  remove(id: number): void {
    this.touch();
    this.#waiting.delete(id);
  }

  /** Does all of it now. */
  async flush(): Promise<void> {
    this.#running = this.#running.then(() => this.#settleAll());
    await this.#running;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    this.#cancel?.();
    await this.#running;
  }

  #schedule(delayMs: number): void {
    if (this.#closed || this.#cancel !== undefined) return;
    this.#cancel = this.#parts.clock.schedule(delayMs, () => {
      this.#cancel = undefined;
      this.#running = this.#running.then(() => this.#next());
    });
  }

  async #settleAll(): Promise<void> {
    for (const id of this.#waiting.keys()) if (!this.#closed) await this.#settle(id);
  }

  async #next(): Promise<void> {
    const [first] = this.#waiting;
    if (first === undefined || this.#closed) return;
    const [id, latestMs] = first;
    const waitMs = Math.min(this.#quietAtMs, latestMs) - this.#parts.clock.monotonicMs();
    if (waitMs > 0) {
      this.#schedule(waitMs);
      return;
    }
    await this.#settle(id);
    if (this.#waiting.size > 0) this.#schedule(PAUSE_MS);
  }

  async #settle(id: number): Promise<void> {
    this.#waiting.delete(id);
    try {
      await this.#parts.settle(id);
    } catch (error) {
      const reason = errorMessage(error);
      this.#parts.log.warn({ endpoint: id, err: error }, `a pod keeps its filters until the next start: ${reason}`);
    }
  }
}
