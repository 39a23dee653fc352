/** One lie, or a few, told with a frame that was true. */
import type { RandomSource } from './random-source.ts';

const ETHERNET_BYTES = 14;
/** BPF_PROG_TEST_RUN takes no frame without a whole IP header, and none of 14 bytes. */
const IP_HEADER_BYTES = new Map([
  [0x0800, 20],
  [0x86dd, 40],
]);
/** Headers are there; flips behind them say nothing new. */
const FLIPPED_BYTES_MAX = 110;

type Mutation = (r: RandomSource, frame: Buffer) => Buffer;

const truncation: Mutation = (r, frame) => {
  const shortest = shortestOf(frame);
  return frame.subarray(0, shortest + r.below(Math.max(1, frame.length - shortest)));
};

const bitFlips: Mutation = (r, frame) => {
  for (let flips = 1 + r.below(3); flips > 0; flips -= 1) {
    frame[r.below(Math.min(frame.length, FLIPPED_BYTES_MAX))]! ^= 1 << r.below(8);
  }
  return frame;
};

const byteOfIp: Mutation = (r, frame) => {
  const at = ETHERNET_BYTES + r.below(Math.min(60, frame.length - ETHERNET_BYTES));
  frame[at] = r.pick([0, 1, 4, 5, 0xff, r.below(256)]);
  return frame;
};

const lengthLie: Mutation = (r, frame) => {
  const at = ETHERNET_BYTES + (isIpv6(frame) ? 4 : 2);
  if (frame.length >= at + 2) frame.writeUInt16BE(r.pick([0, 1, 19, 20, 28, frame.length, r.below(120), 0xffff]), at);
  return frame;
};

const protocolLie: Mutation = (r, frame) => {
  const at = ETHERNET_BYTES + (isIpv6(frame) ? 6 : 9);
  if (at < frame.length) frame[at] = r.pick([0, 1, 4, 6, 17, 41, 43, 44, 50, 51, 58, 59, 60, 132, 139, r.below(256)]);
  return frame;
};

const swappedAddresses: Mutation = (_, frame) => {
  const [at, bytes] = isIpv6(frame) ? [ETHERNET_BYTES + 8, 16] : [ETHERNET_BYTES + 12, 4];
  if (frame.length < at + 2 * bytes) return frame;
  const source = Buffer.from(frame.subarray(at, at + bytes));
  frame.copy(frame, at, at + bytes, at + 2 * bytes);
  source.copy(frame, at + bytes);
  return frame;
};

/** What a receiver would read as another family. */
const etherTypeLie: Mutation = (r, frame) => {
  frame.writeUInt16BE(r.pick([0x0800, 0x86dd, 0x0806, 0x8100]), 12);
  return frame;
};

const MUTATIONS: readonly Mutation[] = [
  truncation,
  bitFlips,
  bitFlips,
  byteOfIp,
  byteOfIp,
  lengthLie,
  protocolLie,
  swappedAddresses,
  etherTypeLie,
];

export function mutated(r: RandomSource, original: Uint8Array): Uint8Array {
  let frame: Buffer = Buffer.from(original);
  for (let count = r.chance(0.8) ? 1 : 2; count > 0; count -= 1) frame = r.pick(MUTATIONS)(r, frame);
  const missing = shortestOf(frame) - frame.length;
  return new Uint8Array(missing > 0 ? Buffer.concat([frame, Buffer.alloc(missing)]) : frame);
}

/** Bytes that a frame must have to be run. */
export function shortestOf(frame: Uint8Array): number {
  const etherType = (frame[12]! << 8) | frame[13]!;
  return ETHERNET_BYTES + (IP_HEADER_BYTES.get(etherType) ?? 1);
}

function isIpv6(frame: Buffer): boolean {
  return frame.readUInt16BE(12) === 0x86dd;
}
