/** What is said on a pod's own wire: ARP, neighbour discovery, and frames that are no IP at all. */
import { parseAddress } from '../../src/net/address.ts';
import { FUZZ_PODS, type PacketStep } from './fuzz-step.ts';
import { arp, concat, ethernet, frame, icmp, ICMPV6 } from './packet.ts';
import { anyAddress, entranceOf, FOREIGN_MAC } from './packet-world.ts';
import type { RandomSource } from './random-source.ts';
import type { Entrance } from './reference-judge.ts';

const BROADCAST = 'ff:ff:ff:ff:ff:ff';
const NO_MAC = '00:00:00:00:00:00';
const GATEWAY = '169.254.1.1';

export function arpStep(r: RandomSource): PacketStep {
  const pod = r.below(FUZZ_PODS.length);
  const { mac, hostMac, ipv4 } = FUZZ_PODS[pod]!;
  const sender = r.chance(0.7) ? ipv4 : r.pick([anyAddress(r, 'ipv4'), '0.0.0.0']);
  const senderMac = r.chance(0.85) ? mac : FOREIGN_MAC;
  const target = r.chance(0.6) ? GATEWAY : anyAddress(r, 'ipv4');
  const body = arp(r.pick([1, 1, 2, 3]), senderMac, sender, r.pick([NO_MAC, hostMac]), target);
  const hook = r.chance(0.85) ? 'from_pod' : 'to_pod';
  const bytes = ethernet(r.pick([BROADCAST, hostMac]), mac, 0x0806, body);
  return { kind: 'packet', hook, pod, entrance: 'node', frame: concat(bytes, r.bytes(r.below(19))) };
}

/** Router, neighbour and listener messages, true and untrue. */
export function linkMessageStep(r: RandomSource): PacketStep {
  const pod = r.below(FUZZ_PODS.length);
  const { mac, hostMac, ipv6 } = FUZZ_PODS[pod]!;
  const target = parseAddress(r.chance(0.5) ? 'fe80::1' : r.chance(0.6) ? ipv6 : anyAddress(r, 'ipv6'))!.bytes;
  const type = r.pick([135, 135, 136, 136, 133, 134, 137, 130, 131, 143]);
  const source = r.chance(0.7) ? ipv6 : r.pick(['fe80::5', '::', anyAddress(r, 'ipv6')]);
  const destination = r.pick(['ff02::1:ff00:1', 'fe80::1', 'ff02::2', 'ff05::1', anyAddress(r, 'ipv6')]);
  const hook = r.chance(0.7) ? 'from_pod' : 'to_pod';
  const payload = concat(icmp(type, 0, 0, new Uint8Array(0)), target, r.bytes(r.pick([0, 8])));
  const short = r.chance(0.1) ? payload.subarray(0, r.below(payload.length)) : payload;
  const fields = { source, destination, protocol: ICMPV6, payload: short, hopLimit: r.pick([255, 255, 64]) };
  const macs = hook === 'from_pod' ? [hostMac, mac] : [mac, hostMac];
  const bytes = frame({ ...fields, destinationMac: macs[0]!, sourceMac: macs[1]! });
  const padded = r.chance(0.3) ? concat(bytes, target) : bytes;
  return { kind: 'packet', hook, pod, entrance: entranceOf(r, source), frame: padded };
}

export function foreignStep(r: RandomSource): PacketStep {
  const pod = r.below(FUZZ_PODS.length);
  const { mac, hostMac } = FUZZ_PODS[pod]!;
  const etherType = r.pick([0x8100, 0x88a8, 0x88cc, 0x8863, 0x8847, 0x0600, 46]);
  const bytes = ethernet(hostMac, mac, etherType, r.bytes(4 + r.below(60)));
  const hook = r.chance(0.7) ? 'from_pod' : 'to_pod';
  return { kind: 'packet', hook, pod, entrance: r.pick<Entrance>(['node', 'wire']), frame: bytes };
}
