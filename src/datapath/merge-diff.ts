/**
 * Compares two sorted tables element by element, skipping equal stretches as blocks of bytes: two tables of 100,000
 * elements with one difference cost a few hundred block compares.
 */
import { SLICE_ELEMENTS, type Work } from '../lib/work.ts';

/** One column of a table, as bytes. */
export interface Column {
  readonly bytes: Buffer;
  /** Bytes of one element. */
  readonly width: number;
}

/** Equal bytes in every column are equal elements. */
export interface Columns {
  readonly count: number;
  readonly columns: readonly Column[];
}

/** Index of an element on one side; undefined: it is only on the other. */
export type DiffVisitor = (before: number | undefined, after: number | undefined) => void;

const BLOCK_ELEMENTS_MAX = 4096;

export function column(array: Uint8Array | Uint16Array | Uint32Array, width: number): Column {
  return { bytes: Buffer.from(array.buffer, array.byteOffset, array.byteLength), width };
}

/**
 * Visits, in key order, every key that is on one side only, and every key on both sides whose element differs.
 * `compareKeys` orders element i of `before` against element j of `after`; both are sorted by it, without duplicates.
 */
export function* mergeDiff(
  before: Columns,
  after: Columns,
  compareKeys: (i: number, j: number) => number,
  visit: DiffVisitor,
): Work<void> {
  let i = 0;
  let j = 0;
  let block = 1;
  let looks = 0;
  while (i < before.count && j < after.count) {
    looks += 1;
    if (looks % SLICE_ELEMENTS === 0) yield;
    const length = Math.min(block, before.count - i, after.count - j);
    if (isEqualBlock(before, i, after, j, length)) {
      i += length;
      j += length;
      block = Math.min(block * 2, BLOCK_ELEMENTS_MAX);
      continue;
    }
    if (length > 1) {
      block = Math.max(1, length >> 2);
      continue;
    }
    const order = compareKeys(i, j);
    visit(order <= 0 ? i : undefined, order >= 0 ? j : undefined);
    if (order <= 0) i++;
    if (order >= 0) j++;
  }
  for (; i < before.count; i++) {
    visit(i, undefined);
    if (i % SLICE_ELEMENTS === 0) yield;
  }
  for (; j < after.count; j++) {
    visit(undefined, j);
    if (j % SLICE_ELEMENTS === 0) yield;
  }
}

function isEqualBlock(a: Columns, i: number, b: Columns, j: number, length: number): boolean {
  return a.columns.every(({ bytes, width }, index) => {
    const other = b.columns[index];
    return (
      other !== undefined &&
      bytes.compare(other.bytes, j * width, (j + length) * width, i * width, (i + length) * width) === 0
    );
  });
}
