/** The services that a store is to hold: whole tables, and the deltas that came after them. */
import { type FrontendEntry, isServiceDelta, type ServiceDelta } from '../service/delta.ts';
import { ADDRESS_KEY_BYTES, BACKEND_KEY_BYTES, FRONTEND_KEY_BYTES, readKey } from '../service/key.ts';
import type { ServiceTables, ServiceTotals } from '../service/tables.ts';

const RANGE_KEY_BYTES = 18;

export class WantedServices {
  readonly #frontends = new Map<string, FrontendEntry>();
  /** How many frontends have each address. */
  readonly #addresses = new Map<string, number>();
  #ranges: ReadonlySet<string> = new Set();
  #backends = 0;
  #slots = 0;

  get frontends(): ReadonlyMap<string, FrontendEntry> {
    return this.#frontends;
  }

  /** By address key. */
  get addresses(): ReadonlyMap<string, number> {
    return this.#addresses;
  }

  /** Family, prefix length, 16 bytes of address. */
  get ranges(): ReadonlySet<string> {
    return this.#ranges;
  }

  totals(): ServiceTotals {
    return { frontends: this.#frontends.size, backends: this.#backends, slots: this.#slots };
  }

  /** The keys of frontends that may be others now; undefined: whichever. */
  take(tables: ServiceTables | ServiceDelta): readonly string[] | undefined {
    if (isServiceDelta(tables)) {
      for (const key of tables.removed) this.#delete(key);
      for (const entry of tables.changed) this.#set(entry);
      return [...tables.removed, ...tables.changed.map(({ key }) => key)];
    }
    for (const key of this.#frontends.keys()) this.#delete(key);
    for (const entry of entriesOf(tables)) this.#set(entry);
    this.#ranges = new Set(keysOf(tables.ranges, RANGE_KEY_BYTES));
    return undefined;
  }

  #set(entry: FrontendEntry): void {
    this.#delete(entry.key);
    this.#frontends.set(entry.key, entry);
    const address = addressOf(entry.key);
    this.#addresses.set(address, (this.#addresses.get(address) ?? 0) + 1);
    this.#backends += entry.backends.length;
    this.#slots += entry.slots.length;
  }

  #delete(key: string): void {
    const entry = this.#frontends.get(key);
    if (entry === undefined) return;
    this.#frontends.delete(key);
    const address = addressOf(key);
    const left = (this.#addresses.get(address) ?? 0) - 1;
    if (left > 0) this.#addresses.set(address, left);
    else this.#addresses.delete(address);
    this.#backends -= entry.backends.length;
    this.#slots -= entry.slots.length;
  }
}

/** The address key of a frontend's. */
export function addressOf(frontendKey: string): string {
  return frontendKey.slice(0, ADDRESS_KEY_BYTES);
}

function* entriesOf({ frontends, backends, slots }: ServiceTables): Generator<FrontendEntry> {
  const behind = new Map<number, { readonly id: number; readonly key: string }[]>();
  for (const [i, id] of backends.ids.entries()) {
    const frontend = backends.frontends[i]!;
    const end = { id, key: readKey(backends.keys, i * BACKEND_KEY_BYTES, BACKEND_KEY_BYTES) };
    const ends = behind.get(frontend);
    if (ends === undefined) behind.set(frontend, [end]);
    else ends.push(end);
  }
  for (const [i, id] of frontends.ids.entries()) {
    const first = frontends.firstSlot[i]!;
    yield {
      key: readKey(frontends.keys, i * FRONTEND_KEY_BYTES, FRONTEND_KEY_BYTES),
      id,
      flags: frontends.flags[i]!,
      affinitySeconds: frontends.affinitySeconds[i]!,
      backends: behind.get(id) ?? [],
      slots: slots.subarray(first, first + frontends.slotCount[i]!),
    };
  }
}

function keysOf(bytes: Uint8Array, size: number): string[] {
  return Array.from({ length: bytes.length / size }, (_, i) => readKey(bytes, i * size, size));
}
