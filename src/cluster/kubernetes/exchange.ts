import type { Clock } from '../../lib/clock.ts';
import { ApiError } from './api-error.ts';

/** One request and its answer, ended when nothing comes for too long. Call `end` whatever happens. */
export class Exchange {
  readonly #controller: AbortController = new AbortController();
  readonly #clock: Clock;
  readonly #idleMsMax: number;
  readonly #outer: AbortSignal;
  readonly #onOuter = (): void => this.#controller.abort();
  #lastMs: number;
  #stalled = false;
  #cancel: () => void;

  /** @param outer ends it, too. */
  constructor(clock: Clock, outer: AbortSignal, idleMsMax: number) {
    this.#clock = clock;
    this.#outer = outer;
    this.#idleMsMax = idleMsMax;
    this.#lastMs = clock.monotonicMs();
    this.#cancel = clock.schedule(idleMsMax, () => this.#check());
    if (outer.aborted) this.#controller.abort();
    else outer.addEventListener('abort', this.#onOuter);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Passes on what `body` gives and takes it as a sign of life. */
  async *follow(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    this.#lastMs = this.#clock.monotonicMs();
    for await (const chunk of body) {
      this.#lastMs = this.#clock.monotonicMs();
      yield chunk;
    }
  }

  /** What to throw for an error met during the exchange: the stall is the cause of the abort that it leads to. */
  explain(error: unknown): unknown {
    if (!this.#stalled) return error;
    return new ApiError('stalled', `nothing came from the API server for ${this.#idleMsMax / 1000} s`, {
      cause: error,
    });
  }

  /** @param complete false: the rest of the answer is not wanted, so its connection goes. */
  end(complete: boolean): void {
    this.#cancel();
    this.#outer.removeEventListener('abort', this.#onOuter);
    if (!complete) this.#controller.abort();
  }

  /** One timer that is moved when it fires costs less than one for every chunk. */
  #check(): void {
    const leftMs = this.#lastMs + this.#idleMsMax - this.#clock.monotonicMs();
    if (leftMs > 0) {
      this.#cancel = this.#clock.schedule(leftMs, () => this.#check());
    } else {
      this.#stalled = true;
      this.#controller.abort();
    }
  }
}
