/** A datapath that only keeps tables: for tests and dry runs. Nothing passes through it. */
import type { TableDelta } from '../../policy/table-delta.ts';
import type { VerdictTables } from '../../policy/tables.ts';
import type { ServiceDelta } from '../../service/delta.ts';
import type { ServiceTables } from '../../service/tables.ts';
import type { TableLimits } from '../capacity.ts';
import type {
  Counter,
  Datapath,
  EndpointWiring,
  FlowQuery,
  FlowVerdict,
  Realized,
  RealizedServices,
} from '../datapath.ts';
import type { IdsInUse } from '../image.ts';
import { judge } from '../judge.ts';
import { missingElements } from '../missing.ts';
import { type ServiceIdsInUse, ServiceKeeper } from '../service-keeper.ts';
import type { ServiceStore } from '../service-store.ts';
import type { TableStore } from '../store.ts';
import { TableKeeper } from '../table-keeper.ts';
import { MemoryServiceStore } from './service-store.ts';
import { MemoryStore } from './store.ts';

export interface MemoryDatapathOptions {
  /** What an earlier datapath left; without it, nothing. */
  readonly store?: TableStore;
  readonly serviceStore?: ServiceStore;
  readonly limits?: TableLimits;
  /** Writes of one call of the store. */
  readonly batchWrites?: number;
}

export class MemoryDatapath implements Datapath {
  readonly #store: TableStore;
  readonly #keeper: TableKeeper;
  readonly #services: ServiceKeeper;

  private constructor(store: TableStore, keeper: TableKeeper, services: ServiceKeeper) {
    this.#store = store;
    this.#keeper = keeper;
    this.#services = services;
  }

  static async open({
    store = new MemoryStore(),
    serviceStore = new MemoryServiceStore(),
    ...options
  }: MemoryDatapathOptions = {}): Promise<MemoryDatapath> {
    const grace = async (): Promise<void> => undefined;
    const keeper = await TableKeeper.open(store, { ...options, grace });
    return new MemoryDatapath(store, keeper, new ServiceKeeper(serviceStore, { grace }));
  }

  async attachEndpoint(wiring: EndpointWiring): Promise<void> {
    await this.#keeper.attach(wiring, () => undefined);
  }

  /** Nothing is attached. */
  async settleEndpoint(): Promise<void> {}

  async closeEndpoint(id: number): Promise<void> {
    await this.#keeper.detach(id, () => undefined);
  }

  async detachEndpoint(id: number): Promise<void> {
    await this.#keeper.detach(id, () => undefined);
  }

  missingOf(wiring: EndpointWiring): readonly string[] {
    return missingElements(this.#store, wiring);
  }

  endpoints(): ReadonlyMap<number, EndpointWiring> {
    return this.#keeper.endpoints();
  }

  idsInUse(): IdsInUse {
    return this.#keeper.idsInUse();
  }

  async apply(tables: VerdictTables | TableDelta, inForce?: (realized: Realized) => void): Promise<Realized> {
    return this.#keeper.apply(tables, inForce);
  }

  async applyServices(tables: ServiceTables | ServiceDelta): Promise<RealizedServices> {
    return this.#services.apply(tables);
  }

  serviceIdsInUse(): ServiceIdsInUse {
    return this.#services.idsInUse();
  }

  judge(flow: FlowQuery): FlowVerdict {
    return judge(this.#store, flow);
  }

  /** No packet passes. */
  counters(): readonly Counter[] {
    return [];
  }

  /** No packet is dropped. */
  onDrop(): void {}

  async close(): Promise<void> {
    await this.#keeper.idle();
    await this.#services.idle();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
