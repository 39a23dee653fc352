/** The cases of TCP's life that a follower of flows gets wrong, and changes of the tables between two packets of a flow. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import * as abi from '../../src/kernel/abi.gen.ts';
import { Direction, FlowFlag, FlowPath, PortClass, Reason, RuleSet } from '../../src/kernel/abi.gen.ts';
import { LoadedPrograms, type ProgramName, type TestPod } from '../support/loaded-programs.ts';
import { ACK, FIN, frame, RST, SYN, TCP, tcp, UDP, udp } from '../support/packet.ts';

const CONTINUE = -1;
const SHOT = 2;
const REDIRECT = 7;
const RULES = 5;
const HTTP = PortClass.FIRST;

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

const FAMILIES = ['ipv4', 'ipv6'] as const;
type FamilyName = (typeof FAMILIES)[number];

function between(from: TestPod, to: TestPod, family: FamilyName, protocol: number, payload: Uint8Array): Uint8Array {
  const macs = { sourceMac: from.mac, destinationMac: from.hostMac };
  return frame({ source: from[family], destination: to[family], protocol, payload, ...macs });
}

function dropped(program: ProgramName, pod: TestPod, packet: Uint8Array, ingress = 0): [string, number] {
  const names = Object.entries(Reason).filter(([name]) => name !== 'COUNT');
  const cells = names.flatMap(([name, reason]) =>
    [Direction.EGRESS, Direction.INGRESS].map((direction) => ({ name, reason, direction })),
  );
  const before = cells.map(({ reason, direction }) => host.counted(reason, direction));
  expect(host.run(program, pod, packet, ingress).retval).toBe(SHOT);
  const moved = cells.filter(({ reason, direction }, i) => host.counted(reason, direction) !== before[i]);
  expect(moved).toHaveLength(1);
  return [moved[0]!.name, moved[0]!.direction];
}

describe.each(FAMILIES)('%s', (family) => {
  const forth = (flags: number, port = 80): Uint8Array => between(a, b, family, TCP, tcp(4000, port, flags));
  const back = (flags: number, port = 80): Uint8Array => between(b, a, family, TCP, tcp(port, 4000, flags));
  const passForth = (flags: number): void => expect(host.run('from_pod', a, forth(flags)).retval).toBe(REDIRECT);
  const passBack = (flags: number): void => expect(host.run('from_pod', b, back(flags)).retval).toBe(REDIRECT);
  const establish = (): void => {
    passForth(SYN);
    passBack(SYN | ACK);
    passForth(ACK);
  };
  const deny = (pod: TestPod, generation: number): void => {
    host.setPod(pod, { ingress: RULES, egress: RULES, generation });
    host.commit({ generation });
  };

  describe('port re-use', () => {
    test('after both ends said FIN, a SYN of the same ports is a new flow: denied when the policy is another by then', () => {
      establish();
      passForth(FIN | ACK);
      passBack(FIN | ACK);
      passForth(ACK);
      expect(host.flows('flows_live')).toHaveLength(0);
      deny(b, 2);
      expect(dropped('from_pod', a, forth(SYN))).toEqual(['POLICY', Direction.INGRESS]);
    });

    test('a flow that one end has closed goes on: a SYN sent again belongs to it', () => {
      establish();
      passForth(FIN | ACK);
      passBack(ACK);
      expect(host.flows('flows_live')).toHaveLength(1);
      passForth(SYN);
      expect(host.flows('flows_live')).toMatchObject([
        { flags: FlowFlag.FLOW_ANSWERED | FlowFlag.FLOW_CHARGED, openerEndpoint: a.id },
      ]);
    });

    test('the last ACK and late segments of a closed flow still pass, without opening anything', () => {
      host.setPod(b, { ingress: RuleSet.OPEN, egress: RULES });
      establish();
      passForth(FIN | ACK);
      passBack(FIN | ACK);
      passForth(ACK);
      passBack(ACK);
      expect(host.flows('flows_new')).toHaveLength(1);
    });

    test('a RST of either end closes: the next SYN of the opener is judged anew', () => {
      establish();
      passForth(RST);
      expect(host.flows('flows_new')).toMatchObject([{ flags: FlowFlag.FLOW_ANSWERED }]);
      deny(b, 2);
      expect(dropped('from_pod', a, forth(SYN))).toEqual(['POLICY', Direction.INGRESS]);
    });
  });

  describe('simultaneous open', () => {
    test('both SYN and both SYN-ACK pass where both may open', () => {
      passForth(SYN);
      passBack(SYN);
      passForth(SYN | ACK);
      passBack(SYN | ACK);
      passForth(ACK);
      expect(host.flows('flows_live')).toHaveLength(1);
      expect(host.flows('flows_new')).toHaveLength(0);
    });

    test('where only one may open, the SYN of the other is dropped and the flow is the first one', () => {
      host.setPod(a, { ingress: RULES, egress: RuleSet.OPEN });
      passForth(SYN);
      expect(dropped('from_pod', b, back(SYN))).toEqual(['POLICY', Direction.INGRESS]);
      passBack(SYN | ACK);
      expect(host.flows('flows_live')).toMatchObject([{ openerEndpoint: a.id, responderEndpoint: b.id }]);
    });
  });

  describe('without an entry', () => {
    test('an allowed ACK makes one, through the stack: the flow was not seen from its first packet', () => {
      expect(host.run('from_pod', a, forth(ACK)).retval).toBe(CONTINUE);
      expect(host.flows('flows_new')).toMatchObject([{ path: FlowPath.STACK, openerEndpoint: a.id }]);
    });

    test.each([
      ['SYN-ACK', SYN | ACK],
      ['RST', RST],
      ['RST-ACK', RST | ACK],
      ['SYN-RST', SYN | RST],
    ])('an allowed %s passes and leaves nothing that a reply could follow', (_, flags) => {
      host.setPod(b, { ingress: RuleSet.OPEN, egress: RULES });
      expect(host.run('from_pod', a, forth(flags)).retval).not.toBe(SHOT);
      expect(host.flows('flows_new')).toHaveLength(0);
      expect(dropped('from_pod', b, back(ACK))).toEqual(['POLICY', Direction.EGRESS]);
    });

    test('NP-101: the middle of a flow is judged as it stands, in the direction it goes', () => {
      host.setPod(b, { ingress: RuleSet.OPEN, egress: RULES });
      host.setPortClass(0, 80, HTTP);
      host.setRow(RULES, a.peerClass, [HTTP]);
      expect(dropped('from_pod', b, back(ACK))).toEqual(['POLICY', Direction.EGRESS]);
    });
  });

  describe('changes between two packets', () => {
    test('NP-102: a flow judged under g is judged again once g + 1 is in force, whichever packet comes first', () => {
      establish();
      host.setPod(b, { ingress: RULES, egress: RuleSet.OPEN, generation: 2 });
      host.commit({ generation: 2 });
      expect(dropped('from_pod', b, back(ACK))).toEqual(['POLICY', Direction.INGRESS]);
    });

    test('a packet that read g while g + 1 came in force leaves an entry that the next packet judges again', () => {
      host.setPod(b, { ingress: RuleSet.OPEN, egress: RuleSet.OPEN, generation: 1 });
      passForth(SYN);
      deny(b, 2);
      // The late packet writes its epoch and verdict of generation 1 behind the commit of 2.
      rewriteFlow((flow) => ({ ...flow, egressEpoch: 1, ingressEpoch: 1, ingressVerdict: abi.Verdict.ALLOW }));
      expect(dropped('from_pod', b, back(SYN | ACK))).toEqual(['POLICY', Direction.INGRESS]);
    });

    test('NP-103: a denied live flow keeps its entry and passes again when it is allowed, in its first direction', () => {
      establish();
      deny(b, 2);
      expect(dropped('from_pod', a, forth(ACK))).toEqual(['POLICY', Direction.INGRESS]);
      expect(dropped('from_pod', b, back(ACK))).toEqual(['POLICY', Direction.INGRESS]);
      expect(host.flows('flows_live')).toMatchObject([{ openerEndpoint: a.id, ingressVerdict: abi.Verdict.DENY }]);
      host.setPortClass(0, 80, HTTP);
      host.setRow(RULES, a.peerClass, [HTTP]);
      passBack(ACK);
      passForth(ACK);
    });

    test('each end is asked: what the sender allows and the receiver denies is cut, and the other way round', () => {
      establish();
      host.setPod(a, { ingress: RuleSet.OPEN, egress: RULES, generation: 2 });
      host.commit({ generation: 2 });
      expect(dropped('from_pod', b, back(ACK))).toEqual(['POLICY', Direction.EGRESS]);
      host.setPod(a, { ingress: RuleSet.OPEN, egress: RuleSet.OPEN, generation: 3 });
      host.setPod(b, { ingress: RULES, egress: RuleSet.OPEN, generation: 3 });
      host.commit({ generation: 3 });
      expect(dropped('from_pod', a, forth(ACK))).toEqual(['POLICY', Direction.INGRESS]);
    });

    test('an address that is not known any more closes its pod, for new flows and for those that are judged again', () => {
      establish();
      host.object.map('locals').delete(addressKey(a, family));
      passForth(ACK);
      host.commit({ generation: 2 });
      expect(dropped('from_pod', a, forth(ACK))).toEqual(['CLOSED', Direction.EGRESS]);
      expect(dropped('from_pod', a, forth(SYN, 81))).toEqual(['CLOSED', Direction.EGRESS]);
    });

    test('a pod is not reached by what is not addressed to it', () => {
      const stray = frame({
        source: family === 'ipv4' ? '192.0.2.9' : '2001:db8::9',
        destination: family === 'ipv4' ? '192.0.2.10' : '2001:db8::10',
        sourceMac: b.hostMac,
        destinationMac: b.mac,
        protocol: UDP,
        payload: udp(1, 2),
      });
      expect(dropped('to_pod', b, stray, host.uplink)).toEqual(['CLOSED', Direction.INGRESS]);
      expect(host.run('to_pod', b, stray).retval).toBe(CONTINUE);
    });
  });
});

function addressKey(pod: TestPod, family: FamilyName): Uint8Array {
  for (const { key } of host.object.map('locals').entries()) {
    const { family: number, address } = abi.decodeAddressKey(new DataView(key.buffer, key.byteOffset), 0);
    if (number === (family === 'ipv4' ? 4 : 6) && address[family === 'ipv4' ? 3 : 15] === pod.id + 1)
      return key.slice();
  }
  throw new Error(`no element for ${pod[family]}`);
}

/** The one entry among the unanswered flows. */
function rewriteFlow(change: (flow: abi.FlowValue) => abi.FlowValue): void {
  const map = host.object.map('flows_new');
  const [entry] = [...map.entries()];
  const view = new DataView(entry!.value.buffer, entry!.value.byteOffset);
  abi.encodeFlowValue(view, 0, change(abi.decodeFlowValue(view, 0)));
  map.update(entry!.key, entry!.value);
}
