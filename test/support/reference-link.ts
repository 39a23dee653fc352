/** What a pod may say on its own wire: ARP (RFC 826) and neighbour discovery (RFC 4861), in its own name only. */
import { Direction, Reason } from '../../src/kernel/abi.gen.ts';
import type { Outcome } from './reference-judge.ts';
import type { IpPacket } from './reference-parser.ts';
import type { Endpoint } from './reference-tables.ts';

const GATEWAY_IPV4 = '\xa9\xfe\x01\x01';
const GATEWAY_IPV6 = `\xfe\x80${'\0'.repeat(13)}\x01`;
const ARP_AT = 14;
const ARP_BYTES = 28;
/** Ethernet, IPv4, and the lengths of their addresses. */
const ARP_KIND = '\0\x01\x08\0\x06\x04';

export function withMacs(frame: Buffer, [destination, source]: readonly [string, string]): Buffer {
  const out = Buffer.from(frame);
  out.write(destination + source, 0, 'latin1');
  return out;
}

/** A request for the gateway is answered; an answer in the pod's own name reaches the node; the rest is dropped. */
export function answerArp(frame: Buffer, end: Endpoint): Outcome {
  const direction = Direction.EGRESS;
  const drop: Outcome = { action: 'drop', reason: Reason.ARP, direction };
  if (frame.length < ARP_AT + ARP_BYTES || end.ipv4 === undefined) return drop;
  const arp = frame.toString('latin1', ARP_AT, ARP_AT + ARP_BYTES);
  const isTruthful = arp.slice(8, 18) === end.mac + end.ipv4;
  if (!arp.startsWith(ARP_KIND) || !isTruthful) return drop;
  const operation = arp.slice(6, 8);
  if (operation === '\0\x02') return { action: 'stack', reason: Reason.FORWARDED_STACK, direction };
  if (operation !== '\0\x01' || arp.slice(24, 28) !== GATEWAY_IPV4) return drop;
  const answer = withMacs(frame, [end.mac, end.hostMac]);
  answer.write(`${ARP_KIND}\0\x02${end.hostMac}${GATEWAY_IPV4}${end.mac}${end.ipv4}`, ARP_AT, 'latin1');
  return { action: 'redirect', reason: Reason.ANSWERED, direction, frame: answer };
}

/** On the link: by hop limit and by a destination that no router forwards to. */
export function isLinkMessageAllowed(frame: Buffer, packet: IpPacket, end: Endpoint): boolean {
  const { destination } = packet;
  const isLinkLocal = destination.startsWith('\xfe') && (destination.charCodeAt(1) & 0xc0) === 0x80;
  if (packet.hopLimit !== 255 || !(isLinkLocal || destination.startsWith('\xff\x02'))) return false;
  if (packet.end - packet.transportAt < 24) return false;
  const target = frame.toString('latin1', packet.transportAt + 8, packet.transportAt + 24);
  if (packet.icmpType === 135) return target === GATEWAY_IPV6;
  return packet.icmpType === 136 && packet.source === end.ipv6 && target === end.ipv6;
}
