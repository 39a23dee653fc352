/**
 * Replays the DEL journal from time to time: a launcher also journals when the agent is there but too slow to answer.
 * One replay at a time; the pause begins when the last one has ended.
 */
import type { Clock } from '../lib/clock.ts';
import { errorMessage } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';

const REPLAY_INTERVAL_MS = 30_000;

export class JournalReplay implements AsyncDisposable {
  readonly #replay: () => Promise<unknown>;
  readonly #clock: Clock;
  readonly #log: Log;
  #cancel: () => void = () => undefined;
  #running: Promise<void> = Promise.resolve();
  #closed = false;

  /** The first replay comes after the first pause. */
  constructor(replay: () => Promise<unknown>, clock: Clock, log: Log) {
    this.#replay = replay;
    this.#clock = clock;
    this.#log = log;
    this.#schedule();
  }

  /** Waits for a replay under way. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    this.#cancel();
    await this.#running;
  }

  #schedule(): void {
    if (this.#closed) return;
    this.#cancel = this.#clock.schedule(REPLAY_INTERVAL_MS, () => {
      this.#running = this.#run();
    });
  }

  async #run(): Promise<void> {
    try {
      await this.#replay();
    } catch (error) {
      this.#log.error({ err: error }, `the DEL journal cannot be replayed now: ${errorMessage(error)}`);
    }
    this.#schedule();
  }
}
