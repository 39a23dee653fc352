/**
 * What changed from one revision of a compiler's tables to the next: what a change costs behind the compiler is then the
 * size of the change, not that of the cluster. Flat typed arrays like the tables themselves (tables.ts).
 */
import { doAtOnce, SLICE_ELEMENTS, type Work } from '../lib/work.ts';
import { ADDRESS_KEY_BYTES, PEER_CLASS_NONE, PREFIX_KEY_BYTES, ROW_BYTES } from './ids.ts';
import type { AddressTable, EndpointTable, PortTable, PrefixTable, RowTable, VerdictTables } from './tables.ts';

export interface TableDelta {
  /** The revision that it changes. */
  readonly base: number;
  readonly revision: number;
  /** Entries that came or changed, as they are now; one that says nothing (PEER_CLASS_NONE, no flags) is gone. */
  readonly addresses: AddressTable;
  /** Likewise; one of PEER_CLASS_NONE is gone. */
  readonly prefixes: PrefixTable;
  /** The whole table; undefined: as it was. */
  readonly ports: PortTable | undefined;
  /** Rule sets whose rows changed, ascending: `rows` has all that each has now, perhaps none. */
  readonly ruleSets: Uint32Array;
  readonly rows: RowTable;
  /** Entries that came or changed. */
  readonly endpoints: EndpointTable;
  /** Ids of entries that are gone, ascending. */
  readonly goneEndpoints: Uint32Array;
}

export function isDelta(tables: VerdictTables | TableDelta): tables is TableDelta {
  return 'base' in tables;
}

/**
 * The tables that the delta makes of those it changes.
 * @throws RangeError when it changes other ones.
 */
export function applyDelta(tables: VerdictTables, delta: TableDelta): VerdictTables {
  if (tables.revision !== delta.base) {
    throw new RangeError(`the delta changes revision ${delta.base}, these tables are revision ${tables.revision}`);
  }
  return {
    revision: delta.revision,
    addresses: doAtOnce(mergeAddresses(tables.addresses, delta.addresses)),
    prefixes: doAtOnce(mergePrefixes(tables.prefixes, delta.prefixes)),
    ports: delta.ports ?? tables.ports,
    rows: mergeRows(tables.rows, delta),
    endpoints: mergeEndpoints(tables.endpoints, delta),
  };
}

/** An address entry that says nothing. */
export function isVoidEntry(peerClass: number, flags: number): boolean {
  return peerClass === PEER_CLASS_NONE && flags === 0;
}

/** A table's keys and, in the same order, its columns of numbers. */
interface KeyedColumns {
  readonly keyBytes: number;
  readonly keys: Uint8Array;
  readonly columns: readonly Uint32Array[];
}

/** Entries of `changed` instead of those of the same key; entries that say nothing are left out. */
export function* mergeAddresses(table: AddressTable, changed: AddressTable): Work<AddressTable> {
  if (changed.classes.length === 0) return table;
  const { keys, columns } = yield* mergeKeyed(
    { keyBytes: ADDRESS_KEY_BYTES, keys: table.keys, columns: [table.classes, table.flags] },
    { keyBytes: ADDRESS_KEY_BYTES, keys: changed.keys, columns: [changed.classes, changed.flags] },
    (at) => !isVoidEntry(changed.classes[at]!, changed.flags[at]!),
  );
  return { keys, classes: columns[0]!, flags: columns[1]! };
}

export function* mergePrefixes(table: PrefixTable, changed: PrefixTable): Work<PrefixTable> {
  if (changed.classes.length === 0) return table;
  const { keys, columns } = yield* mergeKeyed(
    { keyBytes: PREFIX_KEY_BYTES, keys: table.keys, columns: [table.classes] },
    { keyBytes: PREFIX_KEY_BYTES, keys: changed.keys, columns: [changed.classes] },
    (at) => changed.classes[at] !== PEER_CLASS_NONE,
  );
  return { keys, classes: columns[0]! };
}

/** Both sorted by key; what lies between two changes is moved as a whole. */
function* mergeKeyed(table: KeyedColumns, changed: KeyedColumns, stays: (at: number) => boolean): Work<KeyedColumns> {
  const { keyBytes } = table;
  const countOf = ({ keys }: KeyedColumns): number => keys.length / keyBytes;
  const room = countOf(table) + countOf(changed);
  const keys = new Uint8Array(room * keyBytes);
  const columns = table.columns.map(() => new Uint32Array(room));
  let count = 0;
  const copy = (from: KeyedColumns, start: number, end: number): void => {
    if (start === end) return;
    keys.set(from.keys.subarray(start * keyBytes, end * keyBytes), count * keyBytes);
    for (const [i, values] of columns.entries()) values.set(from.columns[i]!.subarray(start, end), count);
    count += end - start;
  };
  let from = 0;
  for (let at = 0; at < countOf(changed); at++) {
    const { index, found } = placeOfKey(table.keys, changed.keys, at, keyBytes, from);
    copy(table, from, index);
    from = found ? index + 1 : index;
    if (stays(at)) copy(changed, at, at + 1);
    if (at % SLICE_ELEMENTS === SLICE_ELEMENTS - 1) yield;
  }
  copy(table, from, countOf(table));
  return { keyBytes, keys: keys.slice(0, count * keyBytes), columns: columns.map((values) => values.slice(0, count)) };
}

