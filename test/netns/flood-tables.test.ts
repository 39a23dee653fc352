/**
 * Floods of the flow tables, through the real programs with tables of a thirty-second part of their default size and
 * as small a share of them for one endpoint: what others have established stays, and stays known.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { Limit, RuleSet } from '../../src/kernel/abi.gen.ts';
import { withNetns } from '../../src/kernel/namespace.ts';
import { progRun } from '../../src/kernel/prog-run.ts';
import { LoadedPrograms, type TestPod } from '../support/loaded-programs.ts';
import { ACK, frame, SYN, TCP, tcp, UDP, udp } from '../support/packet.ts';

const SHOT = 2;
const SCALE = 32;
const LIVE = Limit.LIMIT_FLOWS_LIVE / SCALE;
const NEW = Limit.LIMIT_FLOWS_NEW / SCALE;
const FLOWS_MAX = Limit.LIMIT_ENDPOINT_FLOWS / SCALE;
const TIMES = 10;
const IDLE = 1_000;
const RULES = 5;
const RUN_TIMEOUT_MS = 60_000;

let host: LoadedPrograms;
/** Two that work together, and two whose flows are to survive. */
let attackers: readonly [TestPod, TestPod];
let client: TestPod;
let server: TestPod;

beforeAll(() => {
  host = new LoadedPrograms(
    { endpoint_flows_max: FLOWS_MAX },
    { flows_new: { maxEntries: NEW }, flows_live: { maxEntries: LIVE } },
  );
  attackers = [host.a, host.b];
  client = anotherPod(3);
  server = anotherPod(4);
});
beforeEach(() => {
  host.reset();
  for (const pod of [...attackers, client]) host.setPod(pod, { ingress: RuleSet.OPEN, egress: RuleSet.OPEN });
  // It may open nothing: what it sends passes only as a part of a flow that is known.
  host.setPod(server, { ingress: RuleSet.OPEN, egress: RULES });
});
afterAll(() => host[Symbol.dispose]());

function anotherPod(id: number): TestPod {
  const name = `pod${id}`;
  host.netns.exec('ip', 'link', 'add', name, 'type', 'veth', 'peer', 'name', `${name}-peer`);
  const ifindex = Number(host.netns.ip('link', 'show', name)[0]?.['ifindex']);
  const number = id + 1;
  const macs = { mac: `02:00:00:00:00:0${id}`, hostMac: `02:00:00:00:01:0${id}` };
  return { id, ifindex, peerClass: 10 + id, ipv4: `10.244.0.${number}`, ipv6: `fd00:244::${number}`, ...macs };
}

/** Frames of one direction, whose ports are written into the same bytes again and again. */
class Sender {
  readonly #pod: TestPod;
  readonly #frame: Buffer;
  readonly #program: number;

  constructor(from: TestPod, to: TestPod, protocol: number, payload: Uint8Array) {
    this.#pod = from;
    const macs = { sourceMac: from.mac, destinationMac: from.hostMac };
    this.#frame = Buffer.from(frame({ source: from.ipv4, destination: to.ipv4, protocol, payload, ...macs }));
    this.#program = host.object.program('from_pod');
  }

