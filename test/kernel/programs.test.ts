/** Single frames through the loaded programs: what passes, what is dropped, why, and what is remembered. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import {
  AddressFlag,
  ConfigFlag,
  Direction,
  EndpointFlag,
  FlowFlag,
  PeerClass,
  PortClass,
  Reason,
  RuleSet,
} from '../../src/kernel/abi.gen.ts';
import { LoadedPrograms, type ProgramName, type TestPod } from '../support/loaded-programs.ts';
import {
  ACK,
  arp,
  concat,
  ethernet,
  FIN,
  frame,
  ICMP,
  icmp,
  ICMPV6,
  RST,
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
const HTTP = PortClass.FIRST;
const RULES = 5;

let host: LoadedPrograms;
let a: TestPod;
let b: TestPod;

beforeAll(() => {
  host = new LoadedPrograms();
  ({ a, b } = host);
});
beforeEach(() => {
  host.setPod(a, { ingress: RuleSet.OPEN, egress: RuleSet.OPEN });
  host.setPod(b, { ingress: RuleSet.OPEN, egress: RuleSet.OPEN });
});
afterEach(() => host.reset());
afterAll(() => host[Symbol.dispose]());

type FamilyName = 'IPv4' | 'IPv6';
const FAMILIES: readonly FamilyName[] = ['IPv4', 'IPv6'];

function addressOf(pod: TestPod, family: FamilyName): string {
  return family === 'IPv4' ? pod.ipv4 : pod.ipv6;
}

/** What `from` sends to an address, as its own interface carries it. */
function sent(from: TestPod, destination: string, protocol: number, payload: Uint8Array, more = {}): Uint8Array {
  const source = destination.includes(':') ? from.ipv6 : from.ipv4;
  return frame({ source, destination, sourceMac: from.mac, destinationMac: from.hostMac, protocol, payload, ...more });
}

/** What the host hands to `to`. */
function received(to: TestPod, source: string, protocol: number, payload: Uint8Array, more = {}): Uint8Array {
  const destination = source.includes(':') ? to.ipv6 : to.ipv4;
  return frame({ source, destination, sourceMac: to.hostMac, destinationMac: to.mac, protocol, payload, ...more });
}

/** Runs and returns the verdict; the reason must be the only counter that moved. */
function expectReason(
  program: ProgramName,
  pod: TestPod,
  packet: Uint8Array,
  reason: Reason,
  direction: Direction,
  ingressIfindex = 0,
): number {
  const before = host.counted(reason, direction);
  const { retval } = host.run(program, pod, packet, ingressIfindex);
  expect(host.counted(reason, direction) - before).toBe(1);
  return retval;
}

function expectDrop(
  program: ProgramName,
  pod: TestPod,
  packet: Uint8Array,
  reason: Reason,
  direction: Direction = program === 'from_pod' ? Direction.EGRESS : Direction.INGRESS,
  ingressIfindex = 0,
): void {
  expect(expectReason(program, pod, packet, reason, direction, ingressIfindex)).toBe(SHOT);
}