/** Where key number `at` of `wanted` is in the sorted keys, or belongs, looking from `from` on. */
export function placeOfKey(
  keys: Uint8Array,
  wanted: Uint8Array,
  at: number,
  keyBytes: number,
  from = 0,
): { readonly index: number; readonly found: boolean } {
  let low = from;
  let high = keys.length / keyBytes;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const order = compareKeys(keys, middle * keyBytes, wanted, at * keyBytes, keyBytes);
    if (order === 0) return { index: middle, found: true };
    if (order < 0) low = middle + 1;
    else high = middle;
  }
  return { index: low, found: false };
}

function compareKeys(a: Uint8Array, i: number, b: Uint8Array, j: number, keyBytes: number): number {
  for (let byte = 0; byte < keyBytes; byte++) {
    const difference = a[i + byte]! - b[j + byte]!;
    if (difference !== 0) return difference;
  }
  return 0;
}

/** Where the rows of each rule set lie in a table: start and behind the end. */
export function rowSpans({ ruleSet }: RowTable): ReadonlyMap<number, readonly [start: number, end: number]> {
  const spans = new Map<number, readonly [number, number]>();
  for (let start = 0; start < ruleSet.length;) {
    const id = ruleSet[start]!;
    let end = start + 1;
    while (ruleSet[end] === id) end++;
    spans.set(id, [start, end]);
    start = end;
  }
  return spans;
}

/** Views, not copies. */
export function rowsWithin(rows: RowTable, start: number, end: number): RowTable {
  return {
    ruleSet: rows.ruleSet.subarray(start, end),
    peerClass: rows.peerClass.subarray(start, end),
    block: rows.block.subarray(start, end),
    allow: rows.allow.subarray(start * ROW_BYTES, end * ROW_BYTES),
    audit: rows.audit.subarray(start * ROW_BYTES, end * ROW_BYTES),
  };
}

/** Parts in the order given. */
export function joinRows(parts: readonly RowTable[]): RowTable {
  const count = parts.reduce((sum, { ruleSet }) => sum + ruleSet.length, 0);
  const rows = {
    ruleSet: new Uint32Array(count),
    peerClass: new Uint32Array(count),
    block: new Uint32Array(count),
    allow: new Uint8Array(count * ROW_BYTES),
    audit: new Uint8Array(count * ROW_BYTES),
  };
  let at = 0;
  for (const part of parts) {
    rows.ruleSet.set(part.ruleSet, at);
    rows.peerClass.set(part.peerClass, at);
    rows.block.set(part.block, at);
    rows.allow.set(part.allow, at * ROW_BYTES);
    rows.audit.set(part.audit, at * ROW_BYTES);
    at += part.ruleSet.length;
  }
  return rows;
}

function mergeRows(rows: RowTable, { ruleSets, rows: changed }: TableDelta): RowTable {
  if (ruleSets.length === 0) return rows;
  const parts = new Map<number, RowTable>();
  for (const [id, [start, end]] of rowSpans(rows)) parts.set(id, rowsWithin(rows, start, end));
  for (const id of ruleSets) parts.delete(id);
  for (const [id, [start, end]] of rowSpans(changed)) parts.set(id, rowsWithin(changed, start, end));
  return joinRows([...parts].sort(([a], [b]) => a - b).map(([, part]) => part));
}

function mergeEndpoints(table: EndpointTable, { endpoints, goneEndpoints }: TableDelta): EndpointTable {
  const entries = new Map<number, readonly [EndpointTable, number]>();
  for (const [index, id] of table.id.entries()) entries.set(id, [table, index]);
  for (const id of goneEndpoints) entries.delete(id);
  for (const [index, id] of endpoints.id.entries()) entries.set(id, [endpoints, index]);
  const sorted = [...entries].sort(([a], [b]) => a - b);
  return {
    id: Uint32Array.from(sorted, ([id]) => id),
    ingress: Uint32Array.from(sorted, ([, [from, index]]) => from.ingress[index]!),
    egress: Uint32Array.from(sorted, ([, [from, index]]) => from.egress[index]!),
    ingressPolicies: sorted.map(([, [from, index]]) => from.ingressPolicies[index] ?? []),
    egressPolicies: sorted.map(([, [from, index]]) => from.egressPolicies[index] ?? []),
  };
}
