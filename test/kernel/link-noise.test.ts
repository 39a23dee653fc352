/** What a network stack says by itself, and frames that are not plain IP: multicast, listener reports, DHCP, VLAN tags. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { Direction, Reason, RuleSet } from '../../src/kernel/abi.gen.ts';
import { LoadedPrograms, type TestPod } from '../support/loaded-programs.ts';
import {
  concat,
  ethernet,
  extensionHeader,
  frame,
  icmp,
  ICMPV6,
  ipPacket,
  SYN,
  TCP,
  tcp,
  UDP,
  udp,
} from '../support/packet.ts';

const CONTINUE = -1;
const SHOT = 2;
const IGMP = 2;
const HOP_BY_HOP = 0;
/** RFC 2711, padded to eight bytes. */
const ROUTER_ALERT = [5, 2, 0, 0, 1, 0];

let host: LoadedPrograms;
let a: TestPod;

beforeAll(() => {
  host = new LoadedPrograms();
  a = host.a;
});
beforeEach(() => {
  host.setPod(a, { ingress: RuleSet.OPEN, egress: RuleSet.OPEN });
});
afterEach(() => host.reset());
afterAll(() => host[Symbol.dispose]());

function out(destination: string, protocol: number, payload: Uint8Array, more = {}): Uint8Array {
  const source = destination.includes(':') ? a.ipv6 : a.ipv4;
  return frame({ source, destination, sourceMac: a.mac, destinationMac: a.hostMac, protocol, payload, ...more });
}

function into(source: string, destination: string, payload: Uint8Array): Uint8Array {
  return frame({ source, destination, sourceMac: a.hostMac, destinationMac: a.mac, protocol: UDP, payload });
}

/** Counted as dropped for the reason, and no event was even thought of. */
function expectQuietDrop(packet: Uint8Array, reason: Reason): void {
  const before = host.counted(reason, Direction.EGRESS);
  expect(host.run('from_pod', a, packet).retval).toBe(SHOT);
  expect(host.counted(reason, Direction.EGRESS) - before).toBe(1);
  expect([...host.object.map('event_limit').entries()]).toHaveLength(0);
}

describe('the noise of a pod is dropped without an event', () => {
  const group = Uint8Array.from({ length: 16 }, (_, i) => (i === 0 ? 0xff : i));

  test.each([
    ['query', 130],
    ['report', 131],
    ['done', 132],
    ['version 2 report', 143],
  ])('a multicast listener %s behind its router alert', (_, type) => {
    const message = concat(icmp(type, 0, 0, new Uint8Array(0)), group);
    const report = out('ff02::16', HOP_BY_HOP, extensionHeader(ICMPV6, 0, message, ROUTER_ALERT), { hopLimit: 1 });
    expectQuietDrop(report, Reason.NEIGHBOUR_DISCOVERY);
  });

  test.each([
    ['solicitation of routers', 133, 'ff02::2'],
    ['advertisement as a router', 134, 'ff02::1'],
    ['redirect', 137, 'fe80::1'],
  ])('a %s', (_, type, destination) => {
    const message = concat(icmp(type, 0, 0, new Uint8Array(0)), group, group);
    expectQuietDrop(out(destination, ICMPV6, message, { hopLimit: 255 }), Reason.NEIGHBOUR_DISCOVERY);
  });

  test('duplicate address detection, from the unspecified address', () => {
    const own = Uint8Array.from(Buffer.from('fd000244000000000000000000000002', 'hex'));
    const message = concat(icmp(135, 0, 0, new Uint8Array(0)), own);
    expectQuietDrop(
      out('ff02::1:ff00:2', ICMPV6, message, { source: '::', hopLimit: 255 }),
      Reason.NEIGHBOUR_DISCOVERY,
    );
  });

  test('IGMP, mDNS, and what goes to everybody', () => {
    for (const destination of ['224.0.0.22', '239.255.255.250']) {
      expectQuietDrop(out(destination, IGMP, new Uint8Array(8)), Reason.MULTICAST);
    }
    expectQuietDrop(out('ff05::2', UDP, udp(547, 547)), Reason.MULTICAST);
    expectQuietDrop(out('255.255.255.255', UDP, udp(68, 67), { source: '0.0.0.0' }), Reason.MULTICAST);
  });
});