describe.each(FAMILIES)('%s to the port of the tunnel between nodes', (family) => {
  const VXLAN = 8472;
  const node = family === 'IPv4' ? '192.0.2.1' : '2001:db8::1';
  const pod = family === 'IPv4' ? '10.244.9.9' : 'fd00:244::99';
  const world = family === 'IPv4' ? '198.51.100.1' : '2001:db8:1::1';
  let tunnelled: LoadedPrograms;

  beforeAll(() => {
    tunnelled = new LoadedPrograms({ vxlan_port: VXLAN });
    tunnelled.setPod(tunnelled.a, { ingress: RuleSet.OPEN, egress: RuleSet.OPEN });
    tunnelled.setPod(tunnelled.b, { ingress: RuleSet.OPEN, egress: RuleSet.OPEN });
    tunnelled.setAddress(node, { classNew: PeerClass.NONE, flags: AddressFlag.ADDRESS_OWN_NODE });
    tunnelled.setAddress(pod, { classNew: 12 });
  });
  afterAll(() => tunnelled[Symbol.dispose]());

  const send = (destination: string, protocol: number, payload: Uint8Array): number =>
    tunnelled.run('from_pod', tunnelled.a, sent(tunnelled.a, destination, protocol, payload)).retval;

  test('a pod sends nothing there to a node, nor to an address that may be one', () => {
    expect(send(node, UDP, udp(4000, VXLAN))).toBe(SHOT);
    expect(send(world, UDP, udp(4000, VXLAN))).toBe(SHOT);
    expect(tunnelled.counted(Reason.TUNNEL, Direction.EGRESS)).toBe(2);
    expect(tunnelled.flows('flows_new')).toHaveLength(0);
  });

  test('another pod, another port and another protocol are judged by policy', () => {
    expect(send(pod, UDP, udp(4000, VXLAN))).toBe(CONTINUE);
    expect(send(addressOf(tunnelled.b, family), UDP, udp(4000, VXLAN))).toBe(REDIRECT);
    expect(send(node, UDP, udp(VXLAN, 53))).toBe(CONTINUE);
    expect(send(node, TCP, tcp(4000, VXLAN, SYN))).toBe(CONTINUE);
  });

  test('it is no port like that where no tunnel is configured', () => {
    host.setAddress(node, { classNew: PeerClass.NONE, flags: AddressFlag.ADDRESS_OWN_NODE });
    expect(host.run('from_pod', a, sent(a, node, UDP, udp(4000, VXLAN))).retval).toBe(CONTINUE);
  });
});

