/**
 * Reads an IP packet as the RFCs say, to be compared with what the programs read. It is written from RFC 791, 792, 4443,
 * 8200, 7045, 9293, 768 and 9260 and shares nothing with the programs but the names of the reasons.
 *
 * Addresses are strings of one character a byte (latin1), so that they can be compared and be keys of maps.
 */
import { Limit, Reason } from '../../src/kernel/abi.gen.ts';

export type IpFamily = 4 | 6;

/** What a packet says of the fragmented packet that it is a part of. */
interface FragmentPart {
  readonly isFirst: boolean;
  readonly identification: number;
  /** The protocol that the fragmented packet's unfragmentable part ends with. */
  readonly next: number;
  /** Bytes. */
  readonly offset: number;
  readonly bytes: number;
}

export interface IpPacket {
  readonly family: IpFamily;
  readonly source: string;
  readonly destination: string;
  readonly hopLimit: number;
  protocol: number;
  /** Both ends' identifier in echo messages; 0 where there are no ports. */
  sourcePort: number;
  destinationPort: number;
  tcpFlags: number;
  icmpType: number;
  fragment: FragmentPart | undefined;
  /** Where the transport header begins in the frame. */
  transportAt: number;
  /** Where the IP packet ends in the frame. */
  end: number;
}

/** packet: there as soon as its addresses are known, also when the rest can't be read. */
export interface Reading {
  readonly reason: Reason | undefined;
  readonly packet: IpPacket | undefined;
}

export const PROTOCOL = { ICMP: 1, TCP: 6, UDP: 17, ICMPV6: 58, SCTP: 132 } as const;
const EXTENSION = { HOP_BY_HOP: 0, ROUTING: 43, FRAGMENT: 44, AUTHENTICATION: 51, DESTINATION: 60 } as const;
const UNKNOWN_EXTENSIONS: ReadonlySet<number> = new Set([139, 140]);
const WALKED: ReadonlySet<number> = new Set(Object.values(EXTENSION));
const MAPPED_PREFIX = '\0'.repeat(10) + '\xff\xff';
const IP_BYTES_MAX = 65_535;
/** RFC 792: an error quotes at least this much of the transport header. */
const QUOTED_BYTES_MIN = 8;

export interface ReadOptions {
  readonly family: IpFamily;
  /** Where the IP header begins. */
  readonly at: number;
  /** Where what is there ends: of the frame, or of the ICMP error that quotes the packet. */
  readonly limit: number;
  /** Quoted packets may be cut off, and their options lead nowhere. */
  readonly isQuoted: boolean;
}

export function readIp(bytes: Buffer, options: ReadOptions): Reading {
  return options.family === 4 ? readIpv4(bytes, options) : readIpv6(bytes, options);
}

function unreadable(reason: Reason, packet?: IpPacket): Reading {
  return { reason, packet };
}

function readIpv4(bytes: Buffer, { at, limit, isQuoted }: ReadOptions): Reading {
  if (limit - at < 20) return unreadable(Reason.MALFORMED);
  const version = bytes[at]! >> 4;
  const header = (bytes[at]! & 15) * 4;
  const total = isQuoted ? limit - at : bytes.readUInt16BE(at + 2);
  if (version !== 4 || header < 20 || header > total || at + total > limit) return unreadable(Reason.MALFORMED);
  const packet: IpPacket = {
    family: 4,
    source: bytes.toString('latin1', at + 12, at + 16),
    destination: bytes.toString('latin1', at + 16, at + 20),
    hopLimit: bytes[at + 8]!,
    protocol: bytes[at + 9]!,
    sourcePort: 0,
    destinationPort: 0,
    tcpFlags: 0,
    icmpType: 0,
    fragment: undefined,
    transportAt: at + header,
    end: at + total,
  };
  const options = isQuoted ? undefined : problemOfOptions(bytes.subarray(at + 20, at + header));
  if (options !== undefined) return unreadable(options, packet);
  const flags = bytes.readUInt16BE(at + 6);
  const hasMore = (flags & 0x2000) !== 0;
  const offset = (flags & 0x1fff) * 8;
  if (hasMore || offset > 0) {
    const identification = bytes.readUInt16BE(at + 4);
    packet.fragment = {
      isFirst: offset === 0,
      identification,
      next: packet.protocol,
      offset,
      bytes: total - header,
    };
    if (offset + total - header > IP_BYTES_MAX) return unreadable(Reason.MALFORMED, packet);
  }
  return readTransport(bytes, packet, isQuoted);
}

