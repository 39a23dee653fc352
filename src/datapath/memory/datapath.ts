/** A datapath that only keeps tables: for tests and dry runs. Nothing passes through it. */
import type { VerdictTables } from '../../policy/tables.ts';
import type { TableLimits } from '../capacity.ts';
import type { Counter, Datapath, EndpointWiring, FlowQuery, FlowVerdict, Realized } from '../datapath.ts';
import type { IdsInUse } from '../image.ts';
import { judge } from '../judge.ts';
import type { TableStore } from '../store.ts';
import { TableKeeper } from '../table-keeper.ts';
import { MemoryStore } from './store.ts';

export interface MemoryDatapathOptions {
  /** What an earlier datapath left; without it, nothing. */
  readonly store?: TableStore;
  readonly limits?: TableLimits;
  /** Writes of one call of the store. */
  readonly batchWrites?: number;
}

export class MemoryDatapath implements Datapath {
  readonly #store: TableStore;
  readonly #keeper: TableKeeper;

  private constructor(store: TableStore, keeper: TableKeeper) {
    this.#store = store;
    this.#keeper = keeper;
  }

  static async open({ store = new MemoryStore(), ...options }: MemoryDatapathOptions = {}): Promise<MemoryDatapath> {
    return new MemoryDatapath(store, await TableKeeper.open(store, { ...options, grace: async () => undefined }));
  }

  async attachEndpoint(wiring: EndpointWiring): Promise<void> {
    await this.#keeper.attach(wiring, () => undefined);
  }

  async detachEndpoint(id: number): Promise<void> {
    await this.#keeper.detach(id, () => undefined);
  }

  endpoints(): ReadonlyMap<number, EndpointWiring> {
    return this.#keeper.endpoints();
  }

  idsInUse(): IdsInUse {
    return this.#keeper.idsInUse();
  }

  async apply(tables: VerdictTables): Promise<Realized> {
    return this.#keeper.apply(tables);
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
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
