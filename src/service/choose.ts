/**
 * Which backend a client's flow gets: a pure function of the client's tuple and the backend set, the same on every node and
 * over restarts. The kernel computes the same from the same tables.
 *
 * 1. hash = MurmurHash3_x86_32, seed 0, of 24 bytes: 16 of source address (network order, IPv4 in the first four, the
 *    rest zero), 2 of source port and 2 of destination port (network order), 1 of IANA protocol, 3 zero. On a
 *    little-endian machine these are six 32-bit loads from the packet's own bytes.
 * 2. slot = (hash * slots of the frontend) >> 32, in 64 bits.
 * 3. the slot names the backend (maglev.ts).
 *
 * With session affinity ClientIP (SVC-24) this is the choice for a client that the node does not remember: the kernel keeps
 * which backend each had, until the timeout after its last new flow, and while the backend is one of the frontend's.
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

/** Rule 1. 0 to 2^32 - 1. */
export function hashTuple(tuple: ClientTuple): number {
  const bytes = new DataView(new ArrayBuffer(24));
  for (const [i, byte] of tableBytes(toAddress(tuple.source)).entries()) bytes.setUint8(i, byte);
  bytes.setUint16(16, tuple.sourcePort);
  bytes.setUint16(18, tuple.destinationPort);
  bytes.setUint8(20, PROTOCOL_NUMBERS[tuple.protocol]);
  return murmur3(
    [0, 4, 8, 12, 16, 20].map((offset) => bytes.getUint32(offset, true)),
    0,
  );
}

/** Rule 2; the product stays below 2^49, where numbers are exact. */
export function slotOf(hash: number, slots: number): number {
  return Math.floor((hash * slots) / 0x1_0000_0000);
}
