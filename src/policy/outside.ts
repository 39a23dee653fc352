/**
 * Addresses that are no pod's, cut into sets that no policy tells apart: the other end of a flow that leaves or enters the
 * cluster. Ranges of pods that nobody knows are left out: policies have nothing to say of them that is worth a line.
 */
import { addressFromTable, parseAddress, type Family } from '../net/address.ts';
import { type AddressRange, formatNumber, formatRange, rangeOfCidr } from './address-range.ts';
import { maskCidr } from '../net/cidr.ts';
import { ADDRESS_KEY_BYTES, PEER_CLASS_UNKNOWN_POD, PEER_CLASS_WORLD, PREFIX_KEY_BYTES } from './ids.ts';
import type { ClusterChange } from './model.ts';
import type { TableReader } from './simulate.ts';
import type { VerdictTables } from './tables.ts';

export interface OutsideCell {
  readonly family: Family;
  /** `internet`, or the prefixes: `192.0.2.0/24 except 192.0.2.20`. */
  readonly label: string;
  /** Everything that no ipBlock names, or that a block of all addresses leaves. */
  readonly isInternet: boolean;
  /** One of its addresses, canonical text; nobody in the input has it. */
  readonly address: string;
  /** By table, in the order they were given. */
  readonly classes: readonly number[];
}

export interface JudgedTables {
  readonly tables: VerdictTables;
  readonly reader: TableReader;
}

const BITS: Readonly<Record<Family, number>> = { 4: 32, 6: 128 };
/** Ranges that a label names. */
const LABEL_RANGES_MAX = 3;

/** Internet first, then by family and address. `known`: every address that somebody has. */
export function outsideCells(judged: readonly JudgedTables[], known: ReadonlySet<string>): readonly OutsideCell[] {
  return ([4, 6] as const).flatMap((family) => cellsOf(family, judged, known)).sort(internetFirst);
}

/** Addresses of pods and nodes. */
export function knownAddresses(changes: readonly ClusterChange[]): ReadonlySet<string> {
  const known = new Set<string>();
  for (const change of changes) {
    if (change.op !== 'set') continue;
    if (change.kind === 'Pod') for (const address of change.object.podIPs) known.add(address);
    else if (change.kind === 'Node') for (const address of change.object.addresses) known.add(address);
  }
  return known;
}

export function keyOfAddress(text: string): Uint8Array {
  const address = parseAddress(text);
  if (address === undefined) throw new RangeError(`${JSON.stringify(text)} is not an IP address`);
  const key = new Uint8Array(ADDRESS_KEY_BYTES);
  key[0] = address.family;
  key.set(address.bytes, 1);
  return key;
}

function internetFirst(a: OutsideCell, b: OutsideCell): number {
  return Number(b.isInternet) - Number(a.isInternet);
}

interface Part {
  readonly ranges: AddressRange[];
  readonly address: string;
  readonly classes: readonly number[];
}

function cellsOf(family: Family, judged: readonly JudgedTables[], known: ReadonlySet<string>): readonly OutsideCell[] {
  const parts = new Map<string, Part>();
  const starts = startsOf(family, judged);
  const end = 1n << BigInt(BITS[family]);
  for (const [i, first] of starts.entries()) {
    const range = { family, first, last: (starts[i + 1] ?? end) - 1n };
    const address = firstFree(range, known);
    if (address === undefined) continue;
    const key = keyOfAddress(address);
    const classes = judged.map(({ reader }) => reader.classOf(key));
    if (classes.includes(PEER_CLASS_UNKNOWN_POD)) continue;
    const part = parts.get(classes.join()) ?? { ranges: [], address, classes };
    parts.set(classes.join(), part);
    addRange(part.ranges, range);
  }
  // What an address far from every other is: in no block but one of all addresses.
  const root = judged.map(({ tables }) => rootClass(tables, family)).join();
  return Array.from(parts, ([key, { ranges, address, classes }]) => {
    const isInternet = key === root;
    return { family, label: isInternet ? 'internet' : labelOf(ranges), isInternet, address, classes };
  });
}

/** Where prefixes of any of the tables begin and end. Sorted; the first is 0. */
function startsOf(family: Family, judged: readonly JudgedTables[]): readonly bigint[] {
  const starts = new Set([0n]);
  const end = 1n << BigInt(BITS[family]);
  for (const { tables } of judged) {
    const { keys } = tables.prefixes;
    for (let at = 0; at < keys.length; at += PREFIX_KEY_BYTES) {
      if (keys[at] !== family) continue;
      const { bytes } = addressFromTable(family, keys.subarray(at + 2, at + PREFIX_KEY_BYTES));
      const { first, last } = rangeOfCidr({ family, bytes, length: keys[at + 1]! });
      starts.add(first);
      if (last + 1n < end) starts.add(last + 1n);
    }
  }
  return [...starts].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
}

/** Undefined when somebody has every one of them. */
function firstFree({ family, first, last }: AddressRange, known: ReadonlySet<string>): string | undefined {
  for (let number = first === 0n && last > 0n ? 1n : first; number <= last; number++) {
    const text = formatNumber(family, number);
    if (!known.has(text)) return text;
  }
  return undefined;
}

function addRange(ranges: AddressRange[], range: AddressRange): void {
  const before = ranges.at(-1);
  if (before !== undefined && before.last + 1n === range.first)
    ranges[ranges.length - 1] = { ...before, last: range.last };
  else ranges.push(range);
}

function rootClass(tables: VerdictTables, family: Family): number {
  const { keys, classes } = tables.prefixes;
  for (const [i, peerClass] of classes.entries()) {
    if (keys[i * PREFIX_KEY_BYTES] === family && keys[i * PREFIX_KEY_BYTES + 1] === 0) return peerClass;
  }
  return PEER_CLASS_WORLD;
}

/** The prefix around all of them and what it lacks, where that is shorter than the ranges. */
function labelOf(ranges: readonly AddressRange[]): string {
  const [first] = ranges;
  const last = ranges.at(-1);
  if (first === undefined || last === undefined) return '';
  const around = prefixAround({ family: first.family, first: first.first, last: last.last });
  const holes: AddressRange[] = [];
  let next = around.first;
  for (const range of [...ranges, { family: around.family, first: around.last + 1n, last: around.last }]) {
    if (range.first > next) holes.push({ family: range.family, first: next, last: range.first - 1n });
    next = range.last + 1n;
  }
  if (holes.length === 0) return formatRange(around);
  if (holes.length <= ranges.length) return `${formatRange(around)} except ${listOf(holes)}`;
  return listOf(ranges);
}

function listOf(ranges: readonly AddressRange[]): string {
  const shown = ranges.slice(0, LABEL_RANGES_MAX).map(formatRange).join(', ');
  const more = ranges.length - LABEL_RANGES_MAX;
  return more > 0 ? `${shown} and ${more} more` : shown;
}

function prefixAround({ family, first, last }: AddressRange): AddressRange {
  let length = BITS[family];
  while (first >> BigInt(BITS[family] - length) !== last >> BigInt(BITS[family] - length)) length -= 1;
  const address = parseAddress(formatNumber(family, first));
  return address === undefined ? { family, first, last } : rangeOfCidr(maskCidr(address, length));
}