describe.each(FAMILIES)('%s between two local pods', (family) => {
  test('an open flow goes straight into the other namespace, both ways, and is remembered', () => {
    const there = host.run('from_pod', a, sent(a, addressOf(b, family), TCP, tcp(4000, 80, SYN)));
    expect(there.retval).toBe(REDIRECT);
    expect(host.flows('flows_new')).toHaveLength(1);
    const back = host.run('from_pod', b, sent(b, addressOf(a, family), TCP, tcp(80, 4000, SYN | ACK)));
    expect(back.retval).toBe(REDIRECT);
    expect(host.flows('flows_new')).toHaveLength(0);
    expect(host.flows('flows_live')).toMatchObject([{ openerEndpoint: a.id, responderEndpoint: b.id, origin: 0 }]);
  });

  test('the frame that reaches the peer carries its own hardware addresses', () => {
    const { packet } = host.run('from_pod', a, sent(a, addressOf(b, family), UDP, udp(4000, 53)));
    expect(Buffer.from(packet.subarray(0, 12)).toString('hex')).toBe((b.mac + b.hostMac).replaceAll(':', ''));
  });

  test('ingress of the receiver is judged at the sender, and the drop is counted as ingress', () => {
    host.setPod(b, { ingress: RULES, egress: RuleSet.OPEN });
    const packet = sent(a, addressOf(b, family), TCP, tcp(4000, 80, SYN));
    expectDrop('from_pod', a, packet, Reason.POLICY, Direction.INGRESS);
    expect(host.flows('flows_new')).toHaveLength(0);
  });

  test('a row of the class allows its port class and no other', () => {
    host.setPod(b, { ingress: RULES, egress: RuleSet.OPEN });
    host.setPortClass(0, 80, HTTP);
    host.setRow(RULES, a.peerClass, [HTTP]);
    expect(host.run('from_pod', a, sent(a, addressOf(b, family), TCP, tcp(4000, 80, SYN))).retval).toBe(REDIRECT);
    expectDrop('from_pod', a, sent(a, addressOf(b, family), TCP, tcp(4000, 81, SYN)), Reason.POLICY, Direction.INGRESS);
    expectDrop('from_pod', a, sent(a, addressOf(b, family), UDP, udp(4000, 80)), Reason.POLICY, Direction.INGRESS);
  });

  test('the default row answers for a class without one, and an own row hides it', () => {
    host.setPod(b, { ingress: RULES, egress: RuleSet.OPEN });
    host.setPortClass(0, 80, HTTP);
    host.setRow(RULES, PeerClass.DEFAULT, [HTTP]);
    expect(host.run('from_pod', a, sent(a, addressOf(b, family), TCP, tcp(4000, 80, SYN))).retval).toBe(REDIRECT);
    host.setRow(RULES, a.peerClass, []);
    expectDrop('from_pod', a, sent(a, addressOf(b, family), TCP, tcp(4001, 80, SYN)), Reason.POLICY, Direction.INGRESS);
  });

  test('NP-100: a reply passes although the responder may open nothing', () => {
    host.setPod(b, { ingress: RuleSet.OPEN, egress: RULES });
    host.run('from_pod', a, sent(a, addressOf(b, family), UDP, udp(4000, 53)));
    expect(host.run('from_pod', b, sent(b, addressOf(a, family), UDP, udp(53, 4000))).retval).toBe(REDIRECT);
    expectDrop('from_pod', b, sent(b, addressOf(a, family), UDP, udp(53, 4001)), Reason.POLICY);
  });

  test.each([
    ['SYN-ACK', SYN | ACK],
    ['ACK', ACK],
    ['RST', RST],
    ['FIN-ACK', FIN | ACK],
  ])('NP-101: a %s without a flow is judged as it stands', (_, flags) => {
    host.setPod(b, { ingress: RULES, egress: RuleSet.OPEN });
    expectDrop(
      'from_pod',
      a,
      sent(a, addressOf(b, family), TCP, tcp(80, 4000, flags)),
      Reason.POLICY,
      Direction.INGRESS,
    );
    expect(host.flows('flows_new')).toHaveLength(0);
  });

  test('NP-101: SYN-ACK and RST make no entry even where they are allowed', () => {
    for (const flags of [SYN | ACK, RST])
      host.run('from_pod', a, sent(a, addressOf(b, family), TCP, tcp(80, 4000, flags)));
    expect(host.flows('flows_new')).toHaveLength(0);
  });

  test('a SYN from the end that did not open the flow is a new flow', () => {
    host.setPod(a, { ingress: RULES, egress: RuleSet.OPEN });
    host.run('from_pod', a, sent(a, addressOf(b, family), TCP, tcp(4000, 80, SYN)));
    expectDrop('from_pod', b, sent(b, addressOf(a, family), TCP, tcp(80, 4000, SYN)), Reason.POLICY, Direction.INGRESS);
    expect(host.run('from_pod', b, sent(b, addressOf(a, family), TCP, tcp(80, 4000, SYN | ACK))).retval).toBe(REDIRECT);
  });

  test('a SYN on a closing flow is judged anew', () => {
    host.run('from_pod', a, sent(a, addressOf(b, family), TCP, tcp(4000, 80, SYN)));
    host.run('from_pod', b, sent(b, addressOf(a, family), TCP, tcp(80, 4000, SYN | ACK)));
    host.run('from_pod', b, sent(b, addressOf(a, family), TCP, tcp(80, 4000, RST)));
    expect(host.flows('flows_live')).toHaveLength(0);
    expect(host.flows('flows_new')).toMatchObject([{ flags: FlowFlag.FLOW_ANSWERED }]);
    host.run('from_pod', a, sent(a, addressOf(b, family), TCP, tcp(4000, 80, SYN)));
    expect(host.flows('flows_new')).toMatchObject([{ flags: 0 }]);
  });

  test('NP-102: a new denial cuts a live flow in both directions, NP-103: and a later permission opens it again', () => {
    const forth = sent(a, addressOf(b, family), TCP, tcp(4000, 80, ACK));
    const back = sent(b, addressOf(a, family), TCP, tcp(80, 4000, ACK));
    host.run('from_pod', a, sent(a, addressOf(b, family), TCP, tcp(4000, 80, SYN)));
    host.run('from_pod', b, sent(b, addressOf(a, family), TCP, tcp(80, 4000, SYN | ACK)));
    host.setPod(b, { ingress: RULES, egress: RULES, generation: 2 });
    host.commit({ generation: 2 });
    expectDrop('from_pod', b, back, Reason.POLICY, Direction.INGRESS);
    expectDrop('from_pod', a, forth, Reason.POLICY, Direction.INGRESS);
    expect(host.flows('flows_live')).toHaveLength(1);
    host.setPod(b, { ingress: RuleSet.OPEN, egress: RULES, generation: 3 });
    host.commit({ generation: 3 });
    expect(host.run('from_pod', b, back).retval).toBe(REDIRECT);
    expect(host.run('from_pod', a, forth).retval).toBe(REDIRECT);
  });

  test('a flow is judged in the direction it was opened, whichever packet comes first after a change', () => {
    host.setPod(a, { ingress: RULES, egress: RuleSet.OPEN });
    host.run('from_pod', a, sent(a, addressOf(b, family), UDP, udp(4000, 53)));
    host.commit({ generation: 2 });
    expect(host.run('from_pod', b, sent(b, addressOf(a, family), UDP, udp(53, 4000))).retval).toBe(REDIRECT);
  });

  test('an address that another pod has now inherits no flow', () => {
    host.setPod(b, { ingress: RuleSet.OPEN, egress: RULES });
    host.run('from_pod', a, sent(a, addressOf(b, family), UDP, udp(4000, 53)));
    host.setPod({ ...b, id: 77 }, { ingress: RuleSet.OPEN, egress: RULES });
    expectDrop('from_pod', { ...b, id: 77 }, sent(b, addressOf(a, family), UDP, udp(53, 4000)), Reason.POLICY);
  });

  test('through the stack where a pod may not be redirected to', () => {
    host.setPod(b, { ingress: RuleSet.OPEN, egress: RuleSet.OPEN, flags: EndpointFlag.ENDPOINT_NO_PEER });
    expect(host.run('from_pod', a, sent(a, addressOf(b, family), TCP, tcp(4000, 80, SYN))).retval).toBe(CONTINUE);
    expect(host.run('from_pod', b, sent(b, addressOf(a, family), TCP, tcp(80, 4000, SYN | ACK))).retval).toBe(CONTINUE);
  });

  test('echo: the request is judged, its answer belongs to it, a lone answer is judged as it stands', () => {
    const [protocol, request, reply] = family === 'IPv4' ? [ICMP, 8, 0] : [ICMPV6, 128, 129];
    host.setPod(a, { ingress: RULES, egress: RuleSet.OPEN });
    expect(host.run('from_pod', a, sent(a, addressOf(b, family), protocol, icmp(request, 0, 7))).retval).toBe(REDIRECT);
    expect(host.run('from_pod', b, sent(b, addressOf(a, family), protocol, icmp(reply, 0, 7))).retval).toBe(REDIRECT);
    expectDrop(
      'from_pod',
      b,
      sent(b, addressOf(a, family), protocol, icmp(reply, 0, 8)),
      Reason.POLICY,
      Direction.INGRESS,
    );
    expectDrop(
      'from_pod',
      b,
      sent(b, addressOf(a, family), protocol, icmp(request, 0, 9)),
      Reason.POLICY,
      Direction.INGRESS,
    );
  });

  test('NP-52: ICMP and other protocols have port classes of their own', () => {
    const [protocol, request, portClass] =
      family === 'IPv4' ? [ICMP, 8, PortClass.ICMP] : [ICMPV6, 128, PortClass.ICMPV6];
    host.setPod(b, { ingress: RULES, egress: RuleSet.OPEN });
    host.setRow(RULES, a.peerClass, [portClass]);
    expect(host.run('from_pod', a, sent(a, addressOf(b, family), protocol, icmp(request, 0, 7))).retval).toBe(REDIRECT);
    expectDrop('from_pod', a, sent(a, addressOf(b, family), 50, new Uint8Array(16)), Reason.POLICY, Direction.INGRESS);
    host.setRow(RULES, a.peerClass, [PortClass.OTHER]);
    expect(host.run('from_pod', a, sent(a, addressOf(b, family), 50, new Uint8Array(16))).retval).toBe(REDIRECT);
  });

  test('NP-51: SCTP ports are a dimension of their own', () => {
    host.setPod(b, { ingress: RULES, egress: RuleSet.OPEN });
    host.setPortClass(2, 80, HTTP);
    host.setRow(RULES, a.peerClass, [HTTP]);
    expect(host.run('from_pod', a, sent(a, addressOf(b, family), SCTP, udp(4000, 80, 8))).retval).toBe(REDIRECT);
    expectDrop('from_pod', a, sent(a, addressOf(b, family), TCP, tcp(4000, 80, SYN)), Reason.POLICY, Direction.INGRESS);
  });
});

