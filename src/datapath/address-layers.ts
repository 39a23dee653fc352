/**
 * What the tables in force say of every address: a sorted table, and beside it what changed lately. One address that
 * changes costs a copy of the lately changed ones, which are few; when they are many they are worked into the table.
 * Nothing is ever changed in place: who holds one keeps what it says.
 */
import { doAtOnce, type Work } from '../lib/work.ts';
import { ADDRESS_KEY_BYTES, PEER_CLASS_NONE } from '../policy/ids.ts';
import { isVoidEntry, mergeAddresses, placeOfKey } from '../policy/table-delta.ts';
import type { AddressTable } from '../policy/tables.ts';
import type { AddressKey } from './elements.ts';
import { addressText, addressTextAt } from './lookup.ts';

export interface AddressState {
  /** PEER_CLASS_NONE: that of the prefixes. */
  readonly peerClass: number;
  /** address_flag bits. */
  readonly flags: number;
}

/** Of an address without an entry. */
export const ABSENT: AddressState = { peerClass: PEER_CLASS_NONE, flags: 0 };

/** Addresses that changed lately, before they are worked in. */
const RECENT_MAX = 1024;

export class AddressLayers {
  readonly #table: AddressTable;
  /** By text; ABSENT: not any more. */
  readonly #recent: ReadonlyMap<string, AddressState>;
  /** Entries. */
  readonly size: number;

  private constructor(table: AddressTable, recent: ReadonlyMap<string, AddressState>, size: number) {
    this.#table = table;
    this.#recent = recent;
    this.size = size;
  }

  static of(table: AddressTable): AddressLayers {
    return new AddressLayers(table, new Map(), table.classes.length);
  }

  /** Undefined: no entry. */
  find(key: AddressKey): AddressState | undefined {
    const bytes = new Uint8Array(ADDRESS_KEY_BYTES);
    bytes[0] = key.family;
    bytes.set(key.address, 1);
    return this.#find(() => addressText(key), bytes, 0);
  }

  /** Of key number `index` in another table. */
  findAt(table: AddressTable, index: number): AddressState | undefined {
    return this.#find(() => addressTextAt(table, index), table.keys, index);
  }

  /** With these entries as they are now; those that say nothing are gone. */
  *with(changed: AddressTable): Work<AddressLayers> {
    const count = changed.classes.length;
    if (count === 0) return this;
    if (this.#recent.size + count > RECENT_MAX) {
      return AddressLayers.of(yield* mergeAddresses(this.table(), changed));
    }
    const recent = new Map(this.#recent);
    let { size } = this;
    for (let index = 0; index < count; index++) {
      const state = stateAt(changed, index);
      if (this.findAt(changed, index) !== undefined) size -= 1;
      if (state !== ABSENT) size += 1;
      recent.set(addressTextAt(changed, index), state);
    }
    return new AddressLayers(this.#table, recent, size);
  }

  /** All of it as one table. */
  table(): AddressTable {
    if (this.#recent.size === 0) return this.#table;
    const recent = [...this.#recent].sort(([a], [b]) => (a < b ? -1 : 1));
    const keys = new Uint8Array(recent.length * ADDRESS_KEY_BYTES);
    for (const [at, [text]] of recent.entries()) {
      for (let i = 0; i < ADDRESS_KEY_BYTES; i++) keys[at * ADDRESS_KEY_BYTES + i] = text.charCodeAt(i);
    }
    const classes = Uint32Array.from(recent, ([, { peerClass }]) => peerClass);
    const flags = Uint32Array.from(recent, ([, state]) => state.flags);
    return doAtOnce(mergeAddresses(this.#table, { keys, classes, flags }));
  }

  #find(text: () => string, keys: Uint8Array, at: number): AddressState | undefined {
    const recent = this.#recent.size === 0 ? undefined : this.#recent.get(text());
    if (recent !== undefined) return recent === ABSENT ? undefined : recent;
    const { index, found } = placeOfKey(this.#table.keys, keys, at, ADDRESS_KEY_BYTES);
    return found ? stateAt(this.#table, index) : undefined;
  }
}

/** ABSENT itself when the entry says nothing. */
export function stateAt(table: AddressTable, index: number): AddressState {
  const peerClass = table.classes[index]!;
  const flags = table.flags[index]!;
  return isVoidEntry(peerClass, flags) ? ABSENT : { peerClass, flags };
}
