/** What policy engines are bypassed with: fragments, options, extension headers, quoted packets, floods of flows. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { Direction, FlowFlag, PortClass, Reason, RuleSet } from '../../src/kernel/abi.gen.ts';
import { LoadedPrograms, type ProgramName, type TestPod } from '../support/loaded-programs.ts';
import {
  ACK,
  concat,
  extensionHeader,
  fragmentHeader,
  frame,
  ICMP,
  icmp,
  ICMPV6,
  ipPacket,
  SCTP,
  SYN,
  TCP,
  tcp,
  UDP,
  udp,
} from '../support/packet.ts';

const CONTINUE = -1;
const SHOT = 2;
const REDIRECT = 7;
const DNS = PortClass.FIRST;
const RULES = 5;

let host: LoadedPrograms;
let a: TestPod;
let b: TestPod;

beforeAll(() => {
  host = new LoadedPrograms({ endpoint_flows_max: 8 });
  ({ a, b } = host);
});
beforeEach(() => {
  host.setPod(a, { ingress: RuleSet.OPEN, egress: RuleSet.OPEN });
  host.setPod(b, { ingress: RULES, egress: RuleSet.OPEN });
  host.setPortClass(1, 53, DNS);
  host.setPortClass(0, 80, DNS);
  host.setRow(RULES, a.peerClass, [DNS]);
});
afterEach(() => host.reset());
afterAll(() => host[Symbol.dispose]());

const FAMILIES = ['IPv4', 'IPv6'] as const;
type FamilyName = (typeof FAMILIES)[number];

function addressOf(pod: TestPod, family: FamilyName): string {
  return family === 'IPv4' ? pod.ipv4 : pod.ipv6;
}

function sent(from: TestPod, destination: string, protocol: number, payload: Uint8Array, more = {}): Uint8Array {
  const source = destination.includes(':') ? from.ipv6 : from.ipv4;
  return frame({ source, destination, sourceMac: from.mac, destinationMac: from.hostMac, protocol, payload, ...more });
}

function received(to: TestPod, source: string, protocol: number, payload: Uint8Array, more = {}): Uint8Array {
  const destination = source.includes(':') ? to.ipv6 : to.ipv4;
  return frame({ source, destination, sourceMac: to.hostMac, destinationMac: to.mac, protocol, payload, ...more });
}

/** One fragment of a packet from a to b. offset in bytes. */
function fragment(
  family: FamilyName,
  protocol: number,
  id: number,
  offset: number,
  more: boolean,
  data: Uint8Array,
): Uint8Array {
  if (family === 'IPv4') {
    const word = (more ? 0x2000 : 0) | (offset / 8);
    return sent(a, b.ipv4, protocol, data, { fragment: word, identification: id });
  }
  return sent(a, b.ipv6, 44, fragmentHeader(protocol, offset, more, id, data));
}

function expectDrop(
  program: ProgramName,
  pod: TestPod,
  packet: Uint8Array,
  reason: Reason,
  direction: Direction = program === 'from_pod' ? Direction.EGRESS : Direction.INGRESS,
  ingressIfindex = 0,
): void {
  const before = host.counted(reason, direction);
  expect(host.run(program, pod, packet, ingressIfindex).retval).toBe(SHOT);
  expect(host.counted(reason, direction) - before).toBe(1);
}

function expectPeer(packet: Uint8Array): void {
  expect(host.run('from_pod', a, packet).retval).toBe(REDIRECT);
}