describe.each(FAMILIES)('%s to and from the outside', (family) => {
  const outside = family === 'IPv4' ? '192.0.2.9' : '2001:db8::9';

  test('egress by prefix class; the longest prefix decides', () => {
    host.setPod(a, { ingress: RuleSet.OPEN, egress: RULES });
    const [wide, narrow] = family === 'IPv4' ? [8, 24] : [16, 64];
    host.setPrefix(outside.replace(/9$/, family === 'IPv4' ? '0' : ''), narrow, 31);
    host.setPrefix(family === 'IPv4' ? '192.0.0.0' : '2001::', wide, 30);
    host.setRow(RULES, 30, [0]);
    expectDrop('from_pod', a, sent(a, outside, TCP, tcp(4000, 80, SYN)), Reason.POLICY);
    host.setRow(RULES, 31, [0]);
    expect(host.run('from_pod', a, sent(a, outside, TCP, tcp(4000, 80, SYN))).retval).toBe(CONTINUE);
  });

  test('an address element without a class takes the class of the prefix around it', () => {
    host.setPod(a, { ingress: RuleSet.OPEN, egress: RULES });
    host.setPrefix(family === 'IPv4' ? '192.0.0.0' : '2001::', 16, 30);
    host.setAddress(outside, { classNew: PeerClass.NONE });
    host.setRow(RULES, 30, [0]);
    expect(host.run('from_pod', a, sent(a, outside, TCP, tcp(4000, 80, SYN))).retval).toBe(CONTINUE);
  });

  test('what is in no prefix is the world', () => {
    host.setPod(a, { ingress: RuleSet.OPEN, egress: RULES });
    host.setRow(RULES, PeerClass.WORLD, [0]);
    expect(host.run('from_pod', a, sent(a, outside, TCP, tcp(4000, 80, SYN))).retval).toBe(CONTINUE);
  });

  test('forwarded traffic meets the ingress of the pod; its replies go the way it came', () => {
    host.setPod(b, { ingress: RULES, egress: RULES });
    const syn = received(b, outside, TCP, tcp(4000, 80, SYN));
    expectDrop('to_pod', b, syn, Reason.POLICY, Direction.INGRESS, host.uplink);
    host.setRow(RULES, PeerClass.WORLD, [0]);
    expect(host.run('to_pod', b, syn, host.uplink).retval).toBe(CONTINUE);
    expect(host.run('from_pod', b, sent(b, outside, TCP, tcp(80, 4000, SYN | ACK))).retval).toBe(CONTINUE);
    expect(host.flows('flows_live')).toMatchObject([{ origin: 1, openerEndpoint: 0, responderEndpoint: b.id }]);
  });

  test('NP-80: what the node itself sends is allowed and so are the answers, although the pod is isolated', () => {
    host.setPod(b, { ingress: RULES, egress: RULES });
    expect(host.run('to_pod', b, received(b, outside, TCP, tcp(4000, 80, SYN)), 0).retval).toBe(CONTINUE);
    expect(host.run('from_pod', b, sent(b, outside, TCP, tcp(80, 4000, SYN | ACK))).retval).toBe(CONTINUE);
    expect(host.flows('flows_live')).toMatchObject([{ origin: 2 }]);
    expectDrop('from_pod', b, sent(b, outside, TCP, tcp(80, 4001, SYN)), Reason.POLICY);
  });

  test('NP-81: a pod reaches its own node, unless that is to be judged', () => {
    host.setPod(a, { ingress: RULES, egress: RULES });
    host.setAddress(outside, { classNew: PeerClass.NONE, flags: AddressFlag.ADDRESS_OWN_NODE });
    expect(host.run('from_pod', a, sent(a, outside, TCP, tcp(4000, 80, SYN))).retval).toBe(CONTINUE);
    host.commit({ flags: ConfigFlag.CONFIG_JUDGE_OWN_NODE });
    expectDrop('from_pod', a, sent(a, outside, TCP, tcp(4001, 80, SYN)), Reason.POLICY);
  });

  test("a local pod's address that came in by another interface is a lie", () => {
    const packet = received(b, addressOf(a, family), TCP, tcp(4000, 80, SYN));
    expectDrop('to_pod', b, packet, Reason.SOURCE_ADDRESS, Direction.INGRESS, host.uplink);
    expect(host.run('to_pod', b, packet, a.ifindex).retval).toBe(CONTINUE);
  });
});