describe('multicast into a pod', () => {
  test.each([
    ['224.0.0.251', '192.0.2.9'],
    ['255.255.255.255', '192.0.2.9'],
    ['ff02::fb', '2001:db8::9'],
  ])('to %s is dropped when it was forwarded, and passes when the node itself says it', (destination, source) => {
    const packet = into(source, destination, udp(5353, 5353));
    expect(host.run('to_pod', a, packet, host.uplink).retval).toBe(SHOT);
    expect(host.run('to_pod', a, packet).retval).toBe(CONTINUE);
  });
});

describe('VLAN tags', () => {
  test.each([
    ['802.1Q', 0x8100],
    ['802.1ad', 0x88a8],
  ])('%s in the frame hides nothing: it is dropped both ways', (_, etherType) => {
    const inner = ipPacket(out('192.0.2.9', TCP, tcp(4000, 80, SYN)));
    const tagged = concat(Uint8Array.of(0, 5, 8, 0), inner);
    const before = host.counted(Reason.ETHERTYPE, Direction.EGRESS);
    expect(host.run('from_pod', a, ethernet(a.hostMac, a.mac, etherType, tagged)).retval).toBe(SHOT);
    expect(host.counted(Reason.ETHERTYPE, Direction.EGRESS) - before).toBe(1);
    expect(host.run('to_pod', a, ethernet(a.mac, a.hostMac, etherType, tagged), host.uplink).retval).toBe(SHOT);
  });
});

test('the middle of an ICMP error quotes nothing, whatever it looks like: it is judged as what it is', () => {
  const { b } = host;
  const query = frame({
    source: a.ipv4,
    destination: b.ipv4,
    sourceMac: a.mac,
    destinationMac: a.hostMac,
    protocol: UDP,
    payload: udp(4000, 53),
  });
  host.setPod(b, { ingress: RuleSet.OPEN, egress: RuleSet.OPEN });
  host.run('from_pod', a, query);
  host.setPod(a, { ingress: RuleSet.OPEN, egress: RuleSet.CLOSED, generation: 2 });
  host.commit({ generation: 2 });
  expect(host.run('from_pod', a, query).retval).toBe(SHOT);
  const part = (payload: Uint8Array, word: number): Uint8Array =>
    frame({
      source: b.ipv4,
      destination: a.ipv4,
      sourceMac: b.mac,
      destinationMac: b.hostMac,
      protocol: 1,
      payload,
      fragment: word,
      identification: 7,
    });
  expect(host.run('from_pod', b, part(icmp(3, 3, 0, new Uint8Array(16)), 0x2000)).retval).not.toBe(SHOT);
  expect(host.run('from_pod', b, part(icmp(3, 3, 0, ipPacket(query)), 3)).retval).not.toBe(SHOT);
});

test('padding behind the packet is no part of it: a quote or a target there is not read', () => {
  host.setPod(a, { ingress: RuleSet.OPEN, egress: 5 });
  const gateway = Uint8Array.from(Buffer.from('fe800000000000000000000000000001', 'hex'));
  const solicit = out('ff02::1:ff00:1', ICMPV6, icmp(135, 0, 0, new Uint8Array(0)), { hopLimit: 255 });
  expectQuietDrop(concat(solicit, gateway), Reason.NEIGHBOUR_DISCOVERY);
  host.run('to_pod', a, into('192.0.2.9', a.ipv4, udp(4000, 53)), host.uplink);
  const quote = ipPacket(into('192.0.2.9', a.ipv4, udp(4000, 53)));
  const error = out('192.0.2.9', 1, icmp(3, 3, 0, quote));
  expect(host.run('from_pod', a, error).retval).toBe(CONTINUE);
  const bare = concat(out('192.0.2.9', 1, icmp(3, 3, 0, new Uint8Array(0))), quote);
  expect(host.run('from_pod', a, bare).retval).toBe(SHOT);
});
