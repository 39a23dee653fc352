/**
 * Rows. A row in force may be read at any moment, so until the commit it keeps its bits at every port class that the
 * port table in force uses, and gains those of port classes that only the new one uses; what the new tables want
 * besides is written after the grace.
 */
import type { Work } from '../lib/work.ts';
import { PEER_CLASS_DEFAULT, PORT_CLASSES_PER_BLOCK, PORT_CLASS_FIRST, ROW_BYTES } from '../policy/ids.ts';
import { rowSpans, rowsWithin, type TableDelta } from '../policy/table-delta.ts';
import type { PortTable, RowTable } from '../policy/tables.ts';
import type { RowElement, RowKey } from './elements.ts';
import type { IdSet } from './id-set.ts';
import type { KernelImage, RowsBySet } from './image.ts';
import { compareRowKeys, findRow, rowKeyAt } from './lookup.ts';
import { type Columns, column, mergeDiff } from './merge-diff.ts';
import type { TableWrite } from './store.ts';

/** What refers to rows on one side of the transition. */
export interface RowUse {
  readonly ports: PortTable;
  /** That endpoints name. */
  readonly ruleSets: IdSet;
  /** That addresses and prefixes have; PEER_CLASS_DEFAULT included. */
  readonly classes: { has(peerClass: number): boolean };
}

export interface RowPlan {
  readonly prepare: readonly TableWrite[];
  readonly cleanup: readonly TableWrite[];
  /** Rows there are between the two. */
  readonly countDuring: number;
  /** Afterwards. */
  readonly rows: RowsBySet;
}

const NO_ROWS: RowTable = {
  ruleSet: new Uint32Array(0),
  peerClass: new Uint32Array(0),
  block: new Uint32Array(0),
  allow: new Uint8Array(0),
  audit: new Uint8Array(0),
};
const NO_BITS: RowElement = { allow: new Uint8Array(ROW_BYTES), audit: new Uint8Array(ROW_BYTES) };

/**
 * `delta` has all rows of the rule sets whose rows change.
 * @throws Error when the verdict of a rule set and class in use would change in place: ids have lost their meaning.
 */
export function* planRows(
  image: KernelImage,
  delta: Pick<TableDelta, 'ruleSets' | 'rows'>,
  before: RowUse,
  after: RowUse,
): Work<RowPlan> {
  const plan: MutablePlan = { prepare: [], cleanup: [] };
  const rows = new Map(image.rows);
  let countDuring = 0;
  for (const { block } of image.rows.values()) countDuring += block.length;
  if (delta.ruleSets.length === 0) return { ...plan, countDuring, rows: image.rows };
  const sides = {
    before: { ...before, masks: portClassMasks(before.ports) },
    after: { ...after, masks: portClassMasks(after.ports) },
  };
  const spans = rowSpans(delta.rows);
  for (const id of delta.ruleSets) {
    const span = spans.get(id);
    const target = span === undefined ? NO_ROWS : copyRows(rowsWithin(delta.rows, ...span));
    countDuring += yield* planRuleSet(image.rows.get(id) ?? NO_ROWS, target, sides, plan);
    if (target === NO_ROWS) rows.delete(id);
    else rows.set(id, target);
  }
  return { ...plan, countDuring, rows };
}

interface MutablePlan {
  readonly prepare: TableWrite[];
  readonly cleanup: TableWrite[];
}

interface MaskedUse extends RowUse {
  readonly masks: ReadonlyMap<number, Uint8Array>;
}

/** Returns how many rows come. */
function* planRuleSet(
  old: RowTable,
  target: RowTable,
  sides: { readonly before: MaskedUse; readonly after: MaskedUse },
  { prepare, cleanup }: MutablePlan,
): Work<number> {
  const { before, after } = sides;
  let added = 0;
  yield* mergeDiff(
    rowColumns(old),
    rowColumns(target),
    (i, j) => compareRowKeys(old, i, target, j),
    (i, j) => {
      const key = i === undefined ? rowKeyAt(target, j!) : rowKeyAt(old, i);
      const next = j === undefined ? undefined : rowAt(target, j);
      if (i === undefined) added += 1;
      if (!isUsed(before, key)) {
        if (next === undefined) put(cleanup, key, undefined);
        else put(prepare, key, next);
        return;
      }
      if (next === undefined && !isUsed(after, key)) {
        put(cleanup, key, undefined);
        return;
      }
      const was = i === undefined ? defaultRow(old, key) : rowAt(old, i);
      const wanted = next ?? defaultRow(target, key);
      const mask = before.masks.get(key.block) ?? NO_BITS.allow;
      if (isUsed(after, key)) assertUnchanged(key, was, wanted, mask, after.masks.get(key.block) ?? NO_BITS.allow);
      const merged = merge(was, wanted, mask);
      if (i === undefined || !isEqualRow(merged, was)) put(prepare, key, merged);
      if (next === undefined || !isEqualRow(merged, next)) put(cleanup, key, next);
    },
  );
  return added;
}