describe('what a pod may not send', () => {
  test.each(FAMILIES)('%s from another address', (family) => {
    const source = family === 'IPv4' ? '10.244.0.99' : 'fd00:244::99';
    const packet = sent(a, addressOf(b, family), TCP, tcp(4000, 80, SYN), { source });
    expectDrop('from_pod', a, packet, Reason.SOURCE_ADDRESS);
  });

  test('from another hardware address', () => {
    expectDrop('from_pod', a, sent(a, b.ipv4, TCP, tcp(1, 2, SYN), { sourceMac: b.mac }), Reason.SOURCE_MAC);
  });

  test('from an interface that is no endpoint', () => {
    const stranger = { ...a, ifindex: host.uplink };
    expectDrop('from_pod', stranger, sent(a, b.ipv4, TCP, tcp(1, 2, SYN)), Reason.NO_ENDPOINT);
    expectDrop('to_pod', stranger, received(b, a.ipv4, TCP, tcp(1, 2, SYN)), Reason.NO_ENDPOINT);
  });

  test('anything while it is closed', () => {
    host.setPod(a, { ingress: RuleSet.CLOSED, egress: RuleSet.CLOSED });
    expectDrop('from_pod', a, sent(a, b.ipv4, TCP, tcp(1, 2, SYN)), Reason.CLOSED);
    expectDrop('from_pod', b, sent(b, a.ipv4, TCP, tcp(1, 2, SYN)), Reason.CLOSED, Direction.INGRESS);
  });

  test.each([
    ['an IPv4 header longer than the packet', { totalLength: 400 }],
    ['a total length shorter than the header', { totalLength: 10 }],
    ['a TCP header that is cut off', { totalLength: 30 }],
  ])('%s', (_, more) => {
    expectDrop('from_pod', a, sent(a, b.ipv4, TCP, tcp(1, 2, SYN), more), Reason.MALFORMED);
  });

  test('an IPv6 payload length beyond the frame', () => {
    expectDrop('from_pod', a, sent(a, b.ipv6, TCP, tcp(1, 2, SYN), { totalLength: 999 }), Reason.MALFORMED);
  });

  test('an IPv4-mapped address', () => {
    const packet = sent(a, '::ffff:10.244.0.3', TCP, tcp(1, 2, SYN));
    expectDrop('from_pod', a, packet, Reason.V4_MAPPED);
  });

  test.each(['224.0.0.251', '255.255.255.255', 'ff02::fb'])('to %s, and quietly', (destination) => {
    expectDrop('from_pod', a, sent(a, destination, UDP, udp(5353, 5353)), Reason.MULTICAST);
  });

  test('a listener report with its router alert, and quietly', () => {
    expectDrop('from_pod', a, sent(a, 'ff02::16', 0, new Uint8Array(36)), Reason.MULTICAST);
  });

  test('NP-80: what the node itself sends passes even where it cannot be followed', () => {
    host.setPod(b, { ingress: RULES, egress: RULES });
    const fragment = received(b, '10.0.0.1', UDP, udp(1, 2), { fragment: 0x0003 });
    expect(host.run('to_pod', b, fragment).retval).toBe(CONTINUE);
    expect(host.run('to_pod', b, received(b, 'fd00::1', 139, new Uint8Array(16))).retval).toBe(CONTINUE);
    expectDrop('to_pod', b, fragment, Reason.FRAGMENT, Direction.INGRESS, host.uplink);
  });

  test('another EtherType', () => {
    expectDrop('from_pod', a, ethernet(a.hostMac, a.mac, 0x88cc, new Uint8Array(46)), Reason.ETHERTYPE);
  });
});

