/**
 * What others see of the agent, put together: probes and metrics over HTTP, and, where the API server is the source, events
 * on policies and the report on the agent's own pod.
 */
import type { ApiClient } from '../../cluster/kubernetes/api-client.ts';
import type { KubernetesSource } from '../../cluster/kubernetes/kubernetes-source.ts';
import type { ApiWrite } from '../../cluster/kubernetes/transport.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Log } from '../../lib/log.ts';
import type { AgentState } from '../status.ts';
import type { ListenAddress, OwnPod } from './addresses.ts';
import { type Health, healthText, judgeHealth, WaitClock } from './health.ts';
import { type HealthAnswer, type HealthRoute, HealthServer } from './health-server.ts';
import type { AgentMetrics } from './metrics.ts';
import { NodeReport } from './node-report.ts';
import { PolicyEvents } from './policy-events.ts';
import { policyTroubles } from './policy-troubles.ts';
import { realizedRoute } from './realized-route.ts';

export interface ObservationParts {
  /** Undefined: nothing is served over HTTP. */
  readonly listen: ListenAddress | undefined;
  /** Undefined: no report is written. */
  readonly ownPod: OwnPod | undefined;
  readonly metrics: AgentMetrics;
  readonly node: string;
  readonly state: () => AgentState;
  /** Resolves when everything seen so far is in force. */
  readonly settle: () => Promise<void>;
  /** Undefined: another source. */
  readonly kubernetes: { readonly source: KubernetesSource; readonly client: ApiClient } | undefined;
  readonly clock: Clock;
  /** From 0 (inclusive) to 1 (exclusive). */
  readonly random: () => number;
  readonly log: Log;
}

const TEXT = 'text/plain; charset=utf-8';
/** Looks for troubles of policies; they are no matter of milliseconds. */
const LOOK_MS = 5_000;

export class Observation implements AsyncDisposable {
  readonly #parts: ObservationParts;
  readonly #waits = new WaitClock();
  readonly #abort = new AbortController();
  readonly #made: AsyncDisposableStack = new AsyncDisposableStack();
  #cancelLook: () => void = () => undefined;

  private constructor(parts: ObservationParts) {
    this.#parts = parts;
  }

  /** @throws ConfigError when the address cannot be listened on. */
  static async begin(parts: ObservationParts): Promise<Observation> {
    const observation = new Observation(parts);
    await observation.#serve();
    observation.#tell();
    return observation;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#cancelLook();
    this.#abort.abort();
    await this.#made.disposeAsync();
  }

  #look(): { readonly state: AgentState; readonly health: Health } {
    const state = this.#parts.state();
    const waitingMs = this.#waits.look(state.tables, this.#parts.clock.monotonicMs());
    return { state, health: judgeHealth({ state, waitingMs }) };
  }

  async #serve(): Promise<void> {
    const { listen, log, kubernetes, state, settle, metrics } = this.#parts;
    if (listen === undefined) return;
    const judged = (reasons: readonly string[]): HealthAnswer => ({
      status: reasons.length === 0 ? 200 : 503,
      contentType: TEXT,
      body: healthText(reasons),
    });
    const routes: Record<string, HealthRoute> = {
      '/healthz': async () => judged(this.#look().health.unhealthy),
      '/readyz': async () => judged(this.#look().health.notReady),
      '/metrics': async () => ({
        status: 200,
        contentType: metrics.contentType,
        body: await metrics.text(),
      }),
    };
    if (kubernetes !== undefined) {
      const seenVersion = kubernetes.source.version.bind(kubernetes.source);
      routes['/v1/realized'] = realizedRoute({ seenVersion, settle, state });
    }
    const server = this.#made.use(await HealthServer.listen({ ...listen, routes, log }));
    log.info({ address: listen.address, port: server.port }, 'health and metrics are served');
  }

  #tell(): void {
    const { kubernetes, ownPod, node, clock, random, log } = this.#parts;
    if (kubernetes === undefined) return;
    const write = (path: string, write: ApiWrite): Promise<unknown> =>
      kubernetes.client.write(path, write, this.#abort.signal);
    const events = this.#made.use(
      new PolicyEvents({
        write,
        uidOf: ({ kind, namespace, name }) => kubernetes.source.version(kind, namespace, name)?.uid,
        node,
        clock,
        random,
        log,
      }),
    );
    this.#lookForTroubles(events);
    if (ownPod === undefined) return;
    const { namespace, name: pod } = ownPod;
    this.#made.use(new NodeReport({ namespace, pod, look: () => this.#look(), write, clock, random, log }));
  }

  #lookForTroubles(events: PolicyEvents): void {
    const { clock, state } = this.#parts;
    this.#cancelLook = clock.schedule(LOOK_MS, () => {
      const { objectProblems, compileProblems } = state();
      events.take(policyTroubles(objectProblems, compileProblems));
      this.#lookForTroubles(events);
    });
  }
}
