/**
 * Owns one service store: knows what it holds, and brings service tables in force one after the other. When an apply
 * fails half-way, every frontend leads to where it led before or is to lead; the next one reads the store anew.
 */
import { setImmediate } from 'node:timers/promises';
import { CapacityError } from '../lib/errors.ts';
import type { ServiceDelta } from '../service/delta.ts';
import { BACKEND_KEY_BYTES, FRONTEND_KEY_BYTES, writeKey } from '../service/key.ts';
import { exceededLimits, givenIds, type ServiceTables } from '../service/tables.ts';
import { BATCH_WRITES_MAX } from './apply.ts';
import type { RealizedServices } from './datapath.ts';
import { FRONTEND_ADDRESS, LIMIT_BACKENDS, LIMIT_FRONTENDS, LIMIT_SERVICE_RANGES } from './elements.ts';
import { ServiceImage } from './service-image.ts';
import { planServices, type ServiceLimits } from './service-plan.ts';
import type { ServiceStore, ServiceWrite } from './service-store.ts';
import { WantedServices } from './service-wanted.ts';

export interface ServiceKeeperOptions {
  /** Resolves once no packet is under way that began before the call. */
  readonly grace: () => Promise<void>;
  readonly limits?: ServiceLimits;
  /** Writes of one call of the store; 1 lets an observer see every one. */
  readonly batchWrites?: number;
}

/** The ids of what a store holds: a resolver that starts over must not give them to others. */
export type ServiceIdsInUse = ReturnType<typeof givenIds>;

const DEFAULT_SERVICE_LIMITS: ServiceLimits = {
  frontends: LIMIT_FRONTENDS,
  backends: LIMIT_BACKENDS,
  ranges: LIMIT_SERVICE_RANGES,
};

/** A frontend as the store is to have it. */
export interface FrontendInForce {
  /** frontendKey. */
  readonly key: string;
  readonly id: number;
  /** frontend_flag bits. */
  readonly flags: number;
  readonly slots: Uint32Array;
  readonly affinityTimeoutSeconds: number;
}

export class ServiceKeeper {
  readonly #store: ServiceStore;
  readonly #options: ServiceKeeperOptions;
  /** Undefined: it has to be read. */
  #image: ServiceImage | undefined;
  readonly #wanted = new WantedServices();
  /** Frontends that may differ from what is wanted; undefined: all. */
  #dirty: Set<string> | undefined;
  #last: Promise<unknown> = Promise.resolve();

  constructor(store: ServiceStore, options: ServiceKeeperOptions) {
    this.#store = store;
    this.#options = options;
  }

  /**
   * Resolves once the tables, or what a delta changes of them, are in force and what only the old ones used is gone. What
   * was not brought in force is with the next call. Whole tables come first.
   * @throws CapacityError before anything is written when they do not fit.
   */
  async apply(tables: ServiceTables | ServiceDelta): Promise<RealizedServices> {
    const run = this.#last.then(() => this.#apply(tables));
    this.#last = run.catch(() => undefined);
    return run;
  }

  idsInUse(): ServiceIdsInUse {
    const { frontends, backends } = this.#image ?? ServiceImage.read(this.#store);
    const named = [...frontends].filter(([, { flags }]) => (flags & FRONTEND_ADDRESS) === 0);
    return givenIds({
      frontends: {
        keys: joinKeys(
          named.map(([key]) => key),
          FRONTEND_KEY_BYTES,
        ),
        ids: Uint32Array.from(named, ([, { id }]) => id),
      },
      backends: {
        ids: Uint32Array.from(backends.keys()),
        frontends: Uint32Array.from(backends.values(), ({ frontend }) => frontend),
        keys: joinKeys(
          Array.from(backends.values(), ({ key }) => key),
          BACKEND_KEY_BYTES,
        ),
      },
      nextIds: { frontend: 1, backend: 1 },
    });
  }

  /** Whether the store has just that, slots and all, while it is being written, too. */
  isInForce({ key, id, flags, slots, affinityTimeoutSeconds }: FrontendInForce): boolean {
    const element = this.#store.frontend(key);
    if (element === undefined || element.id !== id || element.flags !== flags) return false;
    if (element.slotCount !== slots.length || element.affinitySeconds !== affinityTimeoutSeconds) return false;
    const now = this.#store.slots(element.firstSlot, element.slotCount);
    return slots.every((backend, i) => now[i] === backend);
  }

  /** Resolves once every apply called so far has ended. */
  async idle(): Promise<void> {
    await this.#last;
  }

  async #apply(tables: ServiceTables | ServiceDelta): Promise<RealizedServices> {
    const { limits = DEFAULT_SERVICE_LIMITS, grace } = this.#options;
    const keys = this.#wanted.take(tables);
    if (keys === undefined) this.#dirty = undefined;
    for (const key of keys ?? []) this.#dirty?.add(key);
    const totals = this.#wanted.totals();
    const [limit] = exceededLimits(totals);
    if (limit !== undefined) throw new CapacityError(limit.limit, limit.needed, limit.available, 'the Services');
    if (this.#image === undefined) {
      // Whoever wrote last may have ended right after a frontend left its run.
      await grace();
      this.#image = ServiceImage.read(this.#store);
      this.#dirty = undefined;
    }
    const image = this.#image;
    const { prepare, cleanup } = planServices({
      image,
      wanted: this.#wanted,
      keys: this.#dirty,
      store: this.#store,
      limits,
    });
    this.#image = undefined;
    await this.#write(prepare);
    if (prepare.length > 0 || cleanup.length > 0) await grace();
    await this.#write(cleanup);
    image.note(prepare);
    image.note(cleanup);
    this.#image = image;
    this.#dirty = new Set();
    return { revision: tables.revision, writes: prepare.length + cleanup.length, ...totals };
  }

  async #write(writes: readonly ServiceWrite[]): Promise<void> {
    const size = this.#options.batchWrites ?? BATCH_WRITES_MAX;
    for (let at = 0; at < writes.length; at += size) {
      if (at > 0) await setImmediate();
      this.#store.write(writes.slice(at, at + size));
    }
  }
}

function joinKeys(keys: readonly string[], size: number): Uint8Array {
  const bytes = new Uint8Array(keys.length * size);
  for (const [i, key] of keys.entries()) writeKey(key, bytes, i * size);
  return bytes;
}
