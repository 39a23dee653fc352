/** Internet checksums (RFC 1071), for frames that have to pass a real network stack and connection tracking. */
import { ICMP, ICMPV6, TCP, UDP } from './packet.ts';

const ETHERNET_BYTES = 14;
/** Where the transport header holds its checksum. */
const CHECKSUM_AT = new Map([
  [TCP, 16],
  [UDP, 6],
  [ICMP, 2],
  [ICMPV6, 2],
]);

/** The frame with the checksums of its IPv4 header and transport header, where both are whole and not in fragments. */
export function checksummed(original: Uint8Array): Uint8Array {
  const frame = Buffer.from(original);
  const etherType = frame.length < ETHERNET_BYTES ? 0 : frame.readUInt16BE(12);
  if (etherType === 0x0800 && frame.length >= ETHERNET_BYTES + 20) sumIpv4(frame);
  if (etherType === 0x86dd && frame.length >= ETHERNET_BYTES + 40) {
    sumTransport(frame, { protocol: frame[20]!, at: 54, end: 54 + frame.readUInt16BE(18), addresses: [22, 54] });
  }
  return new Uint8Array(frame);
}

function sumIpv4(frame: Buffer): void {
  const header = (frame[ETHERNET_BYTES]! & 15) * 4;
  if (ETHERNET_BYTES + header > frame.length) return;
  const isFragment = (frame.readUInt16BE(20) & 0x3fff) !== 0;
  const end = ETHERNET_BYTES + frame.readUInt16BE(16);
  if (!isFragment) {
    sumTransport(frame, { protocol: frame[23]!, at: ETHERNET_BYTES + header, end, addresses: [26, 34] });
  }
  frame.writeUInt16BE(0, 24);
  frame.writeUInt16BE(folded(sumOf(frame.subarray(ETHERNET_BYTES, ETHERNET_BYTES + header))), 24);
}

interface Transport {
  readonly protocol: number;
  readonly at: number;
  readonly end: number;
  /** Where the addresses of the pseudo header are. */
  readonly addresses: readonly [number, number];
}

function sumTransport(frame: Buffer, { protocol, at, end, addresses }: Transport): void {
  const place = CHECKSUM_AT.get(protocol);
  if (place === undefined || end > frame.length || at + place + 2 > end) return;
  frame.writeUInt16BE(0, at + place);
  const pseudo = protocol === ICMP ? 0 : sumOf(frame.subarray(...addresses)) + protocol + (end - at);
  frame.writeUInt16BE(folded(sumOf(frame.subarray(at, end)) + pseudo) || 0xffff, at + place);
}

function sumOf(bytes: Buffer): number {
  let sum = 0;
  for (let i = 0; i < bytes.length; i += 2) sum += (bytes[i]! << 8) | (bytes[i + 1] ?? 0);
  return sum;
}

function folded(sum: number): number {
  let rest = sum;
  while (rest > 0xffff) rest = (rest & 0xffff) + (rest >>> 16);
  return ~rest & 0xffff;
}
