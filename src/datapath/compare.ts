/**
 * What whole tables change of what is in force: needed where nothing tells it, at a start and after a failure. It looks at
 * every element, so it is work in slices.
 */
import { SLICE_ELEMENTS, type Work } from '../lib/work.ts';
import { ADDRESS_KEY_BYTES, PEER_CLASS_NONE, PREFIX_KEY_BYTES } from '../policy/ids.ts';
import { joinRows, rowSpans, rowsWithin, type TableDelta } from '../policy/table-delta.ts';
import type { AddressTable, EndpointTable, PortTable, PrefixTable, RowTable, VerdictTables } from '../policy/tables.ts';
import type { KernelImage, RowsBySet } from './image.ts';
import { compareBytes } from './lookup.ts';
import { type Columns, column, mergeDiff } from './merge-diff.ts';

export function* compareTables(image: KernelImage, next: VerdictTables): Work<TableDelta> {
  const addresses = yield* changedAddresses(image.addresses.table(), next.addresses);
  const prefixes = yield* changedPrefixes(image.prefixes, next.prefixes);
  const rows = yield* changedRows(image.rows, next.rows);
  const named = new Set(next.endpoints.id);
  return {
    base: image.revision,
    revision: next.revision,
    addresses,
    prefixes,
    ports: isSamePorts(image.ports, next.ports) ? undefined : next.ports,
    ...rows,
    endpoints: changedEndpoints(image, next.endpoints),
    goneEndpoints: Uint32Array.from([...image.named.keys()].filter((id) => !named.has(id))).sort(),
  };
}

function* changedAddresses(before: AddressTable, next: AddressTable): Work<AddressTable> {
  if (before.classes.length === 0) return next;
  const { froms, indexes } = yield* differences(addressColumns(before), addressColumns(next), (i, j) =>
    compareBytes(before.keys, i, next.keys, j, ADDRESS_KEY_BYTES),
  );
  const pick = (column: 'classes' | 'flags', gone: number): Uint32Array =>
    Uint32Array.from(indexes, (index, at) => (froms[at] === 'next' ? next[column][index]! : gone));
  return {
    keys: yield* pickKeys(before.keys, next.keys, ADDRESS_KEY_BYTES, { froms, indexes }),
    classes: pick('classes', PEER_CLASS_NONE),
    flags: pick('flags', 0),
  };
}

function* changedPrefixes(before: PrefixTable, next: PrefixTable): Work<PrefixTable> {
  const found = yield* differences(prefixColumns(before), prefixColumns(next), (i, j) =>
    compareBytes(before.keys, i, next.keys, j, PREFIX_KEY_BYTES),
  );
  return {
    keys: yield* pickKeys(before.keys, next.keys, PREFIX_KEY_BYTES, found),
    classes: Uint32Array.from(found.indexes, (index, at) =>
      found.froms[at] === 'next' ? next.classes[index]! : PEER_CLASS_NONE,
    ),
  };
}

/** Elements that differ, in order of key: index in the next table, or in the one before when they are gone. */
interface Differences {
  readonly froms: readonly ('before' | 'next')[];
  readonly indexes: readonly number[];
}

function* differences(
  before: Columns,
  next: Columns,
  compareKeys: (i: number, j: number) => number,
): Work<Differences> {
  const froms: ('before' | 'next')[] = [];
  const indexes: number[] = [];
  yield* mergeDiff(before, next, compareKeys, (i, j) => {
    froms.push(j === undefined ? 'before' : 'next');
    indexes.push(j ?? i!);
  });
  return { froms, indexes };
}

function* pickKeys(
  before: Uint8Array,
  next: Uint8Array,
  width: number,
  { froms, indexes }: Differences,
): Work<Uint8Array> {
  const keys = new Uint8Array(indexes.length * width);
  for (const [at, index] of indexes.entries()) {
    const from = froms[at] === 'next' ? next : before;
    keys.set(from.subarray(index * width, (index + 1) * width), at * width);
    if (at % SLICE_ELEMENTS === SLICE_ELEMENTS - 1) yield;
  }
  return keys;
}

function* changedRows(before: RowsBySet, next: RowTable): Work<Pick<TableDelta, 'ruleSets' | 'rows'>> {
  const changed = new Set<number>();
  const parts: RowTable[] = [];
  const spans = rowSpans(next);
  let seen = 0;
  for (const [id, [start, end]] of spans) {
    const part = rowsWithin(next, start, end);
    const old = before.get(id);
    if (old === undefined || !isSameRows(old, part)) {
      changed.add(id);
      parts.push(part);
    }
    seen += end - start;
    if (seen < SLICE_ELEMENTS) continue;
    seen = 0;
    yield;
  }
  for (const id of before.keys()) if (!spans.has(id)) changed.add(id);
  return { ruleSets: Uint32Array.from(changed).sort(), rows: joinRows(parts) };
}

/** All but those that are named as they were. */
function changedEndpoints({ named }: KernelImage, next: EndpointTable): EndpointTable {
  const kept: number[] = [];
  for (const [index, id] of next.id.entries()) {
    const old = named.get(id);
    if (old?.ingress !== next.ingress[index] || old?.egress !== next.egress[index]) kept.push(index);
  }
  return {
    id: Uint32Array.from(kept, (index) => next.id[index]!),
    ingress: Uint32Array.from(kept, (index) => next.ingress[index]!),
    egress: Uint32Array.from(kept, (index) => next.egress[index]!),
    ingressPolicies: kept.map((index) => next.ingressPolicies[index] ?? []),
    egressPolicies: kept.map((index) => next.egressPolicies[index] ?? []),
  };
}

function isSameRows(a: RowTable, b: RowTable): boolean {
  return (['peerClass', 'block', 'allow', 'audit'] as const).every(
    (field) => Buffer.compare(column(a[field], 1).bytes, column(b[field], 1).bytes) === 0,
  );
}

function isSamePorts(a: PortTable, b: PortTable): boolean {
  return (['protocol', 'first', 'last', 'portClass'] as const).every(
    (field) => Buffer.compare(column(a[field], 1).bytes, column(b[field], 1).bytes) === 0,
  );
}

function addressColumns(table: AddressTable): Columns {
  const columns = [column(table.keys, ADDRESS_KEY_BYTES), column(table.classes, 4), column(table.flags, 4)];
  return { count: table.classes.length, columns };
}

function prefixColumns(table: PrefixTable): Columns {
  return { count: table.classes.length, columns: [column(table.keys, PREFIX_KEY_BYTES), column(table.classes, 4)] };
}
