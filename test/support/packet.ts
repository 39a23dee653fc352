/** Frames byte by byte, for pushing through the programs. Checksums are left zero: no program reads them. */
import { parseAddress } from '../../src/net/address.ts';

export interface FrameFields {
  readonly source: string;
  readonly destination: string;
  readonly sourceMac: string;
  readonly destinationMac: string;
  readonly protocol: number;
  /** Bytes after the IP header. */
  readonly payload: Uint8Array;
  readonly hopLimit?: number;
  /** IPv4 flags and fragment offset as on the wire. */
  readonly fragment?: number;
  /** IPv4, of the whole packet. */
  readonly identification?: number;
  /** IPv4, a multiple of four bytes. */
  readonly options?: Uint8Array;
  /** Overrides of the length fields, to lie. */
  readonly totalLength?: number;
}

export const TCP = 6;
export const UDP = 17;
export const ICMP = 1;
export const ICMPV6 = 58;
export const SCTP = 132;

export const FIN = 0x01;
export const SYN = 0x02;
export const RST = 0x04;
export const ACK = 0x10;

export function macBytes(text: string): Uint8Array {
  return Uint8Array.from(text.split(':'), (part) => Number.parseInt(part, 16));
}

export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}

export function ethernet(destinationMac: string, sourceMac: string, etherType: number, body: Uint8Array): Uint8Array {
  const head = Buffer.alloc(14);
  head.set(macBytes(destinationMac), 0);
  head.set(macBytes(sourceMac), 6);
  head.writeUInt16BE(etherType, 12);
  return concat(head, body);
}

/** IPv4 or IPv6, by the family of the source. */
export function frame(fields: FrameFields): Uint8Array {
  const source = parseAddress(fields.source);
  const destination = parseAddress(fields.destination);
  if (source === undefined || destination === undefined || source.family !== destination.family) {
    throw new Error(`no packet from ${fields.source} to ${fields.destination}`);
  }
  if (source.family === 4) {
    const options = fields.options ?? new Uint8Array(0);
    const ip = Buffer.alloc(20 + options.length);
    ip[0] = 0x40 | (ip.length / 4);
    ip.set(options, 20);
    ip.writeUInt16BE(fields.totalLength ?? ip.length + fields.payload.length, 2);
    ip.writeUInt16BE(fields.identification ?? 0, 4);
    ip.writeUInt16BE(fields.fragment ?? 0, 6);
    ip[8] = fields.hopLimit ?? 64;
    ip[9] = fields.protocol;
    ip.set(source.bytes, 12);
    ip.set(destination.bytes, 16);
    return ethernet(fields.destinationMac, fields.sourceMac, 0x0800, concat(ip, fields.payload));
  }
  const ip = Buffer.alloc(40);
  ip[0] = 0x60;
  ip.writeUInt16BE(fields.totalLength ?? fields.payload.length, 4);
  ip[6] = fields.protocol;
  ip[7] = fields.hopLimit ?? 64;
  ip.set(source.bytes, 8);
  ip.set(destination.bytes, 24);
  return ethernet(fields.destinationMac, fields.sourceMac, 0x86dd, concat(ip, fields.payload));
}

export function tcp(sourcePort: number, destinationPort: number, flags: number): Uint8Array {
  const out = Buffer.alloc(20);
  out.writeUInt16BE(sourcePort, 0);
  out.writeUInt16BE(destinationPort, 2);
  out[12] = 5 << 4;
  out[13] = flags;
  return new Uint8Array(out);
}

/** UDP with `data` bytes of data; SCTP's common header has its ports at the same place. */
export function udp(sourcePort: number, destinationPort: number, data = 4): Uint8Array {
  const out = Buffer.alloc(8 + data);
  out.writeUInt16BE(sourcePort, 0);
  out.writeUInt16BE(destinationPort, 2);
  out.writeUInt16BE(8 + data, 4);
  return new Uint8Array(out);
}

export function icmp(type: number, code: number, identifier: number, data: Uint8Array = new Uint8Array(8)): Uint8Array {
  const head = Buffer.alloc(8);
  head[0] = type;
  head[1] = code;
  head.writeUInt16BE(identifier, 4);
  return concat(head, data);
}

/** RFC 826, Ethernet and IPv4. operation: 1 request, 2 reply. */
export function arp(
  operation: number,
  senderMac: string,
  sender: string,
  targetMac: string,
  target: string,
): Uint8Array {
  const out = Buffer.alloc(28);
  out.writeUInt16BE(1, 0);
  out.writeUInt16BE(0x0800, 2);
  out[4] = 6;
  out[5] = 4;
  out.writeUInt16BE(operation, 6);
  out.set(macBytes(senderMac), 8);
  out.set(parseAddress(sender)?.bytes ?? [], 14);
  out.set(macBytes(targetMac), 18);
  out.set(parseAddress(target)?.bytes ?? [], 24);
  return new Uint8Array(out);
}

/** The IP packet inside a frame. */
export function ipPacket(frameBytes: Uint8Array): Uint8Array {
  return frameBytes.subarray(14);
}

/** An IPv6 fragment header and what follows. offset in bytes, a multiple of 8. */
export function fragmentHeader(next: number, offset: number, more: boolean, id: number, rest: Uint8Array): Uint8Array {
  const head = Buffer.alloc(8);
  head[0] = next;
  head.writeUInt16BE(offset | (more ? 1 : 0), 2);
  head.writeUInt32BE(id, 4);
  return concat(head, rest);
}

/** An IPv6 extension header of 8 x (units + 1) bytes: hop-by-hop, routing or destination options. */
export function extensionHeader(
  next: number,
  units: number,
  rest: Uint8Array,
  bytes: readonly number[] = [],
): Uint8Array {
  const head = Buffer.alloc(8 * (units + 1));
  head[0] = next;
  head[1] = units;
  head.set(bytes, 2);
  return concat(head, rest);
}