describe.each(FAMILIES)('%s fragments (NP-104)', (family) => {
  const data = new Uint8Array(24);
  const first = (port: number, id = 7): Uint8Array => fragment(family, UDP, id, 0, true, udp(4000, port, 16));

  test('the first one is judged and teaches the rest', () => {
    expectPeer(first(53));
    expectPeer(fragment(family, UDP, 7, 24, true, data));
    expectPeer(fragment(family, UDP, 7, 48, false, data));
    expect(host.flows('flows_new')).toHaveLength(1);
  });

  test('without the first nothing passes, whatever its place', () => {
    expectDrop('from_pod', a, fragment(family, UDP, 7, 24, false, data), Reason.FRAGMENT);
    expectPeer(first(53, 8));
    expectDrop('from_pod', a, fragment(family, UDP, 7, 24, false, data), Reason.FRAGMENT);
  });

  test('a denied first one teaches nothing', () => {
    expectDrop('from_pod', a, first(54), Reason.POLICY, Direction.INGRESS);
    expectDrop('from_pod', a, fragment(family, UDP, 7, 24, false, data), Reason.FRAGMENT);
  });

  test('what was taught to one interface is not known at another', () => {
    expectPeer(first(53));
    const source = addressOf(a, family);
    const word = { fragment: 3, identification: 7 };
    const later =
      family === 'IPv4'
        ? received(b, source, UDP, data, word)
        : received(b, source, 44, fragmentHeader(UDP, 24, false, 7, data));
    expectDrop('to_pod', b, later, Reason.FRAGMENT, Direction.INGRESS, a.ifindex);
  });

  test('a first one without the whole transport header is dropped', () => {
    expectDrop(
      'from_pod',
      a,
      fragment(family, TCP, 7, 0, true, tcp(4000, 80, SYN).subarray(0, 16)),
      Reason.FRAGMENT_TINY,
    );
  });

  test('one that begins inside the first is dropped: it could overwrite the ports', () => {
    expectPeer(first(53));
    expectDrop('from_pod', a, fragment(family, UDP, 7, 8, false, data), Reason.FRAGMENT_OVERLAP);
    expectDrop('from_pod', a, fragment(family, UDP, 7, 16, true, data), Reason.FRAGMENT_OVERLAP);
  });

  test('a policy change reaches the rest of a fragmented packet', () => {
    expectPeer(first(53));
    host.setPod(b, { ingress: RuleSet.CLOSED, egress: RuleSet.OPEN, generation: 2 });
    host.commit({ generation: 2 });
    expectDrop('from_pod', a, fragment(family, UDP, 7, 24, false, data), Reason.CLOSED, Direction.INGRESS);
  });

  test('a packet that would be longer than 65535 bytes is dropped', () => {
    expectPeer(first(53));
    expectDrop('from_pod', a, fragment(family, UDP, 7, 65_528, false, data), Reason.MALFORMED);
  });

  test('an echo request in fragments is one flow', () => {
    const [protocol, request, portClass] =
      family === 'IPv4' ? [ICMP, 8, PortClass.ICMP] : [ICMPV6, 128, PortClass.ICMPV6];
    host.setRow(RULES, a.peerClass, [portClass]);
    expectPeer(fragment(family, protocol, 9, 0, true, icmp(request, 0, 77, new Uint8Array(16))));
    expectPeer(fragment(family, protocol, 9, 24, false, data));
    expect(host.flows('flows_new')).toHaveLength(1);
  });
});

describe('IPv4 options (NP-105)', () => {
  const syn = (options: readonly number[], port = 80): Uint8Array =>
    sent(a, b.ipv4, TCP, tcp(4000, port, SYN), { options: Uint8Array.from(options) });

  test('are stepped over: the ports behind them are judged', () => {
    expectPeer(syn([1, 1, 1, 0]));
    expectPeer(syn([7, 7, 4, 0, 0, 0, 0, 0]));
    expectDrop('from_pod', a, syn([1, 1, 1, 0], 81), Reason.POLICY, Direction.INGRESS);
  });

  test.each([
    ['loose', 131],
    ['strict', 137],
  ])('a %s source route is dropped, also behind other options', (_, type) => {
    expectDrop('from_pod', a, syn([type, 7, 4, 10, 0, 0, 9, 0]), Reason.SOURCE_ROUTE);
    expectDrop('from_pod', a, syn([1, 7, 4, 0, 0, type, 7, 4, 10, 0, 0, 9]), Reason.SOURCE_ROUTE);
  });

  test('lengths that lie are malformed', () => {
    for (const options of [
      [7, 0, 0, 0],
      [7, 1, 0, 0],
      [7, 9, 0, 0],
      [1, 1, 1, 7],
    ]) {
      expectDrop('from_pod', a, syn(options), Reason.MALFORMED);
    }
  });

  test('forty bytes of padding are the most there can be', () => {
    expectPeer(syn(Array.from({ length: 40 }, () => 1)));
  });
});

