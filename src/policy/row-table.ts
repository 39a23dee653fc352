/** Rows written out: one chunk a rule set, kept while nothing in it changes, and all chunks joined into the table. */
import { PEER_CLASS_DEFAULT, ROW_BYTES } from './ids.ts';
import { differingBits, type PortMask, type PortMasks } from './port-masks.ts';
import type { RowTable } from './tables.ts';

/** The rows of one rule set, sorted by (peerClass, block). */
export interface RowChunk {
  readonly peerClass: Uint32Array;
  readonly block: Uint32Array;
  readonly allow: Uint8Array;
}

interface BlockBits {
  readonly block: number;
  readonly bits: Uint8Array;
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
  const peerClass = new Uint32Array(count);
  const block = new Uint32Array(count);
  const allow = new Uint8Array(count * ROW_BYTES);
  let at = 0;
  const write = (classId: number, mask: PortMask): void => {
    for (const row of bitsOf(mask)) {
      peerClass[at] = classId;
      block[at] = row.block;
      allow.set(row.bits, at * ROW_BYTES);
      at += 1;
    }
  };
  write(PEER_CLASS_DEFAULT, everyone);
  for (const classId of classIds) write(classId, rows.get(classId) ?? everyone);
  return { peerClass, block, allow };
}

/** Of a rule set without rows. */
export const NO_ROWS: RowChunk = {
  peerClass: new Uint32Array(0),
  block: new Uint32Array(0),
  allow: new Uint8Array(0),
};

export function isSameChunk(a: RowChunk, b: RowChunk): boolean {
  const isEqual = (left: Uint8Array | Uint32Array, right: Uint8Array | Uint32Array): boolean =>
    left.length === right.length && left.every((value, at) => value === right[at]);
  return isEqual(a.peerClass, b.peerClass) && isEqual(a.block, b.block) && isEqual(a.allow, b.allow);
}

/** Chunks in order of rule set. */
export function joinChunks(chunks: readonly { readonly id: number; readonly chunk: RowChunk }[]): RowTable {
  const count = chunks.reduce((sum, { chunk }) => sum + chunk.peerClass.length, 0);
  const table = {
    ruleSet: new Uint32Array(count),
    peerClass: new Uint32Array(count),
    block: new Uint32Array(count),
    allow: new Uint8Array(count * ROW_BYTES),
    audit: new Uint8Array(count * ROW_BYTES),
  };
  let at = 0;
  for (const { id, chunk } of chunks) {
    table.ruleSet.fill(id, at, at + chunk.peerClass.length);
    table.peerClass.set(chunk.peerClass, at);
    table.block.set(chunk.block, at);
    table.allow.set(chunk.allow, at * ROW_BYTES);
    at += chunk.peerClass.length;
  }
  return table;
}

function differingBlocks(mask: PortMask, other: PortMask, blockCount: number): readonly BlockBits[] {
  const blocks: BlockBits[] = [];
  for (let block = 0; block < blockCount; block++) {
    const bits = differingBits(mask, other, block);
    if (bits !== undefined) blocks.push({ block, bits });
  }
  return blocks;
}
