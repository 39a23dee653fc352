/** Packets to services through the loaded programs: what they become, what is judged, what comes back. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import {
  ConfigFlag,
  Direction,
  FlowFlag,
  FrontendFlag,
  Limit,
  PortClass,
  Reason,
  RuleSet,
} from '../../src/kernel/abi.gen.ts';
import { hashTuple, slotOf } from '../../src/service/choose.ts';
import { withChecksums, wrongChecksums } from '../support/frame-checksums.ts';
import { LoadedPrograms, type ProgramName, type TestPod } from '../support/loaded-programs.ts';
import {
  ACK,
  FIN,
  fragmentHeader,
  frame,
  icmp,
  ICMP,
  ICMPV6,
  ipPacket,
  RST,
  SCTP,
  SYN,
  TCP,
  tcp,
  UDP,
  udp,
} from '../support/packet.ts';
import {
  ageAffinities,
  removeBackend,
  setBackend,
  setFrontend,
  setServiceRange,
  type TestBackend,
  type TestFrontend,
  tupleOf,
} from '../support/service-tables.ts';

const CONTINUE = -1;
const SHOT = 2;
const REDIRECT = 7;
const RULES = 5;
const WEB = PortClass.FIRST;

let host: LoadedPrograms;
let a: TestPod;
let b: TestPod;

beforeAll(() => {
  host = new LoadedPrograms();
  ({ a, b } = host);
});
beforeEach(() => {
  host.commit({ flags: ConfigFlag.CONFIG_SERVICES });
  host.setPod(a, { ingress: RuleSet.OPEN, egress: RuleSet.OPEN });
  host.setPod(b, { ingress: RuleSet.OPEN, egress: RuleSet.OPEN });
});
afterEach(() => host.reset());
afterAll(() => host[Symbol.dispose]());

const FAMILIES = [
  {
    family: 'IPv4',
    vip: '10.96.0.10',
    other: '10.96.0.11',
    remote: '10.244.1.5',
    elsewhere: '10.96.0.99',
    router: '10.244.0.1',
  },
  {
    family: 'IPv6',
    vip: 'fd00:96::a',
    other: 'fd00:96::b',
    remote: 'fd00:244:1::5',
    elsewhere: 'fd00:96::99',
    router: 'fd00:244::1',
  },
] as const;

describe.each(FAMILIES)('$family', ({ vip, other, remote, elsewhere, router, family }) => {
  const ipOf = (pod: TestPod): string => (family === 'IPv4' ? pod.ipv4 : pod.ipv6);
  const icmpNumber = family === 'IPv4' ? ICMP : ICMPV6;
  const local = (): TestBackend => ({ id: 1, address: ipOf(b), port: 8080 });
  const far: TestBackend = { id: 2, address: remote, port: 8080 };
  const service = (backends: readonly TestBackend[], more: Partial<TestFrontend> = {}): void =>
    setFrontend(host, { id: 7, address: vip, port: 80, protocol: TCP, backends, ...more });

  const packet = (
    source: string,
    destination: string,
    protocol: number,
    payload: Uint8Array,
    pod: TestPod,
    isSent: boolean,
    more = {},
  ): Uint8Array =>
    withChecksums(
      frame({
        source,
        destination,
        sourceMac: isSent ? pod.mac : pod.hostMac,
        destinationMac: isSent ? pod.hostMac : pod.mac,
        protocol,
        payload,
        ...more,
      }),
    );
  const sent = (pod: TestPod, destination: string, protocol: number, payload: Uint8Array, more = {}): Uint8Array =>
    packet(ipOf(pod), destination, protocol, payload, pod, true, more);
  const received = (pod: TestPod, source: string, protocol: number, payload: Uint8Array): Uint8Array =>
    packet(source, ipOf(pod), protocol, payload, pod, false);

  /** Runs it and holds it to right checksums, whatever became of it. */
  function run(
    program: ProgramName,
    pod: TestPod,
    bytes: Uint8Array,
    ingressIfindex = 0,
  ): { retval: number; packet: Uint8Array } {
    const result = host.run(program, pod, bytes, ingressIfindex);
    if (result.retval !== SHOT) expect(wrongChecksums(result.packet)).toEqual([]);
    return result;
  }

  function expectDrop(
    pod: TestPod,
    bytes: Uint8Array,
    reason: Reason,
    direction: Direction = Direction.EGRESS,
    program: ProgramName = 'from_pod',
    ingressIfindex = 0,
  ): void {
    const before = host.counted(reason, direction);
    expect(run(program, pod, bytes, ingressIfindex).retval).toBe(SHOT);
    expect(host.counted(reason, direction) - before).toBe(1);
  }

  const syn = (sourcePort = 4000): Uint8Array => sent(a, vip, TCP, tcp(sourcePort, 80, SYN));

  describe('a flow to a backend of this node', () => {
    test('goes straight to the backend and comes back as from the service', () => {
      service([local()]);
      const request = run('from_pod', a, syn());
      expect(request.retval).toBe(REDIRECT);
      expect(tupleOf(request.packet)).toEqual({
        source: ipOf(a),
        sourcePort: 4000,
        destination: ipOf(b),
        destinationPort: 8080,
      });
      const answer = run('from_pod', b, sent(b, ipOf(a), TCP, tcp(8080, 4000, SYN | ACK)));
      expect(answer.retval).toBe(REDIRECT);
      expect(tupleOf(answer.packet)).toEqual({
        source: vip,
        sourcePort: 80,
        destination: ipOf(a),
        destinationPort: 4000,
      });
      const next = run('from_pod', a, sent(a, vip, TCP, tcp(4000, 80, ACK)));
      expect(tupleOf(next.packet).destination).toBe(ipOf(b));
    });

    test('by the stack it is translated back only at the client', () => {
      host.setPod(b, { ingress: RuleSet.OPEN, egress: RuleSet.OPEN, flags: 1 });
      service([local()]);
      const request = run('from_pod', a, syn());
      expect(request.retval).toBe(CONTINUE);
      expect(tupleOf(request.packet).destination).toBe(ipOf(b));
      expect(run('to_pod', b, received(b, ipOf(a), TCP, tcp(4000, 8080, SYN)), a.ifindex).retval).toBe(CONTINUE);
      const answer = run('from_pod', b, sent(b, ipOf(a), TCP, tcp(8080, 4000, SYN | ACK)));
      expect(tupleOf(answer.packet).source).toBe(ipOf(b));
      const back = run('to_pod', a, received(a, ipOf(b), TCP, tcp(8080, 4000, SYN | ACK)), b.ifindex);
      expect(back.retval).toBe(CONTINUE);
      expect(tupleOf(back.packet)).toEqual({
        source: vip,
        sourcePort: 80,
        destination: ipOf(a),
        destinationPort: 4000,
      });
    });

    test('both entries move among the answered flows, and back when it ends', () => {
      service([local()]);
      run('from_pod', a, syn());
      expect(host.flows('flows_new')).toHaveLength(2);
      run('from_pod', b, sent(b, ipOf(a), TCP, tcp(8080, 4000, SYN | ACK)));
      run('from_pod', a, sent(a, vip, TCP, tcp(4000, 80, ACK)));
      expect(host.flows('flows_live')).toHaveLength(2);
      expect(host.flows('flows_live').filter(({ flags }) => flags & FlowFlag.FLOW_FRONTEND)).toHaveLength(1);
      run('from_pod', b, sent(b, ipOf(a), TCP, tcp(8080, 4000, RST)));
      expect(host.flows('flows_live')).toHaveLength(0);
    });
  });

  describe('a flow to a backend of another node', () => {
    beforeEach(() => {
      host.setAddress(remote, { classNew: 20 });
      service([far]);
    });

    test('NP-66: egress is judged on the backend and its port', () => {
      host.setPod(a, { ingress: RuleSet.OPEN, egress: RULES });
      host.setRow(RULES, 20, [WEB]);
      expectDrop(a, syn(), Reason.POLICY);
      expect(host.flows('flows_new')).toHaveLength(0);
      host.setPortClass(0, 8080, WEB);
      const allowed = run('from_pod', a, syn());
      expect(allowed.retval).toBe(CONTINUE);
      expect(tupleOf(allowed.packet)).toMatchObject({ destination: remote, destinationPort: 8080 });
    });

    test('the answer is translated in to_pod, whatever ingress says', () => {
      host.setPod(a, { ingress: RuleSet.CLOSED, egress: RuleSet.OPEN });
      run('from_pod', a, syn());
      const back = run('to_pod', a, received(a, remote, TCP, tcp(8080, 4000, SYN | ACK)), host.uplink);
      expect(back.retval).toBe(CONTINUE);
      expect(tupleOf(back.packet)).toEqual({
        source: vip,
        sourcePort: 80,
        destination: ipOf(a),
        destinationPort: 4000,
      });
    });

    test('NP-66: a new denial cuts it', () => {
      run('from_pod', a, syn());
      host.commit({ generation: 2, flags: ConfigFlag.CONFIG_SERVICES });
      host.setPod(a, { ingress: RuleSet.OPEN, egress: RULES, generation: 2 });
      expectDrop(a, sent(a, vip, TCP, tcp(4000, 80, ACK)), Reason.POLICY);
    });

    test('a packet in the name of the service is not believed', () => {
      run('from_pod', a, syn());
      expectDrop(
        a,
        received(a, vip, TCP, tcp(80, 4000, SYN | ACK)),
        Reason.TRANSLATION,
        Direction.INGRESS,
        'to_pod',
        host.uplink,
      );
    });

    test('the flow survives the loss of the client entry', () => {
      run('from_pod', a, syn());
      const map = host.object.map('flows_new');
      for (const { key, value } of map.entries()) if (value[31]! & FlowFlag.FLOW_FRONTEND) map.delete(key);
      const next = run('from_pod', a, sent(a, vip, TCP, tcp(4000, 80, ACK)));
      expect(tupleOf(next.packet).destination).toBe(remote);
      expect(host.flows('flows_new')).toHaveLength(2);
    });

    test('a segment in the middle of nothing is left to the stack as it is', () => {
      const result = run('from_pod', a, sent(a, vip, TCP, tcp(4000, 80, ACK)));
      expect(result.retval).toBe(CONTINUE);
      expect(tupleOf(result.packet).destination).toBe(vip);
      expect(tupleOf(run('from_pod', a, syn()).packet).destination).toBe(remote);
    });
  });

  test('the backend is that of the hash', () => {
    const backends = Array.from({ length: 61 }, (_, i) => ({ id: i + 1, address: remote, port: 1000 + i }));
    service(backends, { firstSlot: 13 });
    for (let sourcePort = 5000; sourcePort < 5050; sourcePort += 1) {
      const hash = hashTuple({ source: ipOf(a), sourcePort, destinationPort: 80, protocol: 'TCP' });
      expect(tupleOf(run('from_pod', a, syn(sourcePort)).packet).destinationPort).toBe(1000 + slotOf(hash, 61));
    }
  });

  describe('SVC-24: session affinity', () => {
    const backends = Array.from({ length: 61 }, (_, i) => ({ id: i + 1, address: remote, port: 1000 + i }));
    const portReached = (sourcePort: number): number =>
      tupleOf(run('from_pod', a, syn(sourcePort)).packet).destinationPort;

    test('every flow of a client gets the backend of its first', () => {
      service(backends, { affinitySeconds: 60 });
      const first = portReached(5000);
      for (let sourcePort = 5001; sourcePort < 5020; sourcePort += 1) expect(portReached(sourcePort)).toBe(first);
    });

    test('another frontend has a memory of its own', () => {
      service(backends, { affinitySeconds: 60 });
      const first = portReached(5000);
      const port = 1000 + ((first - 1000 + 1) % 61);
      setFrontend(host, {
        id: 8,
        address: other,
        port: 80,
        protocol: TCP,
        backends: [{ id: 100, address: remote, port }],
        firstSlot: 100,
        affinitySeconds: 60,
      });
      expect(tupleOf(run('from_pod', a, sent(a, other, TCP, tcp(5001, 80, SYN))).packet).destinationPort).toBe(port);
      expect(portReached(5002)).toBe(first);
    });

    test('after the timeout, or without affinity, the hash decides again', () => {
      service(backends, { affinitySeconds: 60 });
      const first = portReached(5000);
      ageAffinities(host, 61);
      const reached = Array.from({ length: 20 }, (_, i) => portReached(5100 + i));
      expect(new Set(reached).size).toBe(1);
      service(backends);
      expect(new Set(Array.from({ length: 20 }, (_, i) => portReached(5200 + i))).size).toBeGreaterThan(5);
      const hash = hashTuple({ source: ipOf(a), sourcePort: 5100, destinationPort: 80, protocol: 'TCP' });
      expect(reached[0]).toBe(1000 + slotOf(hash, 61));
      expect(first).toBe(
        1000 + slotOf(hashTuple({ source: ipOf(a), sourcePort: 5000, destinationPort: 80, protocol: 'TCP' }), 61),
      );
    });

    test('use prolongs it', () => {
      service(backends, { affinitySeconds: 60 });
      const first = portReached(5000);
      for (const sourcePort of [5001, 5002, 5003]) {
        ageAffinities(host, 40);
        expect(portReached(sourcePort)).toBe(first);
      }
    });

    test('a backend that the frontend has no more is forgotten, also when it is behind another', () => {
      service(backends, { affinitySeconds: 60 });
      const first = portReached(5000);
      const gone = first - 1000 + 1;
      setBackend(host, backends[gone - 1]!, 8);
      const others = backends.map((backend) => (backend.id === gone ? backends[gone % 61]! : backend));
      service(others, { affinitySeconds: 60 });
      expect(portReached(5001)).not.toBe(first);
    });
  });

  describe('UDP', () => {
    const request = (sourcePort = 4000): Uint8Array => sent(a, vip, UDP, udp(sourcePort, 53));
    const dns = (backends: readonly TestBackend[]): void => service(backends, { port: 53, protocol: UDP });

    test('is translated both ways', () => {
      dns([far]);
      expect(tupleOf(run('from_pod', a, request()).packet)).toMatchObject({
        destination: remote,
        destinationPort: 8080,
      });
      const back = run('to_pod', a, received(a, remote, UDP, udp(8080, 4000)), host.uplink);
      expect(tupleOf(back.packet)).toMatchObject({ source: vip, sourcePort: 53, destinationPort: 4000 });
    });

    test('without a checksum it stays without', () => {
      dns([far]);
      const bare = withChecksums(
        frame({
          source: ipOf(a),
          destination: vip,
          sourceMac: a.mac,
          destinationMac: a.hostMac,
          protocol: UDP,
          payload: udp(4000, 53),
        }),
        true,
      );
      const { packet: out } = run('from_pod', a, bare);
      expect(tupleOf(out).destination).toBe(remote);
      expect(new DataView(out.buffer, out.byteOffset).getUint16((family === 'IPv4' ? 34 : 54) + 6)).toBe(0);
    });

    test('SVC-51: a backend that is gone is replaced within the flow', () => {
      dns([far]);
      run('from_pod', a, request());
      const next: TestBackend = { id: 3, address: ipOf(b), port: 53 };
      dns([next]);
      removeBackend(host, far.id);
      expect(tupleOf(run('from_pod', a, request()).packet).destination).toBe(ipOf(b));
      expect(tupleOf(run('from_pod', b, sent(b, ipOf(a), UDP, udp(53, 4000))).packet).source).toBe(vip);
    });

    test('an id that is another backend now is not believed', () => {
      dns([far]);
      run('from_pod', a, request());
      dns([{ id: far.id, address: ipOf(b), port: 53 }]);
      expect(tupleOf(run('from_pod', a, request()).packet).destination).toBe(ipOf(b));
    });

    test('SVC-52: a service that comes after the first packets is found', () => {
      expect(tupleOf(run('from_pod', a, request()).packet).destination).toBe(vip);
      dns([far]);
      expect(tupleOf(run('from_pod', a, request()).packet).destination).toBe(remote);
    });

    test('NP-104: fragments go to the backend of the first', () => {
      dns([far]);
      const data = new Uint8Array(24).fill(7);
      const fragment = (offset: number, more: boolean, body: Uint8Array): Uint8Array =>
        family === 'IPv4'
          ? frame({
              source: ipOf(a),
              destination: vip,
              sourceMac: a.mac,
              destinationMac: a.hostMac,
              protocol: UDP,
              payload: body,
              fragment: (more ? 0x2000 : 0) | (offset / 8),
              identification: 7,
            })
          : frame({
              source: ipOf(a),
              destination: vip,
              sourceMac: a.mac,
              destinationMac: a.hostMac,
              protocol: 44,
              payload: fragmentHeader(UDP, offset, more, 7, body),
            });
      const first = host.run('from_pod', a, fragment(0, true, udp(4000, 53, 16)));
      expect(first.retval).toBe(CONTINUE);
      const later = host.run('from_pod', a, fragment(24, false, data));
      expect(later.retval).toBe(CONTINUE);
      expect(tupleOf(later.packet).destination).toBe(remote);
      expect(later.packet.subarray(-24)).toEqual(data);
    });
  });

  describe('a backend that is gone', () => {
    const segment = (): Uint8Array => sent(a, vip, TCP, tcp(4000, 80, ACK));

    test('resets TCP', () => {
      service([far]);
      run('from_pod', a, syn());
      removeBackend(host, far.id);
      const before = host.counted(Reason.NO_BACKEND, Direction.EGRESS);
      const answer = run('from_pod', a, segment());
      expect(answer.retval).toBe(REDIRECT);
      expect(tupleOf(answer.packet)).toEqual({
        source: vip,
        sourcePort: 80,
        destination: ipOf(a),
        destinationPort: 4000,
      });
      expect(answer.packet[(family === 'IPv4' ? 34 : 54) + 13]).toBe(RST);
      expect(host.counted(Reason.NO_BACKEND, Direction.EGRESS) - before).toBe(1);
    });

    test('drains while its address is that of a known pod', () => {
      host.setAddress(remote, { classNew: 20 });
      service([far]);
      run('from_pod', a, syn());
      removeBackend(host, far.id);
      expect(tupleOf(run('from_pod', a, segment()).packet).destination).toBe(remote);
    });

    test('a SYN of the same tuple gets another', () => {
      service([far]);
      run('from_pod', a, syn());
      removeBackend(host, far.id);
      service([local()]);
      expect(tupleOf(run('from_pod', a, syn()).packet).destination).toBe(ipOf(b));
    });
  });

  describe('nothing behind it', () => {
    test('SVC-30: TCP is reset', () => {
      service([], { flags: FrontendFlag.FRONTEND_REJECT });
      const answer = run('from_pod', a, syn());
      expect(answer.retval).toBe(REDIRECT);
      expect(tupleOf(answer.packet)).toEqual({
        source: vip,
        sourcePort: 80,
        destination: ipOf(a),
        destinationPort: 4000,
      });
      expect(answer.packet[(family === 'IPv4' ? 34 : 54) + 13]).toBe(RST | ACK);
      const view = new DataView(answer.packet.buffer, answer.packet.byteOffset);
      expect(view.getUint32((family === 'IPv4' ? 34 : 54) + 8)).toBe(1);
    });

    test('SVC-30: UDP is answered as unreachable, with the packet quoted', () => {
      service([], { port: 53, protocol: UDP, flags: FrontendFlag.FRONTEND_REJECT });
      const request = sent(a, vip, UDP, udp(4000, 53, 400));
      const answer = run('from_pod', a, request);
      expect(answer.retval).toBe(REDIRECT);
      const transport = family === 'IPv4' ? 34 : 54;
      expect([...answer.packet.subarray(transport, transport + 2)]).toEqual(family === 'IPv4' ? [3, 3] : [1, 4]);
      expect(tupleOf(answer.packet, transport + 8)).toEqual(tupleOf(request));
      expect(answer.packet).toHaveLength(transport + 8 + transport - 14 + 8);
    });

    test('a reset and a short packet are answered as they can be', () => {
      service([], { flags: FrontendFlag.FRONTEND_REJECT });
      expectDrop(a, sent(a, vip, TCP, tcp(4000, 80, RST)), Reason.NO_BACKEND);
      service([], { id: 8, port: 9, protocol: UDP, flags: FrontendFlag.FRONTEND_REJECT });
      expect(run('from_pod', a, sent(a, vip, UDP, udp(4000, 9, 0))).retval).toBe(REDIRECT);
    });

    test('SVC-30: endpoints of other nodes only are not answered for', () => {
      service([], { flags: FrontendFlag.FRONTEND_DROP });
      expectDrop(a, syn(), Reason.TRAFFIC_POLICY);
    });

    test('SVC-1: what another proxy translates goes to the stack as it is', () => {
      setServiceRange(host, family === 'IPv4' ? '10.96.0.0' : 'fd00:96::', family === 'IPv4' ? 16 : 64);
      service([], { flags: FrontendFlag.FRONTEND_ELSEWHERE });
      const request = syn();
      const passed = run('from_pod', a, request);
      expect(passed.retval).toBe(CONTINUE);
      expect(tupleOf(passed.packet)).toEqual(tupleOf(request));
    });

    test('SVC-1: a flow whose service another proxy takes over opens anew through the stack', () => {
      service([far]);
      run('from_pod', a, syn());
      removeBackend(host, far.id);
      service([], { flags: FrontendFlag.FRONTEND_ELSEWHERE });
      const again = run('from_pod', a, syn());
      expect(again.retval).toBe(CONTINUE);
      expect(tupleOf(again.packet).destination).toBe(vip);
    });

    test("SVC-36: a port that the service has not is refused, an address that is nobody's dropped", () => {
      service([far]);
      setServiceRange(host, family === 'IPv4' ? '10.96.0.0' : 'fd00:96::', family === 'IPv4' ? 16 : 64);
      expect(run('from_pod', a, sent(a, vip, TCP, tcp(4000, 81, SYN))).retval).toBe(REDIRECT);
      expectDrop(a, sent(a, elsewhere, TCP, tcp(4000, 80, SYN)), Reason.NO_SUCH_SERVICE);
      const outside = family === 'IPv4' ? '192.0.2.1' : '2001:db8::1';
      expect(run('from_pod', a, sent(a, outside, TCP, tcp(4000, 80, SYN))).retval).toBe(CONTINUE);
    });

    test('an echo request to a service is answered as unreachable', () => {
      service([far]);
      const echo = sent(a, vip, icmpNumber, icmp(family === 'IPv4' ? 8 : 128, 0, 1));
      expect(run('from_pod', a, echo).retval).toBe(REDIRECT);
    });
  });

  describe('one backend behind two services', () => {
    beforeEach(() => {
      service([far]);
      setFrontend(host, {
        id: 8,
        address: other,
        port: 80,
        protocol: TCP,
        backends: [{ ...far, id: 9 }],
        firstSlot: 8,
      });
    });

    test('the second flow from one source port takes another, and gets its own answers', () => {
      expect(tupleOf(run('from_pod', a, syn()).packet).sourcePort).toBe(4000);
      const second = tupleOf(run('from_pod', a, sent(a, other, TCP, tcp(4000, 80, SYN))).packet);
      expect(second.destination).toBe(remote);
      expect(second.sourcePort).not.toBe(4000);
      expect(second.sourcePort).toBeGreaterThanOrEqual(Limit.SOURCE_PORT_FIRST);
      const again = tupleOf(run('from_pod', a, sent(a, other, TCP, tcp(4000, 80, ACK))).packet);
      expect(again.sourcePort).toBe(second.sourcePort);
      const answer = run('to_pod', a, received(a, remote, TCP, tcp(8080, second.sourcePort, SYN | ACK)), host.uplink);
      expect(tupleOf(answer.packet)).toEqual({
        source: other,
        sourcePort: 80,
        destination: ipOf(a),
        destinationPort: 4000,
      });
      const first = run('to_pod', a, received(a, remote, TCP, tcp(8080, 4000, SYN | ACK)), host.uplink);
      expect(tupleOf(first.packet).source).toBe(vip);
    });

    test('a packet straight to the backend is not mixed with it', () => {
      run('from_pod', a, syn());
      expectDrop(a, sent(a, remote, TCP, tcp(4000, 8080, SYN)), Reason.TRANSLATION);
      expect(run('from_pod', a, sent(a, remote, TCP, tcp(4001, 8080, SYN))).retval).toBe(CONTINUE);
    });

    test('SCTP keeps its ports, so the second flow is dropped', () => {
      const same: TestBackend = { id: 4, address: remote, port: 80 };
      service([same], { id: 9, protocol: SCTP });
      const backends = [{ ...same, id: 5 }];
      setFrontend(host, { id: 10, address: other, port: 80, protocol: SCTP, backends, firstSlot: 8 });
      const request = sent(a, vip, SCTP, udp(4000, 80, 8));
      const out = run('from_pod', a, request).packet;
      expect(tupleOf(out)).toMatchObject({ destination: remote, destinationPort: 80, sourcePort: 4000 });
      expectDrop(a, sent(a, other, SCTP, udp(4000, 80, 8)), Reason.TRANSLATION);
      service([far], { id: 11, port: 81, protocol: SCTP });
      expectDrop(a, sent(a, vip, SCTP, udp(4000, 81, 8)), Reason.TRANSLATION);
    });
  });

  describe('SVC-37, NP-86: a pod that is its own backend', () => {
    beforeEach(() => {
      host.setPod(a, { ingress: RuleSet.CLOSED, egress: RuleSet.CLOSED });
      service([{ id: 5, address: ipOf(a), port: 8080 }]);
    });

    test('sees the service as its peer on both sides', () => {
      const request = run('from_pod', a, syn());
      expect(request.retval).toBe(REDIRECT);
      expect(tupleOf(request.packet)).toEqual({
        source: vip,
        sourcePort: 4000,
        destination: ipOf(a),
        destinationPort: 8080,
      });
      const answer = run('from_pod', a, sent(a, vip, TCP, tcp(8080, 4000, SYN | ACK)));
      expect(answer.retval).toBe(REDIRECT);
      expect(tupleOf(answer.packet)).toEqual({
        source: vip,
        sourcePort: 80,
        destination: ipOf(a),
        destinationPort: 4000,
      });
      expect(tupleOf(run('from_pod', a, sent(a, vip, TCP, tcp(4000, 80, ACK))).packet).destinationPort).toBe(8080);
      run('from_pod', a, sent(a, vip, TCP, tcp(8080, 4000, FIN | ACK)));
      run('from_pod', a, sent(a, vip, TCP, tcp(4000, 80, FIN | ACK)));
      expect(host.flows('flows_live')).toHaveLength(0);
    });

    test('from the very ports of both, too', () => {
      service([{ id: 5, address: ipOf(a), port: 80 }]);
      const request = run('from_pod', a, syn(80));
      const { sourcePort } = tupleOf(request.packet);
      expect(sourcePort).not.toBe(80);
      const answer = run('from_pod', a, sent(a, vip, TCP, tcp(80, sourcePort, SYN | ACK)));
      expect(tupleOf(answer.packet)).toEqual({
        source: vip,
        sourcePort: 80,
        destination: ipOf(a),
        destinationPort: 80,
      });
    });
  });

  test('a packet from elsewhere with the tuple of a pod that is its own backend is dropped', () => {
    service([{ id: 1, address: ipOf(a), port: 8080 }]);
    run('from_pod', a, syn());
    expectDrop(
      a,
      received(a, vip, TCP, tcp(4000, 8080, ACK)),
      Reason.TRANSLATION,
      Direction.INGRESS,
      'to_pod',
      host.uplink,
    );
  });

  test('UDP moves on when its backend is left to another frontend only', () => {
    service([far], { port: 53, protocol: UDP });
    const ask = (): Uint8Array => sent(a, vip, UDP, udp(4000, 53));
    run('from_pod', a, ask());
    service([{ id: 3, address: ipOf(b), port: 53 }], { port: 53, protocol: UDP });
    setBackend(host, far, 8);
    expect(tupleOf(run('from_pod', a, ask()).packet).destination).toBe(ipOf(b));
  });

  test('protocol 0 to an address of a service is answered like any port that it has not', () => {
    service([far]);
    const before = host.counted(Reason.NO_SUCH_SERVICE, Direction.EGRESS);
    run('from_pod', a, sent(a, vip, family === 'IPv4' ? 0 : 59, new Uint8Array(8)));
    expect(host.counted(Reason.NO_SUCH_SERVICE, Direction.EGRESS)).toBe(before + 1);
  });

  describe('ICMP errors', () => {
    const unreachable = family === 'IPv4' ? [3, 3] : [1, 4];
    const transport = family === 'IPv4' ? 34 : 54;
    /** An error about `quoted`, a frame. */
    const error = (quoted: Uint8Array): Uint8Array => icmp(unreachable[0]!, unreachable[1]!, 0, ipPacket(quoted));

    test('of a router about the translated packet name the service', () => {
      service([far]);
      const { packet: out } = run('from_pod', a, syn());
      const back = run('to_pod', a, received(a, router, icmpNumber, error(out)), host.uplink);
      expect(back.retval).toBe(CONTINUE);
      expect(tupleOf(back.packet, transport + 8)).toEqual({
        source: ipOf(a),
        sourcePort: 4000,
        destination: vip,
        destinationPort: 80,
      });
      expect(tupleOf(back.packet).source).toBe(router);
    });

    test('of a backend of this node likewise, on its way straight to the client', () => {
      service([local()], { protocol: UDP });
      const { packet: out } = run('from_pod', a, sent(a, vip, UDP, udp(4000, 80)));
      const back = run('from_pod', b, sent(b, ipOf(a), icmpNumber, error(out)));
      expect(back.retval).toBe(REDIRECT);
      expect(tupleOf(back.packet, transport + 8)).toMatchObject({ destination: vip, destinationPort: 80 });
    });

    test('of the client about an answer reach the backend', () => {
      service([far], { protocol: UDP });
      run('from_pod', a, sent(a, vip, UDP, udp(4000, 80)));
      const { packet: answer } = run('to_pod', a, received(a, remote, UDP, udp(8080, 4000)), host.uplink);
      const result = run('from_pod', a, sent(a, vip, icmpNumber, error(answer)));
      expect(result.retval).toBe(CONTINUE);
      expect(tupleOf(result.packet).destination).toBe(remote);
      expect(tupleOf(result.packet, transport + 8)).toEqual({
        source: remote,
        sourcePort: 8080,
        destination: ipOf(a),
        destinationPort: 4000,
      });
    });

    test('of a pod that is its own backend come back to it', () => {
      service([{ id: 5, address: ipOf(a), port: 8080 }], { protocol: UDP });
      const { packet: request } = run('from_pod', a, sent(a, vip, UDP, udp(4000, 80)));
      const back = run('from_pod', a, sent(a, vip, icmpNumber, error(request)));
      expect(back.retval).toBe(REDIRECT);
      expect(tupleOf(back.packet)).toMatchObject({ source: vip, destination: ipOf(a) });
      expect(tupleOf(back.packet, transport + 8)).toEqual({
        source: ipOf(a),
        sourcePort: 4000,
        destination: vip,
        destinationPort: 80,
      });
    });
  });

  test('without the flag no service is looked for', () => {
    service([far]);
    host.commit({ flags: 0 });
    expect(tupleOf(run('from_pod', a, syn()).packet).destination).toBe(vip);
  });

  test('a translated flow counts for its two entries', () => {
    service([far]);
    run('from_pod', a, syn());
    run('to_pod', a, received(a, remote, TCP, tcp(8080, 4000, SYN | ACK)), host.uplink);
    const usage = [...host.object.map('endpoint_usage').entries()].map(
      ({ value }) => new Uint32Array(value.slice(64, 128).buffer),
    );
    expect(usage.map((parts) => parts.reduce((total, n) => total + n, 0))).toEqual([Limit.SERVICE_FLOW_CHARGE]);
  });
});
