/** One of everything that a pod with raw sockets can throw at another pod. */
import type { AddressPair } from './address-plan.ts';
import { checksummed } from './checksum.ts';
import { parseAddress } from '../../src/net/address.ts';
import {
  ACK,
  arp,
  concat,
  ethernet,
  extensionHeader,
  FIN,
  fragmentHeader,
  frame,
  ICMP,
  icmp,
  ICMPV6,
  ipPacket,
  RST,
  SCTP,
  SYN,
  TCP,
  tcp,
  UDP,
  udp,
} from './packet.ts';

interface FloodEnd extends AddressPair {
  readonly mac: string;
  readonly hostMac: string;
}

export interface FloodEnds {
  readonly attacker: FloodEnd;
  readonly victim: FloodEnd;
  /** Whose names are used. */
  readonly others: readonly AddressPair[];
}

const BROADCAST = 'ff:ff:ff:ff:ff:ff';
const FOREIGN_MAC = '02:de:ad:be:ef:01';
const NO_MAC = '00:00:00:00:00:00';
const GATEWAY_IPV4 = '169.254.1.1';
const GATEWAY_IPV6 = 'fe80::1';
const ALL_NODES = 'ff02::1';
const FAMILIES = ['ipv4', 'ipv6'] as const;
type FamilyName = (typeof FAMILIES)[number];

/** round: other ports and identifiers in each. */
export function floodFrames(ends: FloodEnds, round: number): readonly Uint8Array[] {
  const honest = FAMILIES.flatMap((family) => [
    ...segments(ends, family, round),
    ...fragments(ends, family, round),
    ...errors(ends, family, round),
  ]);
  const lies = [...spoofed(ends, round), ...linkLies(ends), ...oddFrames(ends, round)];
  return [...honest, ...lies].map(checksummed);
}

function build(ends: FloodEnds, family: FamilyName, protocol: number, payload: Uint8Array, more = {}): Uint8Array {
  const { attacker, victim } = ends;
  const macs = { sourceMac: attacker.mac, destinationMac: attacker.hostMac };
  return frame({ source: attacker[family], destination: victim[family], protocol, payload, ...macs, ...more });
}

function segments(ends: FloodEnds, family: FamilyName, round: number): Uint8Array[] {
  const [from, to] = [1_024 + round, round % 2 === 0 ? 80 : 30_000 + round];
  const flags = [SYN, ACK, SYN | ACK, RST, FIN | ACK, 0, 0x3f];
  return [
    ...flags.map((value) => build(ends, family, TCP, tcp(from, to, value))),
    // As an answer would look.
    build(ends, family, TCP, tcp(80, from, SYN | ACK)),
    build(ends, family, UDP, udp(from, to)),
    build(ends, family, SCTP, udp(from, to, 8)),
    build(ends, family, 47, new Uint8Array(16)),
  ];
}

function fragments(ends: FloodEnds, family: FamilyName, round: number): Uint8Array[] {
  const part = (offset: number, more: boolean, data: Uint8Array): Uint8Array =>
    family === 'ipv4'
      ? build(ends, family, UDP, data, { fragment: (more ? 0x2000 : 0) | (offset / 8), identification: round })
      : build(ends, family, 44, fragmentHeader(UDP, offset, more, round, data));
  return [
    part(0, true, udp(1_024 + round, 80, 16)),
    part(24, true, new Uint8Array(24)),
    part(48, false, new Uint8Array(8)),
    part(8, false, new Uint8Array(40)),
    part(0, true, new Uint8Array(4)),
  ];
}

function errors(ends: FloodEnds, family: FamilyName, round: number): Uint8Array[] {
  const [protocol, echo, answer, unreachable, tooBig] =
    family === 'ipv4' ? [ICMP, 8, 0, 3, 3] : [ICMPV6, 128, 129, 1, 2];
  const { attacker, victim } = ends;
  // As if the victim had sent it.
  const quoted = frame({
    source: victim[family],
    destination: attacker[family],
    sourceMac: victim.mac,
    destinationMac: victim.hostMac,
    protocol: TCP,
    payload: tcp(80, 1_024 + round, SYN | ACK),
  });
  return [
    build(ends, family, protocol, icmp(echo, 0, round)),
    build(ends, family, protocol, icmp(answer, 0, round)),
    build(ends, family, protocol, icmp(unreachable, 3, 0, ipPacket(quoted))),
    build(ends, family, protocol, icmp(tooBig, 4, 0, ipPacket(quoted))),
  ];
}

function spoofed(ends: FloodEnds, round: number): Uint8Array[] {
  return FAMILIES.flatMap((family) => {
    const sources = [...ends.others.map((other) => other[family]), ends.victim[family]];
    const gateway = family === 'ipv4' ? GATEWAY_IPV4 : GATEWAY_IPV6;
    const datagram = udp(1_024 + round, 80);
    return [
      ...[...sources, gateway].map((source) => build(ends, family, UDP, datagram, { source })),
      build(ends, family, UDP, datagram, { sourceMac: FOREIGN_MAC }),
      build(ends, family, UDP, datagram, { sourceMac: ends.victim.mac }),
      build(ends, family, UDP, datagram, { destinationMac: ends.victim.mac }),
      build(ends, family, UDP, datagram, { destinationMac: BROADCAST }),
    ];
  });
}

