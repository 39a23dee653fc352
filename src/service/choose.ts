/**
 * Which backend a client's flow gets. A pure function of the client's tuple and the backend set: no state, so it holds
 * over restarts and is the same on every node. The kernel computes the same from the same tables.
 *
 * 1. hash = MurmurHash3_x86_32, seed 0, of 24 bytes: 16 of source address (network order, IPv4 in the first four, the
 *    rest zero), 2 of source port and 2 of destination port (network order), 1 of IANA protocol, 3 zero. On a
 *    little-endian machine these are six 32-bit loads from the packet's own bytes.
 * 2. With session affinity ClientIP (SVC-24) ports and protocol are zero: a client's address alone decides. There is no
 *    timeout: a client keeps its backend while the backend set stays, however long it is silent. When the set changes the
 *    clients of few slots move (docs/decisions/0004-backend-by-hash.md).
 * 3. slot = (hash * slots of the frontend) >> 32, in 64 bits.
 * 4. the slot names the backend (maglev.ts).
 */
import { tableBytes } from '../net/address.ts';
import { PROTOCOL_NUMBERS, toAddress } from './key.ts';
import type { Protocol } from './model.ts';
import { murmur3 } from './murmur.ts';

/** A client's packet to a frontend, before translation. */
export interface ClientTuple {
  /** Text of the client's address. */
  readonly source: string;
  readonly sourcePort: number;
  /** Of the frontend. */
  readonly destinationPort: number;
  readonly protocol: Protocol;
}

/** Rules 1 and 2. 0 to 2^32 - 1. */
export function hashTuple(tuple: ClientTuple, affinity: boolean): number {
  const bytes = new DataView(new ArrayBuffer(24));
  for (const [i, byte] of tableBytes(toAddress(tuple.source)).entries()) bytes.setUint8(i, byte);
  if (!affinity) {
    bytes.setUint16(16, tuple.sourcePort);
    bytes.setUint16(18, tuple.destinationPort);
    bytes.setUint8(20, PROTOCOL_NUMBERS[tuple.protocol]);
  }
  return murmur3(
    [0, 4, 8, 12, 16, 20].map((offset) => bytes.getUint32(offset, true)),
    0,
  );
}

/** Rule 3; the product stays below 2^49, where numbers are exact. */
export function slotOf(hash: number, slots: number): number {
  return Math.floor((hash * slots) / 0x1_0000_0000);
}