describe('IPv6 extension headers (NP-105)', () => {
  const HOP_BY_HOP = 0;
  const ROUTING = 43;
  const AUTHENTICATION = 51;
  const DESTINATION = 60;
  const syn = tcp(4000, 80, SYN);
  const denied = tcp(4000, 81, SYN);

  test.each([
    ['hop-by-hop', HOP_BY_HOP],
    ['destination options', DESTINATION],
  ])('%s is stepped over: the ports behind it are judged', (_, type) => {
    for (const units of [0, 1, 5]) {
      expectPeer(sent(a, b.ipv6, type, extensionHeader(TCP, units, syn)));
      expectDrop(
        'from_pod',
        a,
        sent(a, b.ipv6, type, extensionHeader(TCP, units, denied)),
        Reason.POLICY,
        Direction.INGRESS,
      );
    }
  });

  test('authentication counts its length in another way', () => {
    const header = (rest: Uint8Array): Uint8Array => concat(Uint8Array.of(TCP, 4, 0, 0), new Uint8Array(20), rest);
    expectPeer(sent(a, b.ipv6, AUTHENTICATION, header(syn)));
    expectDrop('from_pod', a, sent(a, b.ipv6, AUTHENTICATION, header(denied)), Reason.POLICY, Direction.INGRESS);
  });

  test('a routing header that still leads elsewhere is dropped, a spent one is stepped over', () => {
    const header = (left: number): Uint8Array => extensionHeader(TCP, 2, syn, [0, left]);
    expectDrop('from_pod', a, sent(a, b.ipv6, ROUTING, header(1)), Reason.SOURCE_ROUTE);
    expectPeer(sent(a, b.ipv6, ROUTING, header(0)));
  });

  test('a bounded number of them', () => {
    const chain = (count: number): Uint8Array => {
      let rest = syn;
      for (let i = 0; i < count; i++) rest = extensionHeader(i === 0 ? TCP : DESTINATION, 0, rest);
      return sent(a, b.ipv6, DESTINATION, rest);
    };
    expectPeer(chain(6));
    expectDrop('from_pod', a, chain(7), Reason.EXTENSION_HEADER);
  });

  test('one that is cut off, or longer than the packet, is malformed', () => {
    expectDrop('from_pod', a, sent(a, b.ipv6, DESTINATION, Uint8Array.of(TCP, 0, 0, 0)), Reason.MALFORMED);
    expectDrop(
      'from_pod',
      a,
      sent(a, b.ipv6, DESTINATION, extensionHeader(TCP, 0, syn).fill(200, 1, 2)),
      Reason.MALFORMED,
    );
  });

  test('headers that are not known are dropped', () => {
    for (const type of [139, 140]) {
      expectDrop('from_pod', a, sent(a, b.ipv6, type, extensionHeader(TCP, 0, syn)), Reason.EXTENSION_HEADER);
    }
  });

  test('a fragment header without fragments, and one behind options', () => {
    expectPeer(sent(a, b.ipv6, 44, fragmentHeader(UDP, 0, false, 5, udp(4000, 53))));
    const first = fragmentHeader(UDP, 0, true, 6, udp(4000, 53, 16));
    expectPeer(sent(a, b.ipv6, DESTINATION, extensionHeader(44, 0, first)));
    expectPeer(
      sent(a, b.ipv6, DESTINATION, extensionHeader(44, 0, fragmentHeader(UDP, 24, false, 6, new Uint8Array(8)))),
    );
  });

  test('a first fragment whose headers do not end in it is dropped', () => {
    const header = fragmentHeader(DESTINATION, 0, true, 6, Uint8Array.of(UDP, 2, 0, 0, 0, 0, 0, 0));
    expectDrop('from_pod', a, sent(a, b.ipv6, 44, header), Reason.FRAGMENT_TINY);
  });

  test('two fragment headers are malformed', () => {
    const inner = fragmentHeader(UDP, 0, true, 6, udp(4000, 53, 16));
    expectDrop('from_pod', a, sent(a, b.ipv6, 44, fragmentHeader(44, 0, true, 6, inner)), Reason.MALFORMED);
  });

  test('no next header has no ports', () => {
    expectDrop('from_pod', a, sent(a, b.ipv6, 59, new Uint8Array(8)), Reason.POLICY, Direction.INGRESS);
  });
});

