/**
 * Packets of a small world by a seed: mostly conversations that make sense, so that flows, fragments and quotes meet, then
 * lies on top. What BPF_PROG_TEST_RUN itself refuses (frames without a whole IP header) is not made.
 */
import { FUZZ_PODS, type PacketStep } from './fuzz-step.ts';
import {
  arp,
  concat,
  ethernet,
  extensionHeader,
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
import { mutated } from './packet-mutation.ts';
import type { RandomSource } from './random-source.ts';
import type { Entrance } from './reference-judge.ts';
import { parseAddress } from '../../src/net/address.ts';

type FamilyName = 'ipv4' | 'ipv6';

/** Addresses of the world that are no pod's of this node. */
export const PLACES = {
  ipv4: ['10.244.1.5', '10.244.1.9', '192.0.2.9', '192.0.2.77', '198.51.100.1', '10.0.0.1', '169.254.1.1'],
  ipv6: ['fd00:244:1::5', 'fd00:244:1::9', '2001:db8::9', '2001:db8::77', '2001:db8:1::1', 'fd00::1', 'fe80::1'],
} as const;
export const NODE_ADDRESSES = { ipv4: '10.0.0.1', ipv6: 'fd00::1' } as const;
const MULTICAST = {
  ipv4: ['224.0.0.251', '239.1.1.1', '255.255.255.255'],
  ipv6: ['ff02::fb', 'ff02::1', 'ff02::16', 'ff05::2', 'ff02::1:ff00:1'],
} as const;
const MAPPED = ['::ffff:10.244.0.2', '::ffff:192.0.2.9'];

export const PORTS: readonly number[] = [53, 80, 443, 4000, 4001, 65_535];
const TCP_FLAGS: readonly number[] = [
  0x02, 0x02, 0x02, 0x12, 0x12, 0x10, 0x10, 0x10, 0x11, 0x11, 0x04, 0x14, 0x18, 0, 0x03, 0x06, 0x3f,
];
const OTHER_PROTOCOLS: readonly number[] = [4, 41, 47, 50, 89, 59, 135, 255];
const IDENTIFICATIONS: readonly number[] = [7, 8, 0x1234];
const BROADCAST = 'ff:ff:ff:ff:ff:ff';
const FOREIGN_MAC = '02:de:ad:be:ef:01';
const NO_MAC = '00:00:00:00:00:00';
const GATEWAY = '169.254.1.1';
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
} as const;

/** What a packet is sent along: a hook, and the addresses that are right there. */
interface Way {
  readonly hook: PacketStep['hook'];
  readonly pod: number;
  readonly entrance: Entrance;
  readonly source: string;
  readonly destination: string;
}

interface Body {
  readonly protocol: number;
  readonly payload: Uint8Array;
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

export class PacketGenerator {
  readonly #random: RandomSource;
  readonly #history: Remembered[] = [];
  #train: Train | undefined;

  constructor(random: RandomSource) {
    this.#random = random;
  }

  next(): PacketStep {
    const r = this.#random;
    const step = r.chance(SHARE.arp)
      ? this.#arp()
      : r.chance(SHARE.link)
        ? this.#linkMessage()
        : r.chance(SHARE.ethertype)
          ? this.#foreignEthertype()
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
    const body = last === undefined ? this.#body(family) : this.#bodyAlong(family, last, way);
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

  #anyAddress(family: FamilyName): string {
    const r = this.#random;
    if (r.chance(0.5)) return this.#podAddress(r.below(FUZZ_PODS.length), family);
    if (r.chance(0.06)) return r.pick(MULTICAST[family]);
    if (family === 'ipv6' && r.chance(0.04)) return r.pick(MAPPED);
    return r.pick(PLACES[family]);
  }