/** In the name of the victim, of the gateway, of a router. */
function linkLies({ attacker, victim }: FloodEnds): Uint8Array[] {
  const says = (operation: number, mac: string, sender: string, target: string, to = BROADCAST): Uint8Array =>
    ethernet(to, attacker.mac, 0x0806, arp(operation, mac, sender, NO_MAC, target));
  const neighbour = (type: number, about: string, options: Uint8Array): Uint8Array =>
    concat(icmp(type, 0, 0x6000, new Uint8Array(0)), parseAddress(about)?.bytes ?? new Uint8Array(16), options);
  const ownMac = concat(
    Uint8Array.of(2, 1),
    Uint8Array.from(attacker.mac.split(':'), (part) => Number.parseInt(part, 16)),
  );
  const says6 = (destination: string, payload: Uint8Array, source = attacker.ipv6): Uint8Array =>
    frame({
      source,
      destination,
      sourceMac: attacker.mac,
      destinationMac: attacker.hostMac,
      protocol: ICMPV6,
      payload,
      hopLimit: 255,
    });
  return [
    says(1, attacker.mac, victim.ipv4, GATEWAY_IPV4),
    says(1, attacker.mac, attacker.ipv4, victim.ipv4),
    says(2, attacker.mac, victim.ipv4, attacker.ipv4),
    says(2, attacker.mac, GATEWAY_IPV4, victim.ipv4, victim.mac),
    says6(ALL_NODES, neighbour(136, victim.ipv6, ownMac), victim.ipv6),
    says6(ALL_NODES, neighbour(136, GATEWAY_IPV6, ownMac), GATEWAY_IPV6),
    says6(victim.ipv6, neighbour(136, GATEWAY_IPV6, ownMac)),
    says6(ALL_NODES, concat(icmp(134, 0, 0, new Uint8Array(8)), ownMac), GATEWAY_IPV6),
    says6(victim.ipv6, concat(icmp(134, 0, 0, new Uint8Array(8)), ownMac)),
    says6('ff02::2', icmp(133, 0, 0, new Uint8Array(0))),
    says6(victim.ipv6, neighbour(137, victim.ipv6, new Uint8Array(16))),
  ];
}

/** Tags, source routes, headers that lie or are cut off inside the IP header, what goes to everybody. */
function oddFrames(ends: FloodEnds, round: number): Uint8Array[] {
  const { attacker } = ends;
  const syn = tcp(1_024 + round, 80, SYN);
  const plain = FAMILIES.map((family) => build(ends, family, TCP, syn));
  const tagged = (etherType: number, tag: readonly number[], inner: Uint8Array): Uint8Array =>
    ethernet(attacker.hostMac, attacker.mac, etherType, concat(Uint8Array.from(tag), inner));
  const [ipv4, ipv6] = plain.map(ipPacket) as [Uint8Array, Uint8Array];
  const sourceRoute = [131, 7, 4, ...(parseAddress(ends.victim.ipv4)?.bytes ?? []), 0];
  return [
    tagged(0x8100, [0, 5, 8, 0], ipv4),
    tagged(0x8100, [0, 0, 0x86, 0xdd], ipv6),
    tagged(0x88a8, [0, 5, 0x81, 0, 0, 7, 8, 0], ipv4),
    tagged(0x8847, [0, 0, 1, 64], ipv4),
    build(ends, 'ipv4', TCP, syn, { options: Uint8Array.from(sourceRoute) }),
    build(ends, 'ipv6', 43, extensionHeader(TCP, 2, syn, [0, 1])),
    build(ends, 'ipv6', 0, extensionHeader(TCP, 0, syn, [1, 4])),
    build(ends, 'ipv4', TCP, syn, { totalLength: 400 }),
    ...plain.flatMap((bytes) => [bytes.subarray(0, 15), bytes.subarray(0, 30), bytes.subarray(0, 45)]),
    build(ends, 'ipv4', UDP, udp(68, 67), { destination: '255.255.255.255', destinationMac: BROADCAST }),
    build(ends, 'ipv6', UDP, udp(5_353, 5_353), { destination: 'ff02::fb', destinationMac: '33:33:00:00:00:fb' }),
    build(ends, 'ipv6', TCP, syn, { destination: `::ffff:${ends.victim.ipv4}` }),
  ];
}

/**
 * Whether a frame is none of the flood: what the victim itself sends, and what its node says to it by itself, which is
 * ARP, neighbour discovery and listener reports that carry nothing of the attacker's.
 */
export function isNoise(bytes: Uint8Array, { attacker, victim }: FloodEnds): boolean {
  const frameText = Buffer.from(bytes).toString('hex');
  const sender = frameText.slice(12, 24);
  if (sender === hexMac(victim.mac)) return true;
  const body = frameText.slice(28);
  const traces = [hexMac(attacker.mac), ...FAMILIES.map((family) => hexAddress(attacker[family]))];
  if (sender !== hexMac(victim.hostMac) || traces.some((trace) => body.includes(trace))) return false;
  const etherType = frameText.slice(24, 28);
  if (etherType === '0806') return true;
  if (etherType !== '86dd') return false;
  const [next, atNext] = [body.slice(12, 14), body.slice(80, 82)];
  const isListenerReport = next === '00' && atNext === '3a' && body.slice(96, 98) === '8f';
  const isNeighbourMessage = next === '3a' && (atNext === '87' || atNext === '88');
  return isListenerReport || isNeighbourMessage;
}

function hexMac(mac: string): string {
  return mac.replaceAll(':', '');
}

function hexAddress(text: string): string {
  return Buffer.from(parseAddress(text)?.bytes ?? []).toString('hex');
}
