/** Finding single elements in the sorted tables of the compiler, without building an index. */
import type { Family } from '../net/address.ts';
import { ADDRESS_KEY_BYTES, PEER_CLASS_WORLD, PREFIX_KEY_BYTES } from '../policy/ids.ts';
import type { AddressTable, EndpointTable, PrefixTable, RowTable } from '../policy/tables.ts';
import type { AddressKey, PrefixKey, RowKey } from './elements.ts';

/** Index of the element, or -1. `compare` orders element `index` against what is looked for. */
function search(count: number, compare: (index: number) => number): number {
  let low = 0;
  let high = count - 1;
  while (low <= high) {
    const middle = (low + high) >>> 1;
    const order = compare(middle);
    if (order === 0) return middle;
    if (order < 0) low = middle + 1;
    else high = middle - 1;
  }
  return -1;
}

/** Orders `width` bytes at element i of a against those at element j of b. */
export function compareBytes(a: Uint8Array, i: number, b: Uint8Array, j: number, width: number): number {
  for (let at = 0; at < width; at++) {
    const difference = a[i * width + at]! - b[j * width + at]!;
    if (difference !== 0) return difference;
  }
  return 0;
}

export function addressKeyAt(table: AddressTable, index: number): AddressKey {
  const at = index * ADDRESS_KEY_BYTES;
  return { family: familyOf(table.keys[at]!), address: table.keys.slice(at + 1, at + ADDRESS_KEY_BYTES) };
}

export function prefixKeyAt(table: PrefixTable, index: number): PrefixKey {
  const at = index * PREFIX_KEY_BYTES;
  const { keys } = table;
  return { family: familyOf(keys[at]!), length: keys[at + 1]!, address: keys.slice(at + 2, at + PREFIX_KEY_BYTES) };
}

export function rowKeyAt(table: RowTable, index: number): RowKey {
  return { ruleSet: table.ruleSet[index]!, peerClass: table.peerClass[index]!, block: table.block[index]! };
}

export function familyOf(byte: number): Family {
  return byte === 4 ? 4 : 6;
}

/** The 17 bytes of AddressTable as a string: a Map's key. */
export function addressText(key: AddressKey): string {
  return String.fromCharCode(key.family, ...key.address);
}

export function addressTextAt(table: AddressTable, index: number): string {
  const { buffer, byteOffset } = table.keys;
  return Buffer.from(buffer, byteOffset + index * ADDRESS_KEY_BYTES, ADDRESS_KEY_BYTES).toString('latin1');
}

/** Index in the table, or -1. */
export function findEndpoint(table: EndpointTable, id: number): number {
  return search(table.id.length, (index) => table.id[index]! - id);
}

export function compareRowKeys(a: RowTable, i: number, b: RowTable, j: number): number {
  return a.ruleSet[i]! - b.ruleSet[j]! || a.peerClass[i]! - b.peerClass[j]! || a.block[i]! - b.block[j]!;
}

export function findRow(table: RowTable, key: RowKey): number {
  return search(
    table.block.length,
    (index) =>
      table.ruleSet[index]! - key.ruleSet || table.peerClass[index]! - key.peerClass || table.block[index]! - key.block,
  );
}

const lookups = new WeakMap<PrefixTable, PrefixLookup>();

/** The look-up in a table that nobody changes; the same one each time. */
export function prefixLookupOf(table: PrefixTable): PrefixLookup {
  let lookup = lookups.get(table);
  if (lookup === undefined) {
    lookup = new PrefixLookup(table);
    lookups.set(table, lookup);
  }
  return lookup;
}

/** Looks prefixes up by containment; made once a table, so that only lengths that occur are tried. */
export class PrefixLookup {
  readonly #table: PrefixTable;
  /** Distinct lengths of each family, longest first. */
  readonly #lengths: Readonly<Record<Family, readonly number[]>>;

  constructor(table: PrefixTable) {
    this.#table = table;
    const lengths = { 4: new Set<number>(), 6: new Set<number>() };
    for (let at = 0; at < table.keys.length; at += PREFIX_KEY_BYTES) {
      lengths[familyOf(table.keys[at]!)].add(table.keys[at + 1]!);
    }
    this.#lengths = { 4: descending(lengths[4]), 6: descending(lengths[6]) };
  }

  /** The class of an address that has no element of its own. */
  classOf(key: AddressKey): number {
    return this.#longest(key, key.family === 4 ? 32 : 128);
  }

  /** The class that a prefix's addresses have when the prefix itself is left out. */
  classAround(key: PrefixKey): number {
    return this.#longest(key, key.length - 1);
  }

  #longest(key: AddressKey, lengthMax: number): number {
    const wanted = new Uint8Array(PREFIX_KEY_BYTES);
    const { keys, classes } = this.#table;
    for (const length of this.#lengths[key.family]) {
      if (length > lengthMax) continue;
      wanted[0] = key.family;
      wanted[1] = length;
      putMasked(wanted, key.address, length);
      const index = search(classes.length, (at) => compareBytes(keys, at, wanted, 0, PREFIX_KEY_BYTES));
      if (index >= 0) return classes[index]!;
    }
    return PEER_CLASS_WORLD;
  }
}

function descending(numbers: ReadonlySet<number>): number[] {
  return [...numbers].sort((a, b) => b - a);
}

function putMasked(out: Uint8Array, address: Uint8Array, length: number): void {
  for (let i = 0; i < 16; i++) {
    const keep = Math.min(8, Math.max(0, length - i * 8));
    out[i + 2] = address[i]! & (0xff << (8 - keep)) & 0xff;
  }
}
