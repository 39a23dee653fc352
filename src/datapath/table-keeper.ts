/**
 * Owns one store: knows what it holds in force, and changes it one operation at a time. What every datapath that keeps
 * tables has in common; attaching to interfaces is not its business.
 *
 * 1. Operations are run one after the other, in the order they were called. One is over when it is in force: what it leaves
 *    to be removed goes beside those that follow (clean-ups.ts).
 * 2. An operation that fails half-way leaves the store in force as it was before or as it was to be; the next operation
 *    reads it anew and settles it first.
 * 3. An endpoint's addresses point to its interface before the endpoint is there, and until after it is gone: a pod
 *    without its addresses would not be judged.
 */
import { CapacityError } from '../lib/errors.ts';
import { doInSlices } from '../lib/slices.ts';
import { isDelta, type TableDelta } from '../policy/table-delta.ts';
import type { VerdictTables } from '../policy/tables.ts';
import { adopt } from './adopt.ts';
import { type ApplyOptions, bringInForce, writeAll, writesOf } from './apply.ts';
import { DEFAULT_LIMITS, TableCapacityError, type TableLimits, type TableFill, TABLES } from './capacity.ts';
import { CleanUps } from './clean-ups.ts';
import { compareTables } from './compare.ts';
import type { EndpointWiring, Realized } from './datapath.ts';
import { CLOSED, isInForce, nextGeneration } from './elements.ts';
import { type IdsInUse, type ImageAddress, idsInUse, type KernelImage, OWN_ADDRESS_CLASS } from './image.ts';
import { addressText } from './lookup.ts';
import {
  addressKeysOf,
  addressValue,
  checkWiring,
  endpointElement,
  isSameWiring,
  localElement,
  settled,
} from './own-elements.ts';
import { type Plan, planTransition, type Target } from './plan.ts';
import { reduceDelta } from './reduce.ts';
import { StaleDeltaError } from './stale-delta.ts';
import type { TableStore, TableWrite } from './store.ts';

export interface KeeperOptions extends ApplyOptions {
  readonly limits?: TableLimits;
  /** A generation that flows may have been judged under by other tables: those in force get a later one. */
  readonly after?: number | undefined;
}

const GENERATION_FIRST = 1;

interface Done {
  readonly realized: Realized;
  /** Resolves once nothing is left that only earlier tables used. */
  readonly cleaned: Promise<void>;
}

export class TableKeeper {
  readonly #store: TableStore;
  readonly #options: KeeperOptions;
  readonly #limits: TableLimits;
  #image: KernelImage;
  /** Revision of the tables that are in force as they were given; undefined: not known, or not all of them are. */
  #revision: number | undefined;
  /** The store may differ from the image. */
  #isTorn = false;
  readonly #cleanUps: CleanUps;
  #last: Promise<unknown> = Promise.resolve();

  private constructor(store: TableStore, options: KeeperOptions, image: KernelImage) {
    this.#store = store;
    this.#options = options;
    this.#limits = options.limits ?? DEFAULT_LIMITS;
    this.#image = image;
    this.#cleanUps = new CleanUps(store, options);
  }

  /** Takes over what the store holds; a store in which nothing was ever in force begins with generation 1. */
  static async open(store: TableStore, options: KeeperOptions): Promise<TableKeeper> {
    const first = options.after === undefined ? GENERATION_FIRST : nextGeneration(options.after);
    if (store.commit().generation === 0) store.write([{ table: 'commit', generation: first, portTable: 0 }]);
    const keeper = new TableKeeper(store, options, await settleStore(store, options));
    if (!isInForce(keeper.image.generation, first)) await keeper.#commitAgain(first, () => undefined);
    return keeper;
  }

  get image(): KernelImage {
    return this.#image;
  }

