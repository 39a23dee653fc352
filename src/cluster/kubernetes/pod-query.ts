/** One pod, asked for by name: bounded in time and number, so that a server in trouble is not asked by everybody. */
import type { Clock } from '../../lib/clock.ts';
import type { Pod } from '../../policy/model.ts';
import { readPod } from '../../policy/validate.ts';
import { ApiClient } from './api-client.ts';
import { ApiError } from './api-error.ts';
import { POD_QUERIES_MAX, POD_QUERY_MS_MAX } from './limits.ts';
import { type Identity, identityOf } from './raw-object.ts';
import type { ApiTransport } from './transport.ts';

/** Counts since the start, for metrics. */
export interface PodQueryStats {
  /** Under way. */
  readonly running: number;
  readonly found: number;
  /** The server has no such pod, or one that cannot be read. */
  readonly absent: number;
  /** No answer, or none in time. */
  readonly failed: number;
  /** Not asked: POD_QUERIES_MAX were under way. */
  readonly refused: number;
}

/** What became of a query; `busy`: not asked. */
export type PodAnswer =
  | { readonly kind: 'found'; readonly identity: Identity; readonly pod: Pod }
  | { readonly kind: 'absent' | 'busy' | 'failed'; readonly reason: string };

/** DNS subdomains: nothing else is a name, and nothing else may become part of a path. */
const NAME = /^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/;

export class PodQuery {
  readonly #client: ApiClient;
  readonly #clock: Clock;
  readonly #counts = { running: 0, found: 0, absent: 0, failed: 0, refused: 0 };

  constructor(transport: ApiTransport, clock: Clock) {
    this.#client = new ApiClient(transport, clock);
    this.#clock = clock;
  }

  stats(): PodQueryStats {
    return { ...this.#counts };
  }

  /** A quorum read: no replica that lags behind answers it. @param signal ends it early. */
  async ask(namespace: string, name: string, signal: AbortSignal): Promise<PodAnswer> {
    if (!NAME.test(namespace) || !NAME.test(name)) return { kind: 'absent', reason: 'that is no name of a pod' };
    if (this.#counts.running >= POD_QUERIES_MAX) {
      this.#counts.refused += 1;
      return { kind: 'busy', reason: `POD_QUERIES_MAX, ${POD_QUERIES_MAX}, pods are asked for` };
    }
    this.#counts.running += 1;
    const answer = await this.#ask(`/api/v1/namespaces/${namespace}/pods/${name}`, signal);
    this.#counts.running -= 1;
    if (answer.kind !== 'busy') this.#counts[answer.kind] += 1;
    return answer;
  }

  async #ask(path: string, signal: AbortSignal): Promise<PodAnswer> {
    const late = new AbortController();
    const cancel = this.#clock.schedule(POD_QUERY_MS_MAX, () => late.abort());
    try {
      const raw = await this.#client.json(path, {}, AbortSignal.any([signal, late.signal]));
      const identity = identityOf(raw, true);
      const { object, problems } = readPod(raw);
      if (object !== undefined) return { kind: 'found', identity, pod: object };
      const [problem] = problems;
      return { kind: 'absent', reason: `it cannot be read: ${problem?.path ?? ''} ${problem?.message ?? ''}` };
    } catch (error) {
      if (!(error instanceof ApiError) && !late.signal.aborted && !signal.aborted) throw error;
      if (error instanceof ApiError && error.kind === 'absent') {
        return { kind: 'absent', reason: 'the API server has no such pod' };
      }
      // As a watch does: with a token that was replaced, the next one succeeds.
      if (error instanceof ApiError && error.kind === 'unauthorized') this.#client.renewCredentials();
      const reason = late.signal.aborted
        ? `no answer from the API server in ${POD_QUERY_MS_MAX / 1000} s`
        : error instanceof ApiError
          ? error.message
          : 'it was given up';
      return { kind: 'failed', reason };
    } finally {
      cancel();
    }
  }
}
