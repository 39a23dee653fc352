/** Drop reports for whoever follows them, and for the log: one line an event, which the programs limit in number. */
import { CniCode, CniError } from '../cni/error.ts';
import type { DropEvent } from '../datapath/datapath.ts';
import type { Clock } from '../lib/clock.ts';
import type { DropReport, DropReporter } from './drop-report.ts';
import type { Log } from '../lib/log.ts';

/** Followers at one time; each costs a write an event. */
const FOLLOWERS_MAX = 16;

export class DropFeed {
  readonly #reporter: DropReporter;
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #followers = new Set<(report: DropReport) => void>();

  constructor(reporter: DropReporter, log: Log, clock: Clock) {
    this.#reporter = reporter;
    this.#log = log;
    this.#clock = clock;
  }

  take(event: DropEvent): void {
    // The event carries the kernel's monotonic clock; it was sent a moment ago, so now is its time for people.
    const report = this.#reporter.report(event, this.#clock.wallMs());
    const { message, ...fields } = report;
    this.#log.info({ drop: fields }, message);
    for (const follower of this.#followers) follower(report);
  }

  /** Until the signal. @throws CniError, which the caller is told, when there are too many. */
  follow(follower: (report: DropReport) => void, signal: AbortSignal): void {
    if (signal.aborted) return;
    if (this.#followers.size >= FOLLOWERS_MAX) {
      throw new CniError(
        CniCode.tryAgain,
        `${FOLLOWERS_MAX} callers follow the drops already`,
        'end one of them first',
      );
    }
    this.#followers.add(follower);
    signal.addEventListener('abort', () => this.#followers.delete(follower), { once: true });
  }
}