/** RFC 791 section 3.1: a list of options, each with its length but for the two of one byte. */
function problemOfOptions(options: Buffer): Reason | undefined {
  let rest = options;
  while (rest.length > 0) {
    const [type, length] = rest;
    if (type === 0) return undefined;
    if (type === 131 || type === 137) return Reason.SOURCE_ROUTE;
    if (type !== 1 && (length === undefined || length < 2 || length > rest.length)) return Reason.MALFORMED;
    rest = rest.subarray(type === 1 ? 1 : length!);
  }
  return undefined;
}

function readIpv6(bytes: Buffer, { at, limit, isQuoted }: ReadOptions): Reading {
  if (limit - at < 40) return unreadable(Reason.MALFORMED);
  const end = isQuoted ? limit : at + 40 + bytes.readUInt16BE(at + 4);
  if (bytes[at]! >> 4 !== 6 || end > limit) return unreadable(Reason.MALFORMED);
  const packet: IpPacket = {
    family: 6,
    source: bytes.toString('latin1', at + 8, at + 24),
    destination: bytes.toString('latin1', at + 24, at + 40),
    hopLimit: bytes[at + 7]!,
    protocol: bytes[at + 6]!,
    sourcePort: 0,
    destinationPort: 0,
    tcpFlags: 0,
    icmpType: 0,
    fragment: undefined,
    transportAt: at + 40,
    end,
  };
  if ([packet.source, packet.destination].some((address) => address.startsWith(MAPPED_PREFIX))) {
    return unreadable(Reason.V4_MAPPED, packet);
  }
  const reason = walkExtensions(bytes, packet, isQuoted);
  return reason === undefined ? readTransport(bytes, packet, isQuoted) : unreadable(reason, packet);
}

function walkExtensions(bytes: Buffer, packet: IpPacket, isQuoted: boolean): Reason | undefined {
  for (let walked = 0; WALKED.has(packet.protocol); walked += 1) {
    const problem = stepOver(bytes, packet, isQuoted);
    if (problem !== undefined) return problem;
    if (walked === Limit.EXTENSION_HEADERS_MAX) return Reason.EXTENSION_HEADER;
    if (packet.fragment?.isFirst === false) return undefined;
  }
  return UNKNOWN_EXTENSIONS.has(packet.protocol) ? Reason.EXTENSION_HEADER : undefined;
}

/** RFC 8200 section 4, RFC 4302 section 2.2 (which counts in words, less two). */
function stepOver(bytes: Buffer, packet: IpPacket, isQuoted: boolean): Reason | undefined {
  const cutOff = packet.fragment?.isFirst === true ? Reason.FRAGMENT_TINY : Reason.MALFORMED;
  const at = packet.transportAt;
  if (packet.end - at < 8) return cutOff;
  const kind = packet.protocol;
  if (kind === EXTENSION.ROUTING && bytes[at + 3] !== 0) return Reason.SOURCE_ROUTE;
  if (kind === EXTENSION.FRAGMENT) {
    const problem = readFragmentHeader(bytes, packet, isQuoted);
    if (problem !== undefined) return problem;
  }
  const length = kind === EXTENSION.AUTHENTICATION ? 4 * (bytes[at + 1]! + 2) : 8 * (bytes[at + 1]! + 1);
  packet.protocol = bytes[at]!;
  packet.transportAt = at + (kind === EXTENSION.FRAGMENT ? 8 : length);
  return packet.transportAt > packet.end ? cutOff : undefined;
}

