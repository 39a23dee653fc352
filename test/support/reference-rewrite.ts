/**
 * Other addresses and ports in a frame, with checksums changed by what differs (RFC 1624, equation 3): as right or as
 * wrong as they were. One's complement has two zeros, so a checksum of 0 and one of 0xffff are the same.
 */
import { type IpPacket, isIcmp, PROTOCOL } from './reference-parser.ts';

/** Addresses of one character a byte. */
export interface Tuple {
  readonly source: string;
  readonly sourcePort: number;
  readonly destination: string;
  readonly destinationPort: number;
}

export interface Rewriting {
  readonly frame: Buffer;
  /** Offsets of the checksums that may be either zero. */
  readonly checksums: readonly number[];
}

export const IP_AT = 14;

/** The packet of the frame itself. */
export function withTuple(frame: Buffer, packet: IpPacket, to: Tuple): Rewriting {
  const out = Buffer.from(frame);
  const checksums: number[] = [];
  const change = (at: number | undefined, before: Buffer, after: Buffer): void => {
    if (at === undefined) return;
    changeChecksum(out, at, before, after);
    checksums.push(at);
  };
  const [before, after] = writeAddresses(out, packet.family, IP_AT, to);
  if (packet.family === 4) change(IP_AT + 10, before, after);
  const sum = checksumAt(frame, packet);
  if (packet.family === 6 || !isIcmp(packet)) change(sum, before, after);
  if (packet.fragment?.isFirst !== false && hasPorts(packet)) change(sum, ...writePorts(out, packet.transportAt, to));
  return { frame: out, checksums };
}

/** The packet that the error in the frame quotes. */
export function withQuote(frame: Buffer, error: IpPacket, quoteAt: number, quote: IpPacket, to: Tuple): Rewriting {
  const out = Buffer.from(frame);
  const sum = error.transportAt + 2;
  const checksums = [sum];
  const [before, after] = writeAddresses(out, quote.family, quoteAt, to);
  if (quote.family === 4) {
    // The quoted header's own checksum takes back what the addresses change in the error's.
    changeChecksum(out, quoteAt + 10, before, after);
    checksums.push(quoteAt + 10);
  } else {
    changeChecksum(out, sum, before, after);
  }
  if (hasPorts(quote)) changeChecksum(out, sum, ...writePorts(out, quote.transportAt, to));
  return { frame: out, checksums };
}

function hasPorts({ protocol }: IpPacket): boolean {
  return protocol === PROTOCOL.TCP || protocol === PROTOCOL.UDP;
}

/** Undefined: there is none, or UDP does without. */
function checksumAt(frame: Buffer, { protocol, transportAt, fragment }: IpPacket): number | undefined {
  if (fragment?.isFirst === false) return undefined;
  if (protocol === PROTOCOL.TCP) return transportAt + 16;
  if (protocol === PROTOCOL.ICMPV6) return transportAt + 2;
  const isUdp = protocol === PROTOCOL.UDP && frame.readUInt16BE(transportAt + 6) !== 0;
  return isUdp ? transportAt + 6 : undefined;
}

function writeAddresses(out: Buffer, family: number, at: number, { source, destination }: Tuple): [Buffer, Buffer] {
  const [from, bytes] = family === 4 ? [at + 12, 8] : [at + 8, 32];
  return write(out, from, bytes, Buffer.from(source + destination, 'latin1'));
}

function writePorts(out: Buffer, at: number, { sourcePort, destinationPort }: Tuple): [Buffer, Buffer] {
  const ports = Buffer.alloc(4);
  ports.writeUInt16BE(sourcePort, 0);
  ports.writeUInt16BE(destinationPort, 2);
  return write(out, at, 4, ports);
}

function write(out: Buffer, at: number, bytes: number, text: Buffer): [Buffer, Buffer] {
  const before = Buffer.from(out.subarray(at, at + bytes));
  text.copy(out, at);
  return [before, text];
}

function changeChecksum(out: Buffer, at: number, before: Buffer, after: Buffer): void {
  let sum = ~out.readUInt16BE(at) & 0xffff;
  for (let i = 0; i < before.length; i += 2) sum += (~before.readUInt16BE(i) & 0xffff) + after.readUInt16BE(i);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  out.writeUInt16BE(~sum & 0xffff, at);
}