describe.each(FAMILIES)('%s errors follow the flow they quote', (family) => {
  const outside = family === 'IPv4' ? '192.0.2.9' : '2001:db8::9';
  const router = family === 'IPv4' ? '198.51.100.1' : '2001:db8:1::1';
  const [protocol, unreachable, tooBig] = family === 'IPv4' ? [ICMP, 3, 3] : [ICMPV6, 1, 2];
  const quote = (type: number, quoted: Uint8Array): Uint8Array => icmp(type, 4, 0, ipPacket(quoted).subarray(0, 200));

  beforeEach(() => {
    host.setPod(a, { ingress: RULES, egress: RuleSet.OPEN });
    host.setPod(b, { ingress: RULES, egress: RULES });
  });

  test('of a pod, about a flow that was opened to it: to the opener, by the path of the flow', () => {
    const query = sent(a, addressOf(b, family), UDP, udp(4000, 53));
    expectPeer(query);
    const answer = sent(b, addressOf(a, family), protocol, quote(unreachable, query));
    expect(host.run('from_pod', b, answer).retval).toBe(REDIRECT);
  });

  test('of a pod, about a flow that is not there: judged as it stands', () => {
    const query = sent(a, addressOf(b, family), UDP, udp(4000, 53));
    const answer = sent(b, addressOf(a, family), protocol, quote(unreachable, query));
    expectDrop('from_pod', b, answer, Reason.POLICY);
  });

  test('a pod cannot speak of packets that were not sent to it', () => {
    expectPeer(sent(a, addressOf(b, family), UDP, udp(4000, 53)));
    const other = sent(a, outside, UDP, udp(4000, 53));
    host.run('from_pod', a, other);
    expectDrop('from_pod', b, sent(b, addressOf(a, family), protocol, quote(unreachable, other)), Reason.POLICY);
  });

  test('of a router on the way: reaches the isolated pod whose packet it quotes', () => {
    const query = sent(a, outside, TCP, tcp(4000, 443, SYN));
    expect(host.run('from_pod', a, query).retval).toBe(CONTINUE);
    const error = received(a, router, protocol, quote(tooBig, query));
    expect(host.run('to_pod', a, error, host.uplink).retval).toBe(CONTINUE);
  });

  test('of a router, about a packet the pod never sent: judged as it stands', () => {
    const lie = received(a, router, protocol, quote(tooBig, sent(a, outside, TCP, tcp(4000, 443, SYN))));
    expectDrop('to_pod', a, lie, Reason.POLICY, Direction.INGRESS, host.uplink);
    const foreign = received(a, router, protocol, quote(tooBig, sent(b, outside, TCP, tcp(4000, 443, SYN))));
    expectDrop('to_pod', a, foreign, Reason.POLICY, Direction.INGRESS, host.uplink);
  });

  test('of the node itself: passes, quoting a flow or none', () => {
    const query = sent(a, outside, TCP, tcp(4000, 443, SYN));
    expect(host.run('to_pod', a, received(a, router, protocol, quote(tooBig, query))).retval).toBe(CONTINUE);
    host.run('from_pod', a, query);
    expect(host.run('to_pod', a, received(a, router, protocol, quote(tooBig, query))).retval).toBe(CONTINUE);
  });

  test('about a flow that a change has denied: dropped like the flow', () => {
    const query = sent(a, outside, TCP, tcp(4000, 443, SYN));
    host.run('from_pod', a, query);
    host.setPod(a, { ingress: RULES, egress: RULES, generation: 2 });
    host.commit({ generation: 2 });
    const error = received(a, router, protocol, quote(tooBig, query));
    expectDrop('to_pod', a, error, Reason.POLICY, Direction.EGRESS, host.uplink);
  });

  test('about a reply: the quoted packet went the other way', () => {
    expectPeer(sent(a, addressOf(b, family), UDP, udp(4000, 53)));
    const reply = sent(b, addressOf(a, family), UDP, udp(53, 4000));
    expect(host.run('from_pod', b, reply).retval).toBe(REDIRECT);
    expectPeer(sent(a, addressOf(b, family), protocol, quote(unreachable, reply)));
  });

  test('a quote that is cut off inside the header belongs to no flow', () => {
    const query = sent(a, outside, TCP, tcp(4000, 443, SYN));
    host.run('from_pod', a, query);
    const cut = icmp(tooBig, 4, 0, ipPacket(query).subarray(0, 12));
    expectDrop('to_pod', a, received(a, router, protocol, cut), Reason.POLICY, Direction.INGRESS, host.uplink);
  });
});

