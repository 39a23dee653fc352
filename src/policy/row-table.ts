/** Rows written out: one chunk a rule set, kept while nothing in it changes, and all chunks joined into the table. */
import { PEER_CLASS_DEFAULT, ROW_BYTES } from './ids.ts';
import { differingBits, type PortMask, type PortMasks } from './port-masks.ts';
import type { RowTable } from './tables.ts';

/**
 * The rows of one rule set, sorted by (peerClass, block): of each its class, its block, and its bits in words as they lie in
 * memory. One array, because rule sets are many and most have few rows.
 */
export type RowChunk = Uint32Array;

const BITS_AT = 2;
const ROW_WORDS = BITS_AT + ROW_BYTES / Uint32Array.BYTES_PER_ELEMENT;

interface BlockBits {
  readonly block: number;
  readonly words: Uint32Array;
}

/** A row for every block in which a class differs from the default, and in which the default allows anything. */
export function buildChunk(everyone: PortMask, rows: ReadonlyMap<number, PortMask>, masks: PortMasks): RowChunk {
  const written = new Map<PortMask, readonly BlockBits[]>();
  const bitsOf = (mask: PortMask): readonly BlockBits[] => {
    let bits = written.get(mask);
    if (bits === undefined) {
      bits = differingBlocks(mask, mask === everyone ? masks.none : everyone, masks.blockCount);
      written.set(mask, bits);
    }
    return bits;
  };
  const classIds = Uint32Array.from(rows.keys()).sort();
  let count = bitsOf(everyone).length;
  for (const mask of rows.values()) count += bitsOf(mask).length;
  if (count === 0) return NO_ROWS;
  const chunk = new Uint32Array(count * ROW_WORDS);
  let at = 0;
  const write = (classId: number, mask: PortMask): void => {
    for (const { block, words } of bitsOf(mask)) {
      chunk[at] = classId;
      chunk[at + 1] = block;
      chunk.set(words, at + BITS_AT);
      at += ROW_WORDS;
    }
  };
  write(PEER_CLASS_DEFAULT, everyone);
  for (const classId of classIds) write(classId, rows.get(classId) ?? everyone);
  return chunk;
}

/** Of a rule set without rows. */
export const NO_ROWS: RowChunk = new Uint32Array(0);

export function rowsIn(chunk: RowChunk): number {
  return chunk.length / ROW_WORDS;
}

export function isSameChunk(a: RowChunk, b: RowChunk): boolean {
  return a.length === b.length && a.every((word, at) => word === b[at]);
}

/** Chunks in order of rule set. */
export function joinChunks(chunks: readonly { readonly id: number; readonly chunk: RowChunk }[]): RowTable {
  const count = chunks.reduce((sum, { chunk }) => sum + rowsIn(chunk), 0);
  const table = {
    ruleSet: new Uint32Array(count),
    peerClass: new Uint32Array(count),
    block: new Uint32Array(count),
    allow: new Uint8Array(count * ROW_BYTES),
    audit: new Uint8Array(count * ROW_BYTES),
  };
  const allowed = new Uint32Array(table.allow.buffer);
  const words = ROW_WORDS - BITS_AT;
  let at = 0;
  for (const { id, chunk } of chunks) {
    for (let from = 0; from < chunk.length; from += ROW_WORDS) {
      table.ruleSet[at] = id;
      table.peerClass[at] = chunk[from]!;
      table.block[at] = chunk[from + 1]!;
      for (let word = 0; word < words; word++) allowed[at * words + word] = chunk[from + BITS_AT + word]!;
      at += 1;
    }
  }
  return table;
}

function differingBlocks(mask: PortMask, other: PortMask, blockCount: number): readonly BlockBits[] {
  const blocks: BlockBits[] = [];
  for (let block = 0; block < blockCount; block++) {
    const bits = differingBits(mask, other, block);
    if (bits !== undefined) blocks.push({ block, words: new Uint32Array(bits.slice().buffer) });
  }
  return blocks;
}
