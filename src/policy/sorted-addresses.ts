/**
 * Records in order of address. What comes is kept in a short list of its own, what goes stays as a hole; both are worked
 * in when they have become many, so that one pod's address does not move those of 100,000.
 */
import { writeAddressKey } from './address-key.ts';
import { ADDRESS_KEY_BYTES } from './ids.ts';
import type { AddressTable } from './tables.ts';

export interface AddressEntry {
  readonly key: string;
  readonly classId: number;
  /** address_flag bits. */
  readonly flags: number;
  /** False once it went. */
  readonly listed: boolean;
}

/** New records and holes together, before they are worked in. */
const LOOSE_MAX = 2048;

export class SortedAddresses<T extends AddressEntry> {
  /** With holes. */
  #old: T[] = [];
  #young: T[] = [];
  #holes = 0;

  /** Without those that went. */
  get size(): number {
    return this.#old.length + this.#young.length - this.#holes;
  }

  /** `removed` says how many of those listed before are not any more; `added` are new. */
  edit(removed: number, added: readonly T[]): void {
    this.#holes += removed;
    if (added.length + this.#young.length + this.#holes > LOOSE_MAX) {
      this.#workIn([...added].sort(byKey));
      return;
    }
    for (const record of added) this.#young.splice(lowerBound(this.#young, record.key), 0, record);
  }

  /** Records from `first` until before `behind`, in order; undefined: until the end of the family. */
  range(first: string, behind: string | undefined): readonly T[] {
    const end = behind ?? String.fromCharCode(first.charCodeAt(0) + 1);
    const [old, young] = [this.#old, this.#young].map((list) =>
      list.slice(lowerBound(list, first), lowerBound(list, end)),
    );
    return merged(old ?? [], young ?? []);
  }

  table(): AddressTable {
    this.#workIn([]);
    return addressTable(this.#old);
  }

  #workIn(added: readonly T[]): void {
    if (added.length === 0 && this.#young.length === 0 && this.#holes === 0) return;
    this.#old = merged(merged(this.#old, this.#young), added);
    this.#young = [];
    this.#holes = 0;
  }
}

/** Records must be sorted. */
export function addressTable(records: readonly Omit<AddressEntry, 'listed'>[]): AddressTable {
  const keys = new Uint8Array(records.length * ADDRESS_KEY_BYTES);
  const classes = new Uint32Array(records.length);
  const flags = new Uint32Array(records.length);
  for (const [at, record] of records.entries()) {
    writeAddressKey(record.key, keys, at * ADDRESS_KEY_BYTES);
    classes[at] = record.classId;
    flags[at] = record.flags;
  }
  return { keys, classes, flags };
}

export function byKey(a: { readonly key: string }, b: { readonly key: string }): number {
  return a.key < b.key ? -1 : 1;
}

/** Without holes. */
function merged<T extends AddressEntry>(a: readonly T[], b: readonly T[]): T[] {
  const out: T[] = [];
  let i = 0;
  for (const record of b) {
    for (; i < a.length && a[i]!.key < record.key; i++) if (a[i]!.listed) out.push(a[i]!);
    if (record.listed) out.push(record);
  }
  for (; i < a.length; i++) if (a[i]!.listed) out.push(a[i]!);
  return out;
}

function lowerBound(records: readonly AddressEntry[], key: string): number {
  let low = 0;
  let high = records.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (records[middle]!.key < key) low = middle + 1;
    else high = middle;
  }
  return low;
}
