/**
 * How fresh this node is and what it enforces, as annotations of the agent's own pod, where `kubectl get` shows it for all
 * nodes. On its pod and not on the Node: the right to change pods of Sluice's own namespace does little harm in wrong
 * hands, the right to change every Node does much.
 */
import type { ApiWrite } from '../../cluster/kubernetes/transport.ts';
import type { Clock } from '../../lib/clock.ts';
import { errorMessage } from '../../lib/errors.ts';
import type { Log } from '../../lib/log.ts';
import type { AgentState } from '../status.ts';
import type { Health } from './health.ts';

export interface NodeReportParts {
  /** The agent's own pod. */
  readonly namespace: string;
  readonly pod: string;
  readonly look: () => { readonly state: AgentState; readonly health: Health };
  readonly write: (path: string, write: ApiWrite) => Promise<unknown>;
  readonly clock: Clock;
  /** From 0 (inclusive) to 1 (exclusive). */
  readonly random: () => number;
  readonly log: Log;
}

/** Between two looks; what changed meanwhile is told with one write. */
const LOOK_MS = 10_000;
/** Without a change. */
const REFRESH_MS = 60_000;
const STATE_CHARS_MAX = 200;

export const ANNOTATIONS = {
  state: 'sluice.dev/state',
  asOf: 'sluice.dev/source-as-of',
  realized: 'sluice.dev/realized-generation',
} as const;

export class NodeReport implements AsyncDisposable {
  readonly #parts: NodeReportParts;
  #cancel: () => void;
  #running: Promise<void> = Promise.resolve();
  #told = '';
  #toldMs = -Infinity;
  #failed = false;
  #closed = false;

  constructor(parts: NodeReportParts) {
    this.#parts = parts;
    this.#cancel = parts.clock.schedule(0, () => this.#look());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    this.#cancel();
    await this.#running;
  }

  #look(): void {
    this.#running = this.#tell().finally(() => {
      const { clock, random } = this.#parts;
      // Spread, so that the nodes of a cluster do not write together.
      if (!this.#closed) this.#cancel = clock.schedule(LOOK_MS * (0.5 + random()), () => this.#look());
    });
  }

  async #tell(): Promise<void> {
    const { namespace, pod, look, write, clock, log } = this.#parts;
    const { state, health } = look();
    const [reason] = health.notReady;
    const word = reason === undefined ? 'ready' : reason.slice(0, STATE_CHARS_MAX);
    const realized = String(state.tables.generation);
    const key = `${word} ${realized}`;
    if (key === this.#told && clock.monotonicMs() - this.#toldMs < REFRESH_MS) return;
    const annotations = {
      [ANNOTATIONS.state]: word,
      [ANNOTATIONS.asOf]: state.source.asOf,
      [ANNOTATIONS.realized]: realized,
    };
    try {
      await write(`/api/v1/namespaces/${namespace}/pods/${pod}`, {
        method: 'PATCH',
        contentType: 'application/merge-patch+json',
        body: JSON.stringify({ metadata: { annotations } }),
      });
      this.#told = key;
      this.#toldMs = clock.monotonicMs();
      this.#failed = false;
    } catch (error) {
      if (!this.#failed)
        log.warn({ pod, error: errorMessage(error) }, 'the state of this node cannot be written to its pod');
      this.#failed = true;
    }
  }
}