  endpoints(): ReadonlyMap<number, EndpointWiring> {
    return new Map([...this.#image.endpoints].map(([id, { wiring }]) => [id, wiring]));
  }

  /** Elements of what is in force, and room for them. Of `rows` a transition needs those of both sides for a while. */
  fill(): readonly TableFill[] {
    const { endpoints, addresses, ownAddresses, prefixes, rows } = this.#image;
    const unnamed = [...ownAddresses.values()].filter(({ key }) => addresses.find(key) === undefined);
    const used: TableLimits = {
      endpoints: endpoints.size,
      addresses: addresses.size + unnamed.length,
      prefixes: prefixes.classes.length,
      rows: [...rows.values()].reduce((sum, { ruleSet }) => sum + ruleSet.length, 0),
    };
    return TABLES.map((table) => ({ table, used: used[table], max: this.#limits[table] }));
  }

  idsInUse(): IdsInUse {
    return idsInUse(this.#image);
  }

  /**
   * Makes the endpoint known, closed in both directions; its addresses are of an unknown pod until tables say more. An
   * endpoint that is known as it is keeps what it has. `attach` is called before anything of it is written.
   * @throws CapacityError, RangeError for a wiring that cannot be, Error when interface or address is another's.
   */
  async attach(wiring: EndpointWiring, attach: () => void): Promise<void> {
    checkWiring(wiring);
    await this.#run(async () => {
      const known = this.#image.endpoints.get(wiring.id);
      if (known !== undefined && !isSameWiring(known.wiring, wiring)) {
        throw new Error(`endpoint ${wiring.id} is attached with another wiring: detach it first`);
      }
      await this.#fitting((limits) => this.#checkFree(wiring, limits));
      attach();
      if (known === undefined) await this.#add(wiring);
    });
  }

  /** Forgets the endpoint, then calls `detach`; an unknown id only calls it. */
  async detach(id: number, detach: (wiring: EndpointWiring | undefined) => void): Promise<void> {
    await this.#run(async () => {
      const wiring = this.#image.endpoints.get(id)?.wiring;
      if (wiring !== undefined) await this.#remove(wiring);
      detach(wiring);
    });
  }

  /**
   * Brings the tables in force, or what a delta changes of them, and calls `inForce` then; resolves once what only the old
   * ones used is gone, so that ids may be used again. Only whole tables cost a look at every element; that is done in slices.
   * @throws TableCapacityError when they do not fit; what of them needs no room is in force then (reduce.ts).
   * @throws StaleDeltaError when it is not the tables in force that the delta changes; nothing is written.
   * @throws what a clean-up failed with, after `inForce`.
   */
  async apply(
    tables: VerdictTables | TableDelta,
    inForce: (realized: Realized) => void = () => undefined,
  ): Promise<Realized> {
    const { realized, cleaned } = await this.#run(async () => {
      const target = await this.#targetOf(tables);
      this.#revision = undefined;
      const plan = await this.#planOrRefuse(target);
      const done = plan instanceof CapacityError ? await this.#applyReduced(target, plan) : await this.#perform(plan);
      this.#revision = tables.revision;
      inForce(done.realized);
      return done;
    });
    await cleaned;
    return realized;
  }

  /** Does what `change` does, then has every flow judged again: with the next generation and the same tables. */
  async judgeAgain(change: () => void): Promise<void> {
    await this.#run(() => this.#commitAgain(nextGeneration(this.#image.generation), change));
  }

  /** Resolves once every operation called so far has ended, and nothing is left of it. */
  async idle(): Promise<void> {
    await this.#last;
    await this.#cleanUps.idle();
  }

  async #commitAgain(generation: number, change: () => void): Promise<void> {
    const { portTable } = this.#image;
    change();
    const after = { ...this.#image, generation };
    const { cleaned } = await this.#perform({ prepare: [], commit: { generation, portTable }, cleanup: [], after });
    await cleaned;
  }