test('redirects of pods are dropped', () => {
  const redirect = sent(b, a.ipv4, ICMP, icmp(5, 1, 0, ipPacket(sent(a, b.ipv4, UDP, udp(1, 53)))));
  expectDrop('from_pod', b, redirect, Reason.NEIGHBOUR_DISCOVERY);
});

describe('tunnels out of a pod', () => {
  test.each([
    ['IPIP', 4],
    ['IPv6 in IPv4', 41],
    ['GRE', 47],
  ])('%s is judged by its outer addresses as another protocol', (_, protocol) => {
    const inner = ipPacket(sent(b, a.ipv4, TCP, tcp(1, 80, SYN)));
    expectDrop('from_pod', a, sent(a, b.ipv4, protocol, inner), Reason.POLICY, Direction.INGRESS);
    host.setRow(RULES, a.peerClass, [PortClass.OTHER]);
    expectPeer(sent(a, b.ipv4, protocol, inner));
  });
});

describe('SCTP (NP-51)', () => {
  test('a common header that is cut off is malformed; flows have both ports', () => {
    expectDrop('from_pod', a, sent(a, b.ipv4, SCTP, new Uint8Array(8)), Reason.MALFORMED);
    host.setPortClass(2, 80, DNS);
    expectPeer(sent(a, b.ipv4, SCTP, udp(4000, 80, 4)));
    expect(host.run('from_pod', b, sent(b, a.ipv4, SCTP, udp(80, 4000, 4))).retval).toBe(REDIRECT);
    expectDrop('from_pod', a, sent(a, b.ipv4, SCTP, udp(4000, 81, 4)), Reason.POLICY, Direction.INGRESS);
  });
});

describe('flows of one endpoint', () => {
  const LIMIT = 8;
  const open = (port: number): void => {
    expectPeer(sent(a, b.ipv4, TCP, tcp(port, 80, SYN)));
    expect(host.run('from_pod', b, sent(b, a.ipv4, TCP, tcp(80, port, SYN | ACK))).retval).toBe(REDIRECT);
  };

  test('beyond its limit stay among the unanswered, and still work', () => {
    for (let port = 1000; port < 1000 + LIMIT + 5; port++) open(port);
    expect(host.flows('flows_live')).toHaveLength(LIMIT);
    expect(host.flows('flows_new')).toHaveLength(5);
    expectPeer(sent(a, b.ipv4, TCP, tcp(1012, 80, ACK)));
  });

  test('that end make room, and closing ones do not lie among the live', () => {
    for (let port = 1000; port < 1000 + LIMIT; port++) open(port);
    expect(host.run('from_pod', b, sent(b, a.ipv4, TCP, tcp(80, 1003, 0x04))).retval).toBe(REDIRECT);
    expect(host.flows('flows_live')).toHaveLength(LIMIT - 1);
    open(2000);
    expect(host.flows('flows_live')).toHaveLength(LIMIT);
  });

  test('are charged to the pod that opened them', () => {
    for (let port = 1000; port < 1000 + LIMIT; port++) open(port);
    host.setPod(a, { ingress: RuleSet.OPEN, egress: RuleSet.OPEN });
    host.run('from_pod', b, sent(b, a.ipv4, UDP, udp(53, 9000)));
    host.run('from_pod', a, sent(a, b.ipv4, UDP, udp(9000, 53)));
    expect(host.flows('flows_live')).toHaveLength(LIMIT + 1);
    expect(
      host.flows('flows_live').every(({ flags }) => flags === (FlowFlag.FLOW_ANSWERED | FlowFlag.FLOW_CHARGED)),
    ).toBe(true);
  });
});