export function rowsBySet(rows: RowTable): RowsBySet {
  const parts = [...rowSpans(rows)].map(([id, span]) => [id, copyRows(rowsWithin(rows, ...span))] as const);
  return new Map(parts);
}

/** The rule sets' own copies: a view would keep the whole table of one compile as long as any of its rows stays. */
function copyRows(rows: RowTable): RowTable {
  return {
    ruleSet: rows.ruleSet.slice(),
    peerClass: rows.peerClass.slice(),
    block: rows.block.slice(),
    allow: rows.allow.slice(),
    audit: rows.audit.slice(),
  };
}

function put(writes: TableWrite[], key: RowKey, value: RowElement | undefined): void {
  writes.push({ table: 'rows', key, value });
}

function isUsed(use: RowUse, key: RowKey): boolean {
  return use.ruleSets.has(key.ruleSet) && use.classes.has(key.peerClass);
}

/** What answers for a class without a row of its own. */
function defaultRow(rows: RowTable, key: RowKey): RowElement {
  const index = findRow(rows, { ...key, peerClass: PEER_CLASS_DEFAULT });
  return index < 0 ? NO_BITS : rowAt(rows, index);
}

export function rowAt(rows: RowTable, index: number): RowElement {
  const at = index * ROW_BYTES;
  return { allow: rows.allow.slice(at, at + ROW_BYTES), audit: rows.audit.slice(at, at + ROW_BYTES) };
}

function rowColumns(rows: RowTable): Columns {
  const columns = [
    column(rows.ruleSet, 4),
    column(rows.peerClass, 4),
    column(rows.block, 4),
    column(rows.allow, ROW_BYTES),
    column(rows.audit, ROW_BYTES),
  ];
  return { count: rows.block.length, columns };
}

/** By block: the bits of the port classes that the table gives out, the fixed ones included. */
function portClassMasks(ports: PortTable): ReadonlyMap<number, Uint8Array> {
  const masks = new Map<number, Uint8Array>();
  const add = (portClass: number): void => {
    const block = Math.floor(portClass / PORT_CLASSES_PER_BLOCK);
    let mask = masks.get(block);
    if (mask === undefined) {
      mask = new Uint8Array(ROW_BYTES);
      masks.set(block, mask);
    }
    mask[(portClass % PORT_CLASSES_PER_BLOCK) >> 3]! |= 1 << (portClass & 7);
  };
  for (let portClass = 0; portClass < PORT_CLASS_FIRST; portClass++) add(portClass);
  for (const portClass of ports.portClass) add(portClass);
  return masks;
}

function merge(old: RowElement, wanted: RowElement, mask: Uint8Array): RowElement {
  const bits = (a: Uint8Array, b: Uint8Array): Uint8Array =>
    Uint8Array.from(a, (byte, at) => (byte & mask[at]!) | (b[at]! & ~mask[at]!));
  return { allow: bits(old.allow, wanted.allow), audit: bits(old.audit, wanted.audit) };
}

function isEqualRow(a: RowElement, b: RowElement): boolean {
  return a.allow.every((byte, at) => byte === b.allow[at]) && a.audit.every((byte, at) => byte === b.audit[at]);
}

function assertUnchanged(key: RowKey, a: RowElement, b: RowElement, before: Uint8Array, after: Uint8Array): void {
  for (let at = 0; at < ROW_BYTES; at++) {
    const changed = (a.allow[at]! ^ b.allow[at]!) | (a.audit[at]! ^ b.audit[at]!);
    if ((changed & before[at]! & after[at]!) === 0) continue;
    throw new Error(
      `internal: rule set ${key.ruleSet}, peer class ${key.peerClass} changes its verdict at port classes ` +
        `${key.block * PORT_CLASSES_PER_BLOCK + at * 8} and up while it is in use; nothing was written`,
    );
  }
}
