/**
 * The address table in the making: records in order of address, and the table's arrays beside them. Whatever came or went
 * is worked in by moving the runs in between as they are, so an edit costs a copy of the arrays and not a look at every
 * record.
 */
import { writeAddressKey } from './address-key.ts';
import { ADDRESS_KEY_BYTES } from './ids.ts';
import type { AddressTable } from './tables.ts';

export interface AddressEntry {
  readonly key: string;
  readonly classId: number;
  /** address_flag bits. */
  readonly flags: number;
}

interface Arrays<T> {
  readonly records: T[];
  readonly keys: Uint8Array;
  readonly classes: Uint32Array;
  readonly flags: Uint32Array;
}

/** Beyond one record in this many, writing them all is cheaper than finding each. */
const FEW = 16;

export class SortedAddresses<T extends AddressEntry> {
  #arrays: Arrays<T> = makeArrays(0);

  /** `removed` are in it, `added` are not; no key is in both, unless it goes and comes back as another record. */
  edit(removed: readonly T[], added: readonly T[]): void {
    if (removed.length === 0 && added.length === 0) return;
    const old = this.#arrays;
    const next = makeArrays<T>(old.records.length - removed.length + added.length);
    const holes = removed.map(({ key }) => this.#lowerBound(key)).sort((a, b) => a - b);
    let hole = 0;
    let from = 0;
    const moveTo = (end: number): void => {
      while (hole < holes.length && holes[hole]! < end) {
        moveRun(old, from, holes[hole]!, next);
        from = holes[hole++]! + 1;
      }
      moveRun(old, from, end, next);
      from = Math.max(from, end);
    };
    for (const record of [...added].sort((a, b) => (a.key < b.key ? -1 : 1))) {
      moveTo(this.#lowerBound(record.key));
      writeEntry(next, next.records.push(record) - 1, record);
    }
    moveTo(old.records.length);
    this.#arrays = next;
  }

  /** The class or the flags of these records changed. */
  rewrite(changed: readonly T[]): void {
    const { records } = this.#arrays;
    if (changed.length * FEW > records.length) {
      for (const [at, record] of records.entries()) writeMeaning(this.#arrays, at, record);
    } else {
      for (const record of changed) writeMeaning(this.#arrays, this.#lowerBound(record.key), record);
    }
  }

  /** Records from `first` until before `behind`; undefined: until the end of the family. */
  *range(first: string, behind: string | undefined): Generator<T> {
    const { records } = this.#arrays;
    const end = behind ?? String.fromCharCode(first.charCodeAt(0) + 1);
    for (let at = this.#lowerBound(first); at < records.length && records[at]!.key < end; at++) yield records[at]!;
  }

  table(): AddressTable {
    const { keys, classes, flags } = this.#arrays;
    return { keys: keys.slice(), classes: classes.slice(), flags: flags.slice() };
  }

  #lowerBound(key: string): number {
    const { records } = this.#arrays;
    let low = 0;
    let high = records.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (records[middle]!.key < key) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

function makeArrays<T>(count: number): Arrays<T> {
  return {
    records: [],
    keys: new Uint8Array(count * ADDRESS_KEY_BYTES),
    classes: new Uint32Array(count),
    flags: new Uint32Array(count),
  };
}

function moveRun<T>(from: Arrays<T>, start: number, end: number, to: Arrays<T>): void {
  if (start >= end) return;
  const at = to.records.length;
  to.keys.set(from.keys.subarray(start * ADDRESS_KEY_BYTES, end * ADDRESS_KEY_BYTES), at * ADDRESS_KEY_BYTES);
  to.classes.set(from.classes.subarray(start, end), at);
  to.flags.set(from.flags.subarray(start, end), at);
  for (let i = start; i < end; i++) to.records.push(from.records[i]!);
}

function writeEntry<T extends AddressEntry>(arrays: Arrays<T>, at: number, record: T): void {
  writeAddressKey(record.key, arrays.keys, at * ADDRESS_KEY_BYTES);
  writeMeaning(arrays, at, record);
}

function writeMeaning<T extends AddressEntry>(arrays: Arrays<T>, at: number, record: T): void {
  arrays.classes[at] = record.classId;
  arrays.flags[at] = record.flags;
}