  /** Whether it passes. In the namespace of the interfaces. */
  send(sourcePort: number, destinationPort: number): boolean {
    this.#frame.writeUInt16BE(sourcePort, 34);
    this.#frame.writeUInt16BE(destinationPort, 36);
    return progRun(this.#program, { packet: this.#frame, ifindex: this.#pod.ifindex }).retval !== SHOT;
  }
}

function inNamespace<T>(run: () => T): T {
  return withNetns(host.netns.fd, run);
}

/** TCP flows from the client, answered by the server; then they are idle. */
function establishIdle(): void {
  const syn = new Sender(client, server, TCP, tcp(0, 0, SYN));
  const synAck = new Sender(server, client, TCP, tcp(0, 0, SYN | ACK));
  inNamespace(() => {
    for (let i = 0; i < IDLE; i += 1) expect(syn.send(10_000 + i, 80) && synAck.send(80, 10_000 + i)).toBe(true);
  });
}

/** How many of them the server can still answer on. */
function answered(): number {
  const ack = new Sender(server, client, TCP, tcp(0, 0, ACK));
  return inNamespace(() => Array.from({ length: IDLE }, (_, i) => ack.send(80, 10_000 + i)).filter(Boolean).length);
}

function liveFlowsOf(opener: TestPod): number {
  return host.flows('flows_live').filter(({ openerEndpoint }) => openerEndpoint === opener.id).length;
}

/** 60,000 source ports of each destination port. */
function portsOf(i: number): readonly [number, number] {
  return [1_000 + (i % 60_000), 1_000 + Math.floor(i / 60_000)];
}

describe(`beside ${IDLE} idle flows`, () => {
  test.each([
    ['TCP', TCP],
    ['UDP', UDP],
  ])(
    `two pods that answer one another ${TIMES} times as many %s flows as the table holds evict none of them`,
    (_, protocol) => {
      establishIdle();
      expect(answered()).toBe(IDLE);
      const [one, other] = attackers;
      const isTcp = protocol === TCP;
      const there = new Sender(one, other, protocol, isTcp ? tcp(0, 0, SYN) : udp(0, 0));
      const back = new Sender(other, one, protocol, isTcp ? tcp(0, 0, SYN | ACK) : udp(0, 0));
      inNamespace(() => {
        for (let i = 0; i < TIMES * LIVE; i += 1) {
          const [from, to] = portsOf(i);
          if (!there.send(from, to) || !back.send(to, from)) throw new Error(`flow ${i} of the flood did not pass`);
        }
      });
      expect(liveFlowsOf(client)).toBe(IDLE);
      expect(liveFlowsOf(one)).toBe(FLOWS_MAX);
      expect(answered()).toBe(IDLE);
      expect(host.flows('flows_new').length).toBeLessThanOrEqual(NEW);
    },
    RUN_TIMEOUT_MS,
  );

  test(
    `a flood of unanswered flows, ${TIMES} times as many as their table holds, evicts none of them`,
    () => {
      establishIdle();
      const flood = new Sender(attackers[0], attackers[1], TCP, tcp(0, 0, SYN));
      inNamespace(() => {
        for (let i = 0; i < TIMES * NEW; i += 1) flood.send(...portsOf(i));
      });
      expect(liveFlowsOf(client)).toBe(IDLE);
      expect(liveFlowsOf(attackers[0])).toBe(0);
      expect(answered()).toBe(IDLE);
    },
    RUN_TIMEOUT_MS,
  );

  test(
    'while such a flood goes on others open flows and are answered',
    () => {
      const flood = new Sender(attackers[0], attackers[1], TCP, tcp(0, 0, SYN));
      const syn = new Sender(client, server, TCP, tcp(0, 0, SYN));
      const synAck = new Sender(server, client, TCP, tcp(0, 0, SYN | ACK));
      inNamespace(() => {
        for (let i = 0; i < TIMES * NEW; i += 1) {
          flood.send(...portsOf(i));
          // The answer comes a hundred packets of the flood later.
          if (i % 100 === 0) expect(syn.send(10_000 + i / 100, 80)).toBe(true);
          if (i % 100 === 99) expect(synAck.send(80, 10_000 + (i - 99) / 100)).toBe(true);
        }
      });
      expect(liveFlowsOf(client)).toBe(Math.floor((TIMES * NEW) / 100));
    },
    RUN_TIMEOUT_MS,
  );
});

test('flows of a pod beyond its share still work, and its flows of before the flood too', () => {
  const [one, other] = attackers;
  const syn = new Sender(one, other, TCP, tcp(0, 0, SYN));
  const synAck = new Sender(other, one, TCP, tcp(0, 0, SYN | ACK));
  const ack = new Sender(one, other, TCP, tcp(0, 0, ACK));
  host.setPod(other, { ingress: RuleSet.OPEN, egress: RULES });
  inNamespace(() => {
    for (let i = 0; i < FLOWS_MAX + 100; i += 1)
      expect(syn.send(1_000 + i, 80) && synAck.send(80, 1_000 + i)).toBe(true);
    for (let i = 0; i < FLOWS_MAX + 100; i += 1)
      expect(ack.send(1_000 + i, 80) && synAck.send(80, 1_000 + i)).toBe(true);
  });
  expect(liveFlowsOf(one)).toBe(FLOWS_MAX);
});
