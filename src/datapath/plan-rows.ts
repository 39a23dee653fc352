/**
 * Rows. A row in force may be read at any moment, so until the commit it keeps its bits at every port class that the
 * port table in force uses, and gains those of port classes that only the new one uses; what the new tables want
 * besides is written after the grace.
 */
import { PEER_CLASS_DEFAULT, PORT_CLASSES_PER_BLOCK, PORT_CLASS_FIRST, ROW_BYTES } from '../policy/ids.ts';
import type { PortTable, RowTable } from '../policy/tables.ts';
import type { RowElement, RowKey } from './elements.ts';
import type { IdSet } from './id-set.ts';
import { compareRowKeys, findRow, rowKeyAt } from './lookup.ts';
import { type Columns, column, mergeDiff } from './merge-diff.ts';
import type { TableWrite } from './store.ts';

/** What refers to rows on one side of the transition. */
export interface RowUse {
  readonly rows: RowTable;
  readonly ports: PortTable;
  /** That endpoints name. */
  readonly ruleSets: IdSet;
  /** That addresses and prefixes have; PEER_CLASS_DEFAULT included. */
  readonly classes: IdSet;
}

export interface RowPlan {
  readonly prepare: readonly TableWrite[];
  readonly cleanup: readonly TableWrite[];
  /** Rows there are between the two. */
  readonly countDuring: number;
}

const NO_BITS: RowElement = { allow: new Uint8Array(ROW_BYTES), audit: new Uint8Array(ROW_BYTES) };

/** @throws Error when the verdict of a rule set and class in use would change in place: ids have lost their meaning. */
export function planRows(before: RowUse, after: RowUse): RowPlan {
  const prepare: TableWrite[] = [];
  const cleanup: TableWrite[] = [];
  const masksBefore = portClassMasks(before.ports);
  const masksAfter = portClassMasks(after.ports);
  let added = 0;
  mergeDiff(
    rowColumns(before.rows),
    rowColumns(after.rows),
    (i, j) => compareRowKeys(before.rows, i, after.rows, j),
    (i, j) => {
      const key = i === undefined ? rowKeyAt(after.rows, j!) : rowKeyAt(before.rows, i);
      const target = j === undefined ? undefined : rowAt(after.rows, j);
      if (i === undefined) added += 1;
      if (!isUsed(before, key)) {
        if (target === undefined) put(cleanup, key, undefined);
        else put(prepare, key, target);
        return;
      }
      if (target === undefined && !isUsed(after, key)) {
        put(cleanup, key, undefined);
        return;
      }
      const old = i === undefined ? defaultRow(before.rows, key) : rowAt(before.rows, i);
      const wanted = target ?? defaultRow(after.rows, key);
      const mask = masksBefore.get(key.block) ?? NO_BITS.allow;
      if (isUsed(after, key)) assertUnchanged(key, old, wanted, mask, masksAfter.get(key.block) ?? NO_BITS.allow);
      const merged = merge(old, wanted, mask);
      if (i === undefined || !isEqualRow(merged, old)) put(prepare, key, merged);
      if (target === undefined || !isEqualRow(merged, target)) put(cleanup, key, target);
    },
  );
  return { prepare, cleanup, countDuring: before.rows.block.length + added };
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
