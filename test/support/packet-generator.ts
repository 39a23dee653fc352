/**
 * Packets of a small world by a seed: mostly conversations that make sense, so that flows, fragments and quotes meet, then
 * lies on top. What BPF_PROG_TEST_RUN itself refuses (frames without a whole IP header) is not made.
 */
import { FUZZ_PODS, type PacketStep } from './fuzz-step.ts';
import {
  concat,
  fragmentHeader,
  frame,
  type FrameFields,
  icmp,
  ICMP,
  ICMPV6,
  ipPacket,
  SCTP,
  TCP,
  tcp,
  UDP,
  udp,
} from './packet.ts';
import { arpStep, foreignStep, linkMessageStep } from './packet-generator-link.ts';
import { type Body, extended, ipv4Options, slice } from './packet-generator-headers.ts';
import {
  anyAddress,
  entranceOf,
  type FamilyName,
  FOREIGN_MAC,
  PORTS,
  SERVICE_PORTS,
  SERVICES,
} from './packet-world.ts';
import { mutated } from './packet-mutation.ts';
import { parseAddress } from '../../src/net/address.ts';
import type { RandomSource } from './random-source.ts';
import type { Entrance } from './reference-judge.ts';

const TCP_FLAGS: readonly number[] = [
  0x02, 0x02, 0x02, 0x12, 0x12, 0x10, 0x10, 0x10, 0x11, 0x11, 0x04, 0x14, 0x18, 0, 0x03, 0x06, 0x3f,
];
const OTHER_PROTOCOLS: readonly number[] = [4, 41, 47, 50, 89, 59, 135, 255];
const IDENTIFICATIONS: readonly number[] = [7, 8, 0x1234];
/** Packets that ICMP errors may quote. */
const REMEMBERED = 12;
/** Of all packets. */
const SHARE = {
  early: 0.01,
  earlyError: 0.1,
  train: 0.06,
  mutated: 0.22,
  arp: 0.03,
  link: 0.04,
  ethertype: 0.01,
  spoofed: 0.05,
  foreignMac: 0.02,
  reply: 0.45,
  translated: 0.8,
  notForService: 0.15,
  checksum: 0.5,
} as const;

/** What a packet is sent along: a hook, and the addresses that are right there. */
interface Way {
  readonly hook: PacketStep['hook'];
  readonly pod: number;
  readonly entrance: Entrance;
  readonly source: string;
  readonly destination: string;
}

interface Remembered {
  readonly family: FamilyName;
  readonly packet: Uint8Array;
  readonly protocol: number;
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly source: string;
  readonly destination: string;
}

/** The first fragment that was made last. */
interface Train {
  readonly way: Way;
  readonly family: FamilyName;
  readonly protocol: number;
  readonly identification: number;
  readonly bytes: number;
}

/** Addresses and ports that packets to a service go to now. */
type BackendsOf = (address: string, port: number, protocol: number) => readonly (readonly [string, number])[];

export class PacketGenerator {
  readonly #random: RandomSource;
  readonly #backendsOf: BackendsOf;
  readonly #history: Remembered[] = [];
  #train: Train | undefined;

  constructor(random: RandomSource, backendsOf: BackendsOf) {
    this.#random = random;
    this.#backendsOf = backendsOf;
  }

  next(): PacketStep {
    const r = this.#random;
    const step = r.chance(SHARE.arp)
      ? arpStep(r)
      : r.chance(SHARE.link)
        ? linkMessageStep(r)
        : r.chance(SHARE.ethertype)
          ? foreignStep(r)
          : this.#ip();
    return r.chance(SHARE.mutated) ? { ...step, frame: mutated(r, step.frame) } : step;
  }