function readFragmentHeader(bytes: Buffer, packet: IpPacket, isQuoted: boolean): Reason | undefined {
  if (packet.fragment !== undefined) return Reason.MALFORMED;
  const at = packet.transportAt;
  const word = bytes.readUInt16BE(at + 2);
  const offset = word - (word % 8);
  // RFC 6946: neither an offset nor more to come is a whole packet.
  if (word % 2 === 0 && offset === 0) return undefined;
  const fragmentBytes = packet.end - at - 8;
  packet.fragment = {
    isFirst: offset === 0,
    identification: bytes.readUInt32BE(at + 4),
    next: bytes[at]!,
    offset,
    bytes: fragmentBytes,
  };
  return !isQuoted && offset + fragmentBytes > IP_BYTES_MAX ? Reason.MALFORMED : undefined;
}

function transportBytes(packet: IpPacket): number {
  if (packet.protocol === PROTOCOL.TCP) return 20;
  if (packet.protocol === PROTOCOL.SCTP) return 12;
  return 8;
}

function readTransport(bytes: Buffer, packet: IpPacket, isQuoted: boolean): Reading {
  const fine: Reading = { reason: undefined, packet };
  if (packet.fragment?.isFirst === false) return fine;
  const { protocol, transportAt: at } = packet;
  const hasPorts = protocol === PROTOCOL.TCP || protocol === PROTOCOL.UDP || protocol === PROTOCOL.SCTP;
  if (!hasPorts && !isIcmp(packet)) return fine;
  if (packet.end - at < (isQuoted ? QUOTED_BYTES_MIN : transportBytes(packet))) {
    return unreadable(packet.fragment === undefined ? Reason.MALFORMED : Reason.FRAGMENT_TINY, packet);
  }
  if (hasPorts) {
    packet.sourcePort = bytes.readUInt16BE(at);
    packet.destinationPort = bytes.readUInt16BE(at + 2);
  } else {
    packet.icmpType = bytes[at]!;
    if (isEcho(packet)) packet.sourcePort = packet.destinationPort = bytes.readUInt16BE(at + 4);
  }
  if (protocol === PROTOCOL.TCP && !isQuoted) {
    if (bytes[at + 12]! >> 4 < 5) return unreadable(Reason.MALFORMED, packet);
    packet.tcpFlags = bytes[at + 13]!;
  }
  return fine;
}

export function isIcmp({ family, protocol }: IpPacket): boolean {
  return protocol === (family === 4 ? PROTOCOL.ICMP : PROTOCOL.ICMPV6);
}

export function isEchoRequest(packet: IpPacket): boolean {
  return isIcmp(packet) && packet.icmpType === (packet.family === 4 ? 8 : 128);
}

function isEcho(packet: IpPacket): boolean {
  return isEchoRequest(packet) || (isIcmp(packet) && packet.icmpType === (packet.family === 4 ? 0 : 129));
}

/** RFC 792: unreachable, source quench, time exceeded, parameter problem. RFC 4443: types 1 to 4. */
export function isIcmpError(packet: IpPacket): boolean {
  const types = packet.family === 4 ? [3, 4, 11, 12] : [1, 2, 3, 4];
  return isIcmp(packet) && types.includes(packet.icmpType);
}

/** RFC 4861 and 2710 and 3810: what is said on one link only. */
export function isLinkMessage(packet: IpPacket): boolean {
  const { icmpType: type } = packet;
  return packet.family === 6 && isIcmp(packet) && ((type >= 130 && type <= 137) || type === 143);
}

export function isMulticast({ family, destination }: IpPacket): boolean {
  const first = destination.charCodeAt(0);
  return family === 6 ? first === 0xff : (first >= 224 && first < 240) || destination === '\xff\xff\xff\xff';
}
