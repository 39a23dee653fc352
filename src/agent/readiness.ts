/**
 * From the first look at the desired state to the first tables in force. Until then nothing that an earlier agent enforces
 * is touched, DELs are carried out, and ADDs wait. Tables that cannot be brought in force do not end the agent: another
 * start would meet the same ones. It says why it is not ready, and is as soon as a later state fits.
 */
import type { ClusterSource } from '../cluster/source.ts';
import type { Clock } from '../lib/clock.ts';
import type { Log } from '../lib/log.ts';
import type { Reconciler } from './reconciler.ts';

/** To the first word about it, and between further ones: somebody who looks at the log shall see what it waits for. */
const TELL_INTERVAL_MS = 10_000;

export interface ReadinessParts {
  readonly source: Pick<ClusterSource, 'synced' | 'freshness'>;
  readonly reconciler: Reconciler;
  readonly clock: Clock;
  readonly log: Log;
}

export class Readiness implements Disposable {
  readonly #parts: ReadinessParts;
  #isReady = false;
  #isClosed = false;
  #cancelTell: () => void = () => undefined;

  constructor(parts: ReadinessParts) {
    this.#parts = parts;
  }

  get isReady(): boolean {
    return this.#isReady;
  }

  /** Why nothing new can be enforced yet; undefined once it can. */
  reason(): string | undefined {
    if (this.#isReady) return undefined;
    const { source, reconciler } = this.#parts;
    const { synced, fault } = source.freshness();
    const { failure } = reconciler.state();
    if (synced) return `the first tables are not in force yet${failure === '' ? '' : `: ${failure}`}`;
    return `the desired state is not known yet${fault === undefined ? '' : `: ${fault}`}`;
  }

  /**
   * Once. Resolves when the first tables are in force, or when it was disposed of before.
   * @throws what `synced` of the source rejects with.
   */
  async begin(): Promise<void> {
    const { source, reconciler } = this.#parts;
    this.#tellLater();
    try {
      await source.synced;
      if (!this.#isClosed) {
        reconciler.begin();
        await reconciler.started;
      }
      this.#isReady = !this.#isClosed;
    } catch (error) {
      if (!this.#isClosed) throw error;
    } finally {
      this.#cancelTell();
    }
  }

  [Symbol.dispose](): void {
    this.#isClosed = true;
    this.#cancelTell();
  }

  #tellLater(): void {
    const { clock, log } = this.#parts;
    this.#cancelTell = clock.schedule(TELL_INTERVAL_MS, () => {
      log.warn({ reason: this.reason() }, 'no pod can be added yet; what was enforced before stays in force');
      this.#tellLater();
    });
  }
}