describe('ARP and neighbour discovery', () => {
  const BROADCAST = 'ff:ff:ff:ff:ff:ff';
  const NOBODY = '00:00:00:00:00:00';
  const ask = (sender: string, mac: string, target: string): Uint8Array =>
    ethernet(BROADCAST, a.mac, 0x0806, arp(1, mac, sender, NOBODY, target));

  test("a request for the gateway is answered with the host end's address", () => {
    const answer = host.run('from_pod', a, ask(a.ipv4, a.mac, '169.254.1.1'));
    expect(answer.retval).toBe(REDIRECT);
    expect(answer.packet.subarray(0, 42)).toEqual(
      ethernet(a.mac, a.hostMac, 0x0806, arp(2, a.hostMac, '169.254.1.1', a.mac, a.ipv4)),
    );
    expect(host.counted(Reason.ANSWERED, Direction.EGRESS)).toBe(1);
  });

  test('a truthful answer reaches the host, a lie does not', () => {
    const answer = (mac: string, ip: string): Uint8Array =>
      ethernet(a.hostMac, a.mac, 0x0806, arp(2, mac, ip, a.hostMac, '10.0.0.1'));
    expect(host.run('from_pod', a, answer(a.mac, a.ipv4)).retval).toBe(CONTINUE);
    expectDrop('from_pod', a, answer(a.mac, b.ipv4), Reason.ARP);
    expectDrop('from_pod', a, answer(b.mac, a.ipv4), Reason.ARP);
  });

  test('requests for others, or in the name of others, are dropped', () => {
    expectDrop('from_pod', a, ask(a.ipv4, a.mac, b.ipv4), Reason.ARP);
    expectDrop('from_pod', a, ask(b.ipv4, a.mac, '169.254.1.1'), Reason.ARP);
    expectDrop('from_pod', a, ask(a.ipv4, b.mac, '169.254.1.1'), Reason.ARP);
  });

  const GATEWAY = Uint8Array.of(0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1);
  const neighbour = (type: number, target: Uint8Array): Uint8Array =>
    concat(icmp(type, 0, 0, new Uint8Array(0)), target);

  test('a solicitation for the gateway reaches the host', () => {
    const packet = sent(a, 'ff02::1:ff00:1', ICMPV6, neighbour(135, GATEWAY), { hopLimit: 255 });
    expect(host.run('from_pod', a, packet).retval).toBe(CONTINUE);
  });

  test('solicitations for others, router advertisements and forwarded ones are dropped', () => {
    const other = Uint8Array.from(GATEWAY, (byte, i) => (i === 15 ? 9 : byte));
    const to = 'ff02::1:ff00:1';
    for (const packet of [
      sent(a, to, ICMPV6, neighbour(135, other), { hopLimit: 255 }),
      sent(a, to, ICMPV6, neighbour(135, GATEWAY), { hopLimit: 64 }),
      sent(a, 'ff02::1', ICMPV6, neighbour(134, GATEWAY), { hopLimit: 255 }),
      sent(a, 'ff02::16', ICMPV6, neighbour(143, GATEWAY), { hopLimit: 1 }),
    ]) {
      expectDrop('from_pod', a, packet, Reason.NEIGHBOUR_DISCOVERY);
    }
  });

  test('a neighbour message cannot carry anything off the link', () => {
    host.setPod(a, { ingress: RULES, egress: RULES });
    const own = Uint8Array.from(Buffer.from('fd000244000000000000000000000002', 'hex'));
    const packet = sent(a, '2001:db8::9', ICMPV6, neighbour(136, own), { hopLimit: 255 });
    expectDrop('from_pod', a, packet, Reason.NEIGHBOUR_DISCOVERY);
    expect(host.run('from_pod', a, sent(a, 'fe80::1', ICMPV6, neighbour(136, own), { hopLimit: 255 })).retval).toBe(
      CONTINUE,
    );
  });

  test("the node's own ARP and neighbour messages reach the pod", () => {
    host.setPod(a, { ingress: RULES, egress: RULES });
    const request = ethernet(a.mac, a.hostMac, 0x0806, arp(1, a.hostMac, '10.0.0.1', NOBODY, a.ipv4));
    expect(host.run('to_pod', a, request).retval).toBe(CONTINUE);
    const solicit = received(a, 'fe80::1', ICMPV6, neighbour(135, GATEWAY), { hopLimit: 255 });
    expect(host.run('to_pod', a, solicit).retval).toBe(CONTINUE);
  });
});

