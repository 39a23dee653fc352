/**
 * The Services' part of a step (reconciler.ts): tables as the compiler made them last, brought in force. Those that do not
 * fit leave the last ones in force and hold nothing else up; only a change can mend that.
 */
import type { ObjectProblem } from '../cluster/source.ts';
import type { Datapath, RealizedServices } from '../datapath/datapath.ts';
import { CapacityError } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import { isServiceDelta, joinServiceDeltas, type ServiceDelta } from '../service/delta.ts';
import type { ServiceProblem } from '../service/problem.ts';
import type { ServiceTables } from '../service/tables.ts';
import type { ResolvedServices } from './compiler-worker.ts';

export interface ServiceState extends Omit<RealizedServices, 'writes'> {
  /** Why the newest Services are not in force; empty when they are, or are on their way. */
  readonly failure: string;
  readonly problems: readonly ServiceProblem[];
}

export class ServiceStep {
  readonly #datapath: Pick<Datapath, 'applyServices'>;
  readonly #log: Log;
  /** Whole tables, a delta, or a delta behind whole ones. */
  #pending: readonly (ServiceTables | ServiceDelta)[] = [];
  #largest: readonly string[] = [];
  #state: ServiceState = { revision: 0, frontends: 0, backends: 0, slots: 0, failure: '', problems: [] };

  constructor(parts: { datapath: Pick<Datapath, 'applyServices'>; log: Log }) {
    this.#datapath = parts.datapath;
    this.#log = parts.log;
  }

  state(): ServiceState {
    return this.#state;
  }

  /** Undefined: as they were. What is taken is pending until `run` has dealt with it. */
  take(services: ResolvedServices | undefined): void {
    if (services === undefined) return;
    this.#pending = withNext(this.#pending, services.tables);
    this.#largest = services.largest;
    this.#state = { ...this.#state, problems: services.problems };
  }

  /** @throws what the datapath throws, but for CapacityError; they stay pending then. */
  async run(): Promise<void> {
    for (let next = this.#pending[0]; next !== undefined; next = this.#pending[0]) {
      try {
        const { writes, ...realized } = await this.#datapath.applyServices(next);
        this.#state = { ...realized, failure: '', problems: this.#state.problems };
        this.#log.debug({ ...realized, writes }, 'services in force');
      } catch (error) {
        if (!(error instanceof CapacityError)) throw error;
        const largest = this.#largest.join(', ');
        this.#state = { ...this.#state, failure: `${error.message}; the largest Services: ${largest}` };
        this.#log.error({ err: error }, 'services are not in force; the last ones stay');
      }
      this.#pending = this.#pending.filter((tables) => tables !== next);
    }
  }
}

function withNext(
  pending: readonly (ServiceTables | ServiceDelta)[],
  next: ServiceTables | ServiceDelta,
): readonly (ServiceTables | ServiceDelta)[] {
  if (!isServiceDelta(next)) return [next];
  const last = pending.at(-1);
  return last !== undefined && isServiceDelta(last)
    ? [...pending.slice(0, -1), joinServiceDeltas(last, next)]
    : [...pending, next];
}

/** Those that show only beside other objects, so that no source could have found them. */
export function serviceProblems({ problems }: ServiceState): readonly ObjectProblem[] {
  return problems.map(({ kind, namespace, name, path, message, hint, severity }) => {
    const apiVersion = kind === 'Service' ? 'v1' : 'discovery.k8s.io/v1';
    const object = { apiVersion, kind, namespace, name };
    return { severity, object, file: undefined, place: undefined, path, message, hint: hint ?? '' };
  });
}