  async #targetOf(tables: VerdictTables | TableDelta): Promise<Target> {
    if (!isDelta(tables)) return { delta: await doInSlices(compareTables(this.#image, tables)), whole: tables };
    if (tables.base !== this.#revision) throw new StaleDeltaError(tables.base, this.#revision);
    return { delta: tables };
  }

  async #planOrRefuse(target: Target): Promise<Plan | CapacityError> {
    try {
      return await this.#fitting((limits) => doInSlices(planTransition(this.#image, target, limits)));
    } catch (error) {
      if (error instanceof CapacityError) return error;
      throw error;
    }
  }

  /** What goes may make room for what comes: after the reduced tables the whole is tried once more. */
  async #applyReduced(target: Target, refusal: CapacityError): Promise<Done> {
    const { delta, closed } = await doInSlices(reduceDelta(this.#image, target.delta, this.#limits));
    const { named } = this.#image;
    const first = await this.#perform(await doInSlices(planTransition(this.#image, { delta }, this.#limits)));
    // The tables name endpoints as before; what is in force of it is another matter.
    this.#image = { ...this.#image, named };
    await first.cleaned;
    const plan = await this.#planOrRefuse(target);
    if (plan instanceof CapacityError) throw new TableCapacityError(refusal, target.delta.revision, closed);
    const { realized, cleaned } = await this.#perform(plan);
    return { realized: { ...realized, writes: first.realized.writes + realized.writes }, cleaned };
  }

  async #perform(plan: Plan): Promise<Done> {
    await this.#cleanUps.clearFor(plan);
    await this.#tearing(() => bringInForce(this.#store, plan, this.#options));
    const { generation, revision } = plan.after;
    this.#image = plan.after;
    return { realized: { generation, revision, writes: writesOf(plan) }, cleaned: this.#cleanUps.add(plan) };
  }

  /** What is left to be removed takes room: only without it is anything refused. */
  async #fitting<T>(work: (limits: TableLimits) => T | Promise<T>): Promise<T> {
    await this.#cleanUps.ready();
    try {
      return await work(this.#cleanUps.roomOf(this.#limits));
    } catch (error) {
      if (!(error instanceof CapacityError) || this.#cleanUps.isEmpty) throw error;
      await this.#cleanUps.drain();
      return work(this.#limits);
    }
  }

  /** In force as they are written. */
  async #write(writes: readonly TableWrite[]): Promise<void> {
    await this.#cleanUps.clearFor({ prepare: writes, commit: undefined, cleanup: [] });
    await this.#tearing(() => writeAll(this.#store, writes, this.#options));
  }

  async #add(wiring: EndpointWiring): Promise<void> {
    const { generation, endpoints, ownAddresses } = this.#image;
    const keys = addressKeysOf(wiring);
    const classes: TableWrite[] = keys.map((key) => ({
      table: 'addresses',
      key,
      value: addressValue(settled(OWN_ADDRESS_CLASS, generation), 0),
    }));
    const locals: TableWrite[] = keys.map((key) => ({ table: 'locals', key, value: localElement(wiring) }));
    const value = endpointElement(wiring, settled(CLOSED, generation));
    const writes: TableWrite[] = [...classes, ...locals, { table: 'endpoints', ifindex: wiring.ifindex, value }];
    await this.#write(writes);
    const own = keys.map((key): [string, ImageAddress] => [
      addressText(key),
      { key, peerClass: OWN_ADDRESS_CLASS, flags: 0, endpointId: wiring.id },
    ]);
    this.#image = {
      ...this.#image,
      endpoints: new Map(endpoints).set(wiring.id, { wiring, ruleSets: CLOSED, isFresh: true }),
      ownAddresses: new Map([...ownAddresses, ...own]),
    };
  }

  async #remove(wiring: EndpointWiring): Promise<void> {
    const { generation, addresses } = this.#image;
    const endpoints = new Map(this.#image.endpoints);
    const ownAddresses = new Map(this.#image.ownAddresses);
    const keys = addressKeysOf(wiring);
    const writes: TableWrite[] = [{ table: 'endpoints', ifindex: wiring.ifindex, value: undefined }];
    writes.push(...keys.map((key): TableWrite => ({ table: 'locals', key, value: undefined })));
    endpoints.delete(wiring.id);
    for (const key of keys) {
      const own = ownAddresses.get(addressText(key));
      if (own === undefined) continue;
      // What the tables know of the address stays, in the class it has now; only tables change a class.
      const stays = addresses.find(key) !== undefined;
      const value = stays ? addressValue(settled(own.peerClass, generation), own.flags) : undefined;
      writes.push({ table: 'addresses', key, value });
      if (stays) ownAddresses.set(addressText(key), { ...own, endpointId: undefined });
      else ownAddresses.delete(addressText(key));
    }
    await this.#write(writes);
    this.#image = { ...this.#image, endpoints, ownAddresses };
  }

  #checkFree(wiring: EndpointWiring, limits: TableLimits): void {
    const { endpoints, ownAddresses, addresses } = this.#image;
    if (endpoints.has(wiring.id)) return;
    for (const other of endpoints.values()) {
      if (other.wiring.ifindex !== wiring.ifindex) continue;
      throw new Error(`interface ${wiring.ifindex} belongs to endpoint ${other.wiring.id}: detach it first`);
    }
    for (const key of addressKeysOf(wiring)) {
      const owner = ownAddresses.get(addressText(key))?.endpointId;
      if (owner === undefined) continue;
      throw new Error(`an address of endpoint ${wiring.id} belongs to endpoint ${owner}: detach it first`);
    }
    const check = (table: keyof TableLimits, needed: number): void => {
      const available = limits[table];
      if (needed > available) throw new CapacityError(table, needed, available, `endpoint ${wiring.id}`);
    };
    check('endpoints', endpoints.size + 1);
    check('addresses', addresses.size + ownAddresses.size + wiring.addresses.length);
  }

  async #run<T>(operation: () => Promise<T>): Promise<T> {
    const run = this.#last.then(async () => {
      if (this.#isTorn || this.#cleanUps.hasFailed) {
        await this.#cleanUps.idle();
        this.#image = await settleStore(this.#store, this.#options);
        this.#revision = undefined;
        this.#isTorn = false;
        this.#cleanUps.forgetFailure();
      }
      return operation();
    });
    this.#last = run.catch(() => undefined);
    return run;
  }

  async #tearing<T>(writing: () => Promise<T>): Promise<T> {
    this.#isTorn = true;
    const result = await writing();
    this.#isTorn = false;
    return result;
  }
}

/** Whoever wrote last may have ended right after a commit: nothing is touched before the grace. */
async function settleStore(store: TableStore, options: KeeperOptions): Promise<KernelImage> {
  await options.grace();
  const { image, settle } = await doInSlices(adopt(store));
  await writeAll(store, settle, options);
  return image;
}