describe('versions', () => {
  test('an element takes effect with the generation it names, all of them by one commit', () => {
    host.setPod(b, { ingress: RuleSet.OPEN, egress: RuleSet.OPEN, generation: 2 });
    const packet = sent(a, b.ipv4, UDP, udp(1, 2));
    expectDrop('from_pod', a, packet, Reason.CLOSED, Direction.INGRESS);
    host.commit({ generation: 2 });
    expect(host.run('from_pod', a, packet).retval).toBe(REDIRECT);
  });

  test('generations are compared around the wrap', () => {
    host.commit({ generation: 0xffffffff });
    host.setPod(a, { ingress: RuleSet.OPEN, egress: RuleSet.OPEN, generation: 0xffffffff });
    host.setPod(b, { ingress: RuleSet.OPEN, egress: RuleSet.OPEN, generation: 1 });
    const packet = sent(a, b.ipv4, UDP, udp(1, 2));
    expectDrop('from_pod', a, packet, Reason.CLOSED, Direction.INGRESS);
    host.commit({ generation: 1 });
    expect(host.run('from_pod', a, packet).retval).toBe(REDIRECT);
  });

  test('the class of an address and the port table are versioned too', () => {
    host.setPod(b, { ingress: RULES, egress: RuleSet.OPEN });
    host.setPortClass(1, 53, HTTP, 1);
    host.setRow(RULES, 40, [HTTP]);
    host.setAddress(a.ipv4, { classOld: a.peerClass, classNew: 40, generation: 2, pod: a });
    const packet = sent(a, b.ipv4, UDP, udp(1, 53));
    expectDrop('from_pod', a, packet, Reason.POLICY, Direction.INGRESS);
    host.commit({ generation: 2, portTable: 0 });
    expectDrop('from_pod', a, packet, Reason.POLICY, Direction.INGRESS);
    host.commit({ generation: 2, portTable: 1 });
    expect(host.run('from_pod', a, packet).retval).toBe(REDIRECT);
  });
});

