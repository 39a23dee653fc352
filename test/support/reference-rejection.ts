/** What a pod hears that sent a packet which leads nowhere: RFC 9293 section 3.10.7.1, RFC 792, RFC 4443. */
import { TCP_FLAG } from './reference-flow.ts';
import { type IpPacket, isIcmpError, PROTOCOL } from './reference-parser.ts';
import { IP_AT } from './reference-rewrite.ts';
import type { Endpoint } from './reference-tables.ts';

const HOP_LIMIT = 64;
/** Of the packet that an error quotes: its IP header and as much behind it. */
const QUOTED_BYTES = 8;

/** Undefined: it gets none. Errors, resets, later fragments and packets with options or extension headers get none. */
export function rejectionOf(frame: Buffer, packet: IpPacket, end: Endpoint): Buffer | undefined {
  const isIpv4 = packet.family === 4;
  const header = isIpv4 ? 20 : 40;
  const isTcp = packet.protocol === PROTOCOL.TCP;
  if (packet.fragment?.isFirst === false || isIcmpError(packet)) return undefined;
  if (isTcp && (packet.tcpFlags & TCP_FLAG.RST) !== 0) return undefined;
  if (packet.transportAt !== IP_AT + header) return undefined;
  const quote = frame.subarray(IP_AT, IP_AT + header + QUOTED_BYTES);
  if (!isTcp && quote.length < header + QUOTED_BYTES) return undefined;
  const body = isTcp ? resetOf(frame, packet) : errorOf(isIpv4, quote);
  const protocol = isTcp ? PROTOCOL.TCP : isIpv4 ? PROTOCOL.ICMP : PROTOCOL.ICMPV6;
  const addresses = Buffer.from(packet.destination + packet.source, 'latin1');
  if (protocol !== PROTOCOL.ICMP) {
    const pseudo = Buffer.alloc(8);
    pseudo.writeUInt32BE(body.length, 0);
    pseudo[7] = protocol;
    const sum = checksum(addresses, pseudo, body);
    body.writeUInt16BE(sum, isTcp ? 16 : 2);
  } else {
    body.writeUInt16BE(checksum(body), 2);
  }
  const ip = isIpv4 ? ipv4Header(addresses, protocol, body.length) : ipv6Header(addresses, protocol, body.length);
  return Buffer.concat([
    Buffer.from(end.mac + end.hostMac, 'latin1'),
    Buffer.from(isIpv4 ? [0x08, 0x00] : [0x86, 0xdd]),
    ip,
    body,
  ]);
}

function resetOf(frame: Buffer, { transportAt: at, end, tcpFlags, sourcePort, destinationPort }: IpPacket): Buffer {
  const tcp = Buffer.alloc(20);
  tcp.writeUInt16BE(destinationPort, 0);
  tcp.writeUInt16BE(sourcePort, 2);
  tcp[12] = 5 << 4;
  if ((tcpFlags & TCP_FLAG.ACK) !== 0) {
    tcp.writeUInt32BE(frame.readUInt32BE(at + 8), 4);
    tcp[13] = TCP_FLAG.RST;
    return tcp;
  }
  const data = end - at - (frame[at + 12]! >> 4) * 4;
  const controls = [TCP_FLAG.SYN, TCP_FLAG.FIN].filter((flag) => (tcpFlags & flag) !== 0).length;
  tcp.writeUInt32BE((frame.readUInt32BE(at + 4) + data + controls) >>> 0, 8);
  tcp[13] = TCP_FLAG.RST | TCP_FLAG.ACK;
  return tcp;
}

/** Port unreachable. */
function errorOf(isIpv4: boolean, quote: Buffer): Buffer {
  return Buffer.concat([Buffer.from(isIpv4 ? [3, 3] : [1, 4]), Buffer.alloc(6), quote]);
}

function ipv4Header(addresses: Buffer, protocol: number, bytes: number): Buffer {
  const ip = Buffer.alloc(20);
  ip[0] = 0x45;
  ip.writeUInt16BE(ip.length + bytes, 2);
  ip[8] = HOP_LIMIT;
  ip[9] = protocol;
  addresses.copy(ip, 12);
  ip.writeUInt16BE(checksum(ip), 10);
  return ip;
}

function ipv6Header(addresses: Buffer, protocol: number, bytes: number): Buffer {
  const ip = Buffer.alloc(40);
  ip[0] = 0x60;
  ip.writeUInt16BE(bytes, 4);
  ip[6] = protocol;
  ip[7] = HOP_LIMIT;
  addresses.copy(ip, 8);
  return ip;
}

/** RFC 1071, of parts with even lengths. */
function checksum(...parts: readonly Buffer[]): number {
  let sum = 0;
  for (const part of parts) for (let i = 0; i < part.length; i += 2) sum += part.readUInt16BE(i);
  while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 0x1_0000);
  return ~sum & 0xffff;
}
