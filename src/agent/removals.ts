/**
 * What a DEL leaves to be done behind its answer: the kernel takes tens of milliseconds to remove an interface, and nothing
 * passes it any more. The work of one attachment is begun at once and tried again, after a growing pause, until it
 * succeeds; its record is on disk meanwhile, so that the next start goes on with it.
 */
import { CniCode, CniError } from '../cni/error.ts';
import { type Attachment, attachmentKey } from '../cni/request.ts';
import type { Clock } from '../lib/clock.ts';
import { errorMessage } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import type { LeavingRecord } from './endpoint-record.ts';

const RETRY_FIRST_MS = 1_000;
const RETRY_MAX_MS = 60_000;

interface Removal {
  readonly record: LeavingRecord;
  retryMs: number;
  /** Never rejects. Resolves to why it failed. */
  attempt: Promise<unknown>;
  isRunning: boolean;
  cancelRetry: () => void;
}

export interface RemovalsParts {
  /** Idempotent: may have been begun before. */
  readonly remove: (record: LeavingRecord) => Promise<void>;
  readonly clock: Clock;
  readonly log: Log;
}

export class Removals implements AsyncDisposable {
  readonly #parts: RemovalsParts;
  readonly #removals = new Map<string, Removal>();
  #closed = false;

  constructor(parts: RemovalsParts) {
    this.#parts = parts;
  }

  /** Attachments of which something is left. */
  get size(): number {
    return this.#removals.size;
  }

  has(attachment: Attachment): boolean {
    return this.#removals.has(attachmentKey(attachment));
  }

  begin(record: LeavingRecord): void {
    const removal: Removal = {
      record,
      retryMs: RETRY_FIRST_MS,
      attempt: Promise.resolve(),
      isRunning: false,
      cancelRetry: () => undefined,
    };
    this.#removals.set(attachmentKey(record), removal);
    this.#try(removal);
  }

  /**
   * Waits until nothing is left that would be in the way of an ADD: of the attachment, or of another one whose interface had
   * the same name in the same namespace. Tries at once when a try has failed before.
   * @param attachment with CNI_NETNS.
   * @throws CniError code 11 when it fails again.
   */
  async finish(attachment: Attachment & { readonly netns: string }): Promise<void> {
    const { netns, ifname } = attachment;
    const isInTheWay = ({ record }: Removal): boolean =>
      attachmentKey(record) === attachmentKey(attachment) || (record.netns === netns && record.ifname === ifname);
    for (const removal of [...this.#removals.values()].filter(isInTheWay)) await this.#finishOne(removal);
  }

  async #finishOne(removal: Removal): Promise<void> {
    const key = attachmentKey(removal.record);
    if (!removal.isRunning) this.#try(removal);
    const failure = await removal.attempt;
    if (!this.#removals.has(key)) return;
    throw new CniError(
      CniCode.tryAgain,
      `what the last DEL of this interface left cannot be removed: ${errorMessage(failure)}`,
      'the agent goes on trying',
      { cause: failure },
    );
  }

  /** Waits for what is under way; what has failed waits for its next try. */
  async idle(): Promise<void> {
    await Promise.all([...this.#removals.values()].map(({ attempt }) => attempt));
  }

  /** What is not done by then, the next start does. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    for (const { cancelRetry } of this.#removals.values()) cancelRetry();
    await this.idle();
  }

  #try(removal: Removal): void {
    removal.cancelRetry();
    removal.isRunning = true;
    removal.attempt = this.#attempt(removal);
  }

  async #attempt(removal: Removal): Promise<unknown> {
    const { record } = removal;
    try {
      await this.#parts.remove(record);
      this.#removals.delete(attachmentKey(record));
      return undefined;
    } catch (error) {
      const fields = { pod: `${record.namespace}/${record.pod}`, retry_ms: removal.retryMs, err: error };
      this.#parts.log.error(fields, 'what is left of a pod cannot be removed now');
      if (!this.#closed) {
        removal.cancelRetry = this.#parts.clock.schedule(removal.retryMs, () => this.#try(removal));
        removal.retryMs = Math.min(removal.retryMs * 2, RETRY_MAX_MS);
      }
      return error;
    } finally {
      removal.isRunning = false;
    }
  }
}