describe('grace after a table was made over running pods', () => {
  const reply = (): Uint8Array => sent(b, a.ipv4, TCP, tcp(80, 4000, ACK));

  test('a segment is admitted as a reply of what may be opened, and only while it lasts', () => {
    host.setPod(b, { ingress: RuleSet.OPEN, egress: RULES });
    expectDrop('from_pod', b, reply(), Reason.POLICY);
    host.commit({ graceUntilNs: process.hrtime.bigint() + 60_000_000_000n });
    expect(host.run('from_pod', b, reply()).retval).toBe(CONTINUE);
    expect(host.flows('flows_new')).toMatchObject([{ openerEndpoint: a.id, responderEndpoint: b.id, path: 0 }]);
  });

  test('a SYN gets no such grace', () => {
    host.setPod(b, { ingress: RuleSet.OPEN, egress: RULES });
    host.commit({ graceUntilNs: process.hrtime.bigint() + 60_000_000_000n });
    expectDrop('from_pod', b, sent(b, a.ipv4, TCP, tcp(80, 4000, SYN)), Reason.POLICY);
  });
});

describe('timeouts', () => {
  test('an unanswered flow is forgotten after its time', async () => {
    using short = new LoadedPrograms({ other_opening_timeout_ns: 20_000_000n });
    short.setPod(short.a, { ingress: RuleSet.OPEN, egress: RuleSet.OPEN });
    short.setPod(short.b, { ingress: RuleSet.OPEN, egress: RULES });
    short.run('from_pod', short.a, sent(short.a, short.b.ipv4, UDP, udp(4000, 53)));
    const answer = sent(short.b, short.a.ipv4, UDP, udp(53, 4000));
    const opened = process.hrtime.bigint();
    while (process.hrtime.bigint() - opened < 25_000_000n) await new Promise(setImmediate);
    expect(short.run('from_pod', short.b, answer).retval).toBe(SHOT);
  });
});