  /** A later fragment of the last first one: mostly where it belongs, sometimes inside the first. */
  #later({ way, family, protocol, identification, bytes }: Train): PacketStep {
    const r = this.#random;
    const offset = r.chance(0.8) ? 8 * (Math.ceil(bytes / 8) + r.below(3)) : 8 * (1 + r.below(3));
    const more = r.chance(0.6);
    const data = r.chance(0.4) ? this.#error(family).payload : r.bytes(8 * (1 + r.below(3)));
    const pod = r.chance(0.9) ? way.pod : r.below(FUZZ_PODS.length);
    const fields =
      family === 'ipv4'
        ? { protocol, payload: data, identification, fragment: (more ? 0x2000 : 0) | (offset / 8) }
        : { protocol: 44, payload: fragmentHeader(protocol, offset, more, identification, data) };
    const { mac, hostMac } = FUZZ_PODS[pod]!;
    const macs = way.hook === 'from_pod' ? [hostMac, mac] : [mac, hostMac];
    const { source, destination } = way;
    return this.#step(
      { ...way, pod },
      frame({ source, destination, destinationMac: macs[0]!, sourceMac: macs[1]!, ...fields }),
    );
  }

  #ip(): PacketStep {
    const r = this.#random;
    if (this.#train !== undefined && r.chance(SHARE.train)) return this.#later(this.#train);
    const last = r.chance(SHARE.reply) && this.#history.length > 0 ? r.pick(this.#history) : undefined;
    const family = last?.family ?? (r.chance(0.5) ? 'ipv4' : 'ipv6');
    const way = last === undefined ? this.#way(family) : this.#wayAlong(last, r.chance(0.6));
    let body = last === undefined ? this.#firstBody(family, way) : this.#bodyAlong(family, last, way);
    if (r.chance(SHARE.checksum)) body = withSomeChecksum(r, body);
    const packet = this.#packet(way, family, body);
    if (body.payload.length >= 4 && !r.chance(0.2)) this.#remember(way, family, body, packet);
    return this.#step(way, packet);
  }

  #step({ hook, pod, entrance }: Way, bytes: Uint8Array): PacketStep {
    return { kind: 'packet', hook, pod, entrance, frame: bytes };
  }

  #podAddress(pod: number, family: FamilyName): string {
    return FUZZ_PODS[pod]![family];
  }

  #way(family: FamilyName): Way {
    const r = this.#random;
    const pod = r.below(FUZZ_PODS.length);
    const own = this.#podAddress(pod, family);
    if (r.chance(0.65)) {
      const source = r.chance(SHARE.spoofed) ? anyAddress(r, family) : own;
      return { hook: 'from_pod', pod, entrance: 'node', source, destination: anyAddress(r, family) };
    }
    const source = anyAddress(r, family);
    const destination = r.chance(SHARE.spoofed) ? anyAddress(r, family) : own;
    return { hook: 'to_pod', pod, entrance: entranceOf(r, source), source, destination };
  }

  /** The same two ends again, the same way or back. */
  #wayAlong(last: Remembered, isBack: boolean): Way {
    const r = this.#random;
    const [source, destination] = isBack ? [last.destination, last.source] : [last.source, last.destination];
    const podOf = (address: string): number => FUZZ_PODS.findIndex((pod) => pod[last.family] === address);
    const [from, to] = [podOf(source), podOf(destination)];
    if (from >= 0 && (to < 0 || r.chance(0.8))) {
      return { hook: 'from_pod', pod: from, entrance: 'node', source, destination };
    }
    const pod = to >= 0 ? to : r.below(FUZZ_PODS.length);
    return { hook: 'to_pod', pod, entrance: entranceOf(r, source), source, destination };
  }

  #firstBody(family: FamilyName, { destination }: Way): Body {
    const r = this.#random;
    const services: readonly string[] = SERVICES[family];
    if (!services.includes(destination) || r.chance(SHARE.notForService)) return this.#body(family);
    const [source, port] = [r.pick(PORTS), r.pick(SERVICE_PORTS)];
    const kind = r.below(10);
    if (kind < 5) return { protocol: TCP, payload: tcp(source, port, r.chance(0.8) ? 0x02 : r.pick(TCP_FLAGS)) };
    return { protocol: kind < 9 ? UDP : SCTP, payload: udp(source, port, 4 + r.below(20)) };
  }

  #body(family: FamilyName): Body {
    const r = this.#random;
    const [source, destination] = [r.pick(PORTS), r.pick(PORTS)];
    const kind = r.below(20);
    if (kind < 9)
      return { protocol: TCP, payload: concat(tcp(source, destination, r.pick(TCP_FLAGS)), r.bytes(r.below(9))) };
    if (kind < 13) return { protocol: UDP, payload: udp(source, destination, r.below(40)) };
    if (kind < 14) return { protocol: SCTP, payload: udp(source, destination, 4 + r.below(9)) };
    if (kind < 17) return this.#icmp(family);
    if (kind < 19) return this.#error(family);
    return { protocol: r.pick(OTHER_PROTOCOLS), payload: r.bytes(r.below(40)) };
  }

  #bodyAlong(family: FamilyName, last: Remembered, way: Way): Body {
    const r = this.#random;
    if (r.chance(0.12)) return this.#error(family, last);
    const isSameWay = way.source === last.source;
    const [source, destination] = isSameWay
      ? [last.sourcePort, last.destinationPort]
      : [last.destinationPort, last.sourcePort];
    switch (last.protocol) {
      case TCP:
        return { protocol: TCP, payload: tcp(source, destination, r.pick(TCP_FLAGS)) };
      case UDP:
        return { protocol: UDP, payload: udp(source, destination, r.below(40)) };
      case SCTP:
        return { protocol: SCTP, payload: udp(source, destination, 8) };
      case ICMP:
      case ICMPV6:
        return this.#icmp(family, isSameWay);
      default:
        return { protocol: last.protocol, payload: r.bytes(8) };
    }
  }

  #icmp(family: FamilyName, isRequest = true): Body {
    const r = this.#random;
    const protocol = family === 'ipv4' ? ICMP : ICMPV6;
    const [request, reply] = family === 'ipv4' ? [8, 0] : [128, 129];
    const type = r.chance(0.85)
      ? isRequest
        ? request
        : reply
      : r.pick([request, reply, 5, 13, 17, 138, r.below(256)]);
    return { protocol, payload: icmp(type, r.below(3), r.pick([1, 2]), r.bytes(r.below(24))) };
  }

  /** About a packet that was sent, or about nothing. */
  #error(family: FamilyName, about?: Remembered): Body {
    const r = this.#random;
    const type = r.pick(family === 'ipv4' ? [3, 3, 4, 11, 12] : [1, 2, 3, 4]);
    const subject = about ?? (this.#history.length > 0 ? r.pick(this.#history) : undefined);
    const quote = subject === undefined || r.chance(0.05) ? r.bytes(48) : subject.packet;
    const cut = r.chance(0.3) ? quote.subarray(0, r.below(quote.length + 1)) : quote.subarray(0, 120);
    const protocol = family === 'ipv4' ? ICMP : ICMPV6;
    return { protocol, payload: icmp(type, r.below(5), 0, cut) };
  }

  #packet(way: Way, family: FamilyName, body: Body): Uint8Array {
    const r = this.#random;
    const { mac, hostMac } = FUZZ_PODS[way.pod]!;
    const own = r.chance(SHARE.foreignMac) ? FOREIGN_MAC : mac;
    const macs = way.hook === 'from_pod' ? [hostMac, own] : [mac, hostMac];
    const fields: FrameFields = {
      source: way.source,
      destination: way.destination,
      destinationMac: macs[0]!,
      sourceMac: macs[1]!,
      hopLimit: r.pick([64, 64, 1, 255]),
      ...body,
    };
    // A packet that ends before its data does: what is behind it is padding, though it looks like a part of it.
    const isQuoting = body.protocol === (family === 'ipv4' ? ICMP : ICMPV6) && body.payload.length > 36;
    if (r.chance(isQuoting ? SHARE.earlyError : SHARE.early))
      return frame({ ...fields, totalLength: (family === 'ipv4' ? 20 : 0) + r.pick([8, 8, 28, 48]) });
    const wrapped = family === 'ipv4' ? this.#wrapIpv4(fields, way) : this.#wrapIpv6(fields, way);
    const built = frame(wrapped);
    // Padding behind the packet, as Ethernet has it.
    return r.chance(0.05) ? concat(built, r.bytes(r.below(30))) : built;
  }

  #wrapIpv4(fields: FrameFields, way: Way): FrameFields {
    const r = this.#random;
    const options = r.chance(0.06) ? { options: ipv4Options(r) } : {};
    if (!r.chance(0.14)) return { ...fields, ...options };
    const { offset, more, data } = slice(r, fields.payload);
    const identification = r.pick(IDENTIFICATIONS);
    const { protocol } = fields;
    if (offset === 0) this.#train = { way, family: 'ipv4', protocol, identification, bytes: data.length };
    const fragment = (more ? 0x2000 : 0) | (offset / 8);
    return { ...fields, ...options, fragment, identification, payload: data };
  }

  #wrapIpv6(fields: FrameFields, way: Way): FrameFields {
    const r = this.#random;
    let { protocol, payload } = fields;
    const before = r.chance(0.08) ? r.below(8) : 0;
    ({ protocol, payload } = extended(r, r.chance(0.04) ? r.below(3) : 0, { protocol, payload }));
    if (r.chance(0.14)) {
      const { offset, more, data } = slice(r, payload);
      const identification = r.pick(IDENTIFICATIONS);
      if (offset === 0) this.#train = { way, family: 'ipv6', protocol, identification, bytes: data.length };
      payload = fragmentHeader(protocol, offset, more, identification, data);
      protocol = 44;
    }
    return { ...fields, ...extended(r, before, { protocol, payload }) };
  }

  #remember({ source, destination }: Way, family: FamilyName, { protocol, payload }: Body, bytes: Uint8Array): void {
    const view = new DataView(payload.buffer, payload.byteOffset);
    const [sourcePort, destinationPort] = [view.getUint16(0), view.getUint16(2)];
    const remembered = { family, packet: ipPacket(bytes), protocol, sourcePort, destinationPort, source, destination };
    this.#keep(remembered);
    const services: readonly string[] = SERVICES[family];
    const isToService = services.includes(destination) && this.#random.chance(SHARE.translated);
    const guess = isToService ? this.#guessed(remembered) : undefined;
    if (guess !== undefined) this.#keep(guess);
  }

  /** What a service may make of the packet: who is to answer it knows it like that. */
  #guessed(sent: Remembered): Remembered | undefined {
    const ends = this.#backendsOf(sent.destination, sent.destinationPort, sent.protocol);
    if (ends.length === 0) return undefined;
    const [to, destinationPort] = this.#random.pick(ends);
    // A pod that is its own backend hears from the service.
    const source = to === sent.source ? sent.destination : sent.source;
    const packet = Buffer.from(sent.packet);
    const [at, header] = sent.family === 'ipv4' ? [12, (packet[0]! & 15) * 4] : [8, 40];
    packet.set(parseAddress(source)!.bytes, at);
    packet.set(parseAddress(to)!.bytes, at + (sent.family === 'ipv4' ? 4 : 16));
    if (packet.length >= header + 4) packet.writeUInt16BE(destinationPort, header + 2);
    return { ...sent, packet: new Uint8Array(packet), source, destination: to, destinationPort };
  }

  #keep(remembered: Remembered): void {
    if (this.#history.length < REMEMBERED) this.#history.push(remembered);
    else this.#history[this.#random.below(REMEMBERED)] = remembered;
  }
}

/** Any will do: none is verified, and a change of what it covers changes it. */
function withSomeChecksum(r: RandomSource, { protocol, payload }: Body): Body {
  const at = protocol === TCP ? 16 : protocol === UDP ? 6 : protocol === ICMP || protocol === ICMPV6 ? 2 : undefined;
  if (at === undefined || payload.length < at + 2) return { protocol, payload };
  const out = Uint8Array.from(payload);
  out.set(r.bytes(2), at);
  return { protocol, payload: out };
}