  #way(family: FamilyName): Way {
    const r = this.#random;
    const pod = r.below(FUZZ_PODS.length);
    const own = this.#podAddress(pod, family);
    if (r.chance(0.65)) {
      const source = r.chance(SHARE.spoofed) ? this.#anyAddress(family) : own;
      return { hook: 'from_pod', pod, entrance: 'node', source, destination: this.#anyAddress(family) };
    }
    const source = this.#anyAddress(family);
    const destination = r.chance(SHARE.spoofed) ? this.#anyAddress(family) : own;
    return { hook: 'to_pod', pod, entrance: this.#entranceOf(source), source, destination };
  }

  /** Mostly where a packet of that source comes in. */
  #entranceOf(source: string): Entrance {
    const r = this.#random;
    const pod = FUZZ_PODS.findIndex(({ ipv4, ipv6 }) => ipv4 === source || ipv6 === source);
    if (pod >= 0 && r.chance(0.8)) return pod;
    return r.pick<Entrance>(['wire', 'wire', 'node', r.below(FUZZ_PODS.length)]);
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
    return { hook: 'to_pod', pod, entrance: this.#entranceOf(source), source, destination };
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
    const options = r.chance(0.06) ? { options: this.#options() } : {};
    if (!r.chance(0.14)) return { ...fields, ...options };
    const { offset, more, data } = this.#slice(fields.payload);
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
    ({ protocol, payload } = this.#extended(r.chance(0.04) ? r.below(3) : 0, protocol, payload));
    if (r.chance(0.14)) {
      const { offset, more, data } = this.#slice(payload);
      const identification = r.pick(IDENTIFICATIONS);
      if (offset === 0) this.#train = { way, family: 'ipv6', protocol, identification, bytes: data.length };
      payload = fragmentHeader(protocol, offset, more, identification, data);
      protocol = 44;
    }
    return { ...fields, ...this.#extended(before, protocol, payload) };
  }

  /** A first fragment, one in the middle, a last one, or the whole in one. */
  #slice(payload: Uint8Array): { offset: number; more: boolean; data: Uint8Array } {
    const r = this.#random;
    if (r.chance(0.5)) {
      const length = r.chance(0.8) ? payload.length : r.below(payload.length + 1);
      return { offset: 0, more: r.chance(0.95), data: payload.subarray(0, length) };
    }
    const offset = 8 * (r.chance(0.95) ? 1 + r.below(8) : 8180 + r.below(12));
    // What looks like the beginning of something is the worst middle.
    return { offset, more: r.chance(0.5), data: r.chance(0.5) ? payload : r.bytes(8 * r.below(5)) };
  }

  #options(): Uint8Array {
    const r = this.#random;
    const parts: number[] = [];
    while (parts.length < 4 * (1 + r.below(9)) && parts.length < 34) {
      const kind = r.below(8);
      if (kind < 3) parts.push(1);
      else if (kind === 3) parts.push(0);
      else if (kind === 4 && r.chance(0.4)) parts.push(r.pick([131, 137]), 3, 4);
      else parts.push(r.pick([7, 68, 148]), r.chance(0.9) ? 4 : r.below(256), 0, 0);
    }
    while (parts.length % 4 !== 0) parts.push(r.pick([0, 1, 7]));
    return Uint8Array.from(parts.slice(0, 40));
  }

  #extended(count: number, protocol: number, payload: Uint8Array): Body {
    const r = this.#random;
    let body: Body = { protocol, payload };
    for (let i = 0; i < count; i += 1) {
      const type = r.pick([0, 60, 60, 43, 51, 44, 139, 60]);
      const units = r.below(3);
      if (type === 44) {
        body = { protocol: 44, payload: fragmentHeader(body.protocol, 0, false, 9, body.payload) };
      } else if (type === 51) {
        const words = r.pick([1, 4, 4, 2]);
        const head = concat(Uint8Array.of(body.protocol, words, 0, 0), new Uint8Array(4 * (words + 2) - 4));
        body = { protocol: 51, payload: concat(head, body.payload) };
      } else {
        const bytes = type === 43 ? [0, r.chance(0.2) ? 1 : 0] : [1, 4];
        body = { protocol: type, payload: extensionHeader(body.protocol, units, body.payload, bytes) };
      }
    }
    return body;
  }

  #arp(): PacketStep {
    const r = this.#random;
    const pod = r.below(FUZZ_PODS.length);
    const { mac, hostMac, ipv4 } = FUZZ_PODS[pod]!;
    const sender = r.chance(0.7) ? ipv4 : r.pick([this.#anyAddress('ipv4'), '0.0.0.0']);
    const senderMac = r.chance(0.85) ? mac : FOREIGN_MAC;
    const target = r.chance(0.6) ? GATEWAY : this.#anyAddress('ipv4');
    const body = arp(r.pick([1, 1, 2, 3]), senderMac, sender, r.pick([NO_MAC, hostMac]), target);
    const hook = r.chance(0.85) ? 'from_pod' : 'to_pod';
    const bytes = ethernet(r.pick([BROADCAST, hostMac]), mac, 0x0806, body);
    return { kind: 'packet', hook, pod, entrance: 'node', frame: concat(bytes, r.bytes(r.below(19))) };
  }

  /** Router, neighbour and listener messages, true and untrue. */
  #linkMessage(): PacketStep {
    const r = this.#random;
    const pod = r.below(FUZZ_PODS.length);
    const { mac, hostMac, ipv6 } = FUZZ_PODS[pod]!;
    const target = parseAddress(r.chance(0.5) ? 'fe80::1' : r.chance(0.6) ? ipv6 : this.#anyAddress('ipv6'))!.bytes;
    const type = r.pick([135, 135, 136, 136, 133, 134, 137, 130, 131, 143]);
    const source = r.chance(0.7) ? ipv6 : r.pick(['fe80::5', '::', this.#anyAddress('ipv6')]);
    const destination = r.pick(['ff02::1:ff00:1', 'fe80::1', 'ff02::2', 'ff05::1', this.#anyAddress('ipv6')]);
    const hook = r.chance(0.7) ? 'from_pod' : 'to_pod';
    const payload = concat(icmp(type, 0, 0, new Uint8Array(0)), target, r.bytes(r.pick([0, 8])));
    const short = r.chance(0.1) ? payload.subarray(0, r.below(payload.length)) : payload;
    const fields = { source, destination, protocol: ICMPV6, payload: short, hopLimit: r.pick([255, 255, 64]) };
    const macs = hook === 'from_pod' ? [hostMac, mac] : [mac, hostMac];
    const bytes = frame({ ...fields, destinationMac: macs[0]!, sourceMac: macs[1]! });
    const padded = r.chance(0.3) ? concat(bytes, target) : bytes;
    return { kind: 'packet', hook, pod, entrance: this.#entranceOf(source), frame: padded };
  }

  #foreignEthertype(): PacketStep {
    const r = this.#random;
    const pod = r.below(FUZZ_PODS.length);
    const { mac, hostMac } = FUZZ_PODS[pod]!;
    const etherType = r.pick([0x8100, 0x88a8, 0x88cc, 0x8863, 0x8847, 0x0600, 46]);
    const bytes = ethernet(hostMac, mac, etherType, r.bytes(4 + r.below(60)));
    const hook = r.chance(0.7) ? 'from_pod' : 'to_pod';
    return { kind: 'packet', hook, pod, entrance: r.pick<Entrance>(['node', 'wire']), frame: bytes };
  }

  #remember({ source, destination }: Way, family: FamilyName, { protocol, payload }: Body, bytes: Uint8Array): void {
    const view = new DataView(payload.buffer, payload.byteOffset);
    const [sourcePort, destinationPort] = [view.getUint16(0), view.getUint16(2)];
    const remembered = { family, packet: ipPacket(bytes), protocol, sourcePort, destinationPort, source, destination };
    if (this.#history.length < REMEMBERED) this.#history.push(remembered);
    else this.#history[this.#random.below(REMEMBERED)] = remembered;
  }
}
