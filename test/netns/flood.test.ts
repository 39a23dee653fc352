/**
 * A pod with raw sockets throws everything it has at a closed pod and at the tables: with real agents, interfaces and
 * stacks. What reaches the closed pod is counted on its own interface.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, onTestFailed, test } from 'vitest';
import { Limit } from '../../src/kernel/abi.gen.ts';
import { PacketCounts } from '../support/agent-status.ts';
import type { ClusterHost } from '../support/cluster-host.ts';
import { TcpFlow, UdpFlow } from '../support/flow.ts';
import { floodFrames, type FloodEnds, isNoise } from '../support/flood-frames.ts';
import { concat, frame, SYN, TCP, tcp, UDP, udp } from '../support/packet.ts';
import { PacketSocket } from '../support/packet-socket.ts';
import { POD_INTERFACE, type PodHost } from '../support/pod-host.ts';
import { isolation } from '../support/policy-manifest.ts';
import { PATIENCE_MS } from '../support/probe.ts';
import { reaches, startTrio, targetOf, withPolicies } from '../support/trio.ts';

const ROUNDS = 150;
/** For what is still on its way. */
const SETTLE_MS = 500;
const IDLE_FLOWS = 20;
const EXCHANGE_BYTES = 64;
const TAGGED = 10;

let cluster: ClusterHost;

beforeAll(async () => {
  cluster = await startTrio();
});
afterAll(async () => {
  await cluster.close();
});

function showLogsOnFailure(): void {
  onTestFailed(() => {
    console.error(cluster.logTails());
  });
}

/** Hardware addresses of a pod's end and of its gateway. */
function macsOf(pod: PodHost): { mac: string; hostMac: string } {
  const [own, host] = [true, false].map((isPod) =>
    pod.result.interfaces.find(({ sandbox }) => ((sandbox ?? '') !== '') === isPod),
  );
  if (own === undefined || host === undefined) throw new Error(`the result of ADD for ${pod.key} misses an interface`);
  return { mac: own.mac, hostMac: host.mac };
}

function endsOf(attacker: PodHost, victim: PodHost): FloodEnds {
  return {
    attacker: { ...attacker.addresses, ...macsOf(attacker) },
    victim: { ...victim.addresses, ...macsOf(victim) },
    others: [cluster.pod('x/c').addresses, attacker.node.addresses, cluster.external.addresses],
  };
}

/** Frames that came in by the victim's interface while `run` ran, but for noise. */
async function arrivedAt(victim: PodHost, ends: FloodEnds, run: () => void): Promise<string[]> {
  const arrived: string[] = [];
  using receiver = new PacketSocket(victim.netns, POD_INTERFACE);
  run();
  await receiver.sees((bytes) => {
    if (!isNoise(bytes, ends)) arrived.push(Buffer.from(bytes).toString('hex'));
    return false;
  }, SETTLE_MS);
  return arrived;
}

function throwAt(attacker: PodHost, ends: FloodEnds, rounds: number): number {
  let sent = 0;
  using sender = new PacketSocket(attacker.netns, POD_INTERFACE);
  for (let round = 0; round < rounds; round += 1) {
    for (const bytes of floodFrames(ends, round)) {
      sender.send(bytes);
      sent += 1;
    }
  }
  return sent;
}

async function countedAtAttacker(): Promise<number> {
  const counts = await PacketCounts.read(cluster.agent(0).client);
  const drops = [
    'policy',
    'source_address',
    'source_mac',
    'malformed',
    'ethertype',
    'arp',
    'fragment',
    'fragment_tiny',
  ];
  const quiet = [
    'neighbour_discovery',
    'multicast',
    'source_route',
    'extension_header',
    'v4_mapped',
    'fragment_overlap',
  ];
  return [...drops, ...quiet].reduce((sum, reason) => sum + counts.of(reason), 0);
}

describe.each([
  { title: 'a closed pod of the same node', victim: 'x/b', name: 'b' },
  { title: 'a closed pod of another node', victim: 'x/c', name: 'c' },
])('$title', ({ victim, name }) => {
  test('sees nothing of a flood of segments, fragments, errors, lies and tags', async () => {
    showLogsOnFailure();
    const [attacker, target] = [cluster.pod('x/a'), cluster.pod(victim)];
    const ends = endsOf(attacker, target);
    await withPolicies(cluster, [isolation('x', ['Ingress'], name)], async () => {
      const before = await countedAtAttacker();
      let sent = 0;
      const arrived = await arrivedAt(target, ends, () => {
        sent = throwAt(attacker, ends, ROUNDS);
      });
      expect(arrived).toEqual([]);
      expect(sent).toBeGreaterThan(5_000);
      // On its own node every one is dropped at the sender, with a reason; to another node some leave this one.
      if (name === 'b') expect((await countedAtAttacker()) - before).toBeGreaterThanOrEqual(sent * 0.9);
      expect(await reaches(cluster, name, 'a')).toBe(true);
    });
    expect(await reaches(cluster, 'a', name)).toBe(true);
  });

  test('an open one sees a part of the same flood', async () => {
    showLogsOnFailure();
    const [attacker, target] = [cluster.pod('x/a'), cluster.pod(victim)];
    const ends = endsOf(attacker, target);
    const arrived = await arrivedAt(target, ends, () => {
      throwAt(attacker, ends, 1);
    });
    expect(arrived.length).toBeGreaterThan(10);
  });
});

test('a VLAN tag, which the kernel takes off before the programs see the frame, is seen and dropped with a reason', async () => {
  showLogsOnFailure();
  const attacker = cluster.pod('x/a');
  const { mac, hostMac } = macsOf(attacker);
  const inner = frame({
    source: attacker.addresses.ipv4,
    destination: cluster.pod('x/b').addresses.ipv4,
    sourceMac: mac,
    destinationMac: hostMac,
    protocol: UDP,
    payload: udp(4_242, 80, 16),
  });
  const tagged = concat(inner.subarray(0, 12), Uint8Array.of(0x81, 0, 0, 5), inner.subarray(12));
  const { client } = cluster.agent(0);
  const before = (await PacketCounts.read(client)).of('ethertype');
  using sender = new PacketSocket(attacker.netns, POD_INTERFACE);
  for (let i = 0; i < TAGGED; i += 1) sender.send(tagged);
  expect((await PacketCounts.read(client)).of('ethertype') - before).toBe(TAGGED);
});

test('more unanswered flows than the table holds leave the established ones alone, and nothing takes them for new', async () => {
  showLogsOnFailure();
  const [attacker, server, client] = [cluster.pod('x/a'), cluster.pod('x/b'), cluster.pod('x/c')];
  const flood = Limit.LIMIT_FLOWS_NEW + 5_000;
  // The server may open nothing: its answers pass only as parts of flows that are known.
  await withPolicies(cluster, [isolation('x', ['Egress'], 'b')], async () => {
    await using flows = new AsyncDisposableStack();
    const tcpFlows = await Promise.all(
      Array.from({ length: IDLE_FLOWS }, () => TcpFlow.open(client.netns, targetOf(cluster, 'b', 'TCP'), PATIENCE_MS)),
    );
    for (const flow of tcpFlows) flows.use(flow);
    const udpFlow = flows.use(await UdpFlow.open(client.netns, targetOf(cluster, 'b', 'UDP')));
    expect(await udpFlow.exchange(EXCHANGE_BYTES, PATIENCE_MS)).toBe(true);
    synFlood(attacker, server, flood);
    await delay(SETTLE_MS);
    const answers = await Promise.all(tcpFlows.map((flow) => flow.exchange(EXCHANGE_BYTES, PATIENCE_MS)));
    expect(answers.filter(Boolean)).toHaveLength(IDLE_FLOWS);
    expect(await udpFlow.exchange(EXCHANGE_BYTES, PATIENCE_MS)).toBe(true);
    expect(await reaches(cluster, 'c', 'b')).toBe(true);
  });
});

/** SYNs to ports nobody listens on, each of another flow; the answers, RSTs, find no socket. */
function synFlood(attacker: PodHost, victim: PodHost, count: number): void {
  const { mac, hostMac } = macsOf(attacker);
  const bytes = Buffer.from(
    frame({
      source: attacker.addresses.ipv4,
      destination: victim.addresses.ipv4,
      sourceMac: mac,
      destinationMac: hostMac,
      protocol: TCP,
      payload: tcp(0, 0, SYN),
    }),
  );
  using sender = new PacketSocket(attacker.netns, POD_INTERFACE);
  for (let i = 0; i < count; i += 1) {
    bytes.writeUInt16BE(1_024 + (i % 50_000), 34);
    bytes.writeUInt16BE(20_000 + Math.floor(i / 50_000), 36);
    sender.send(bytes);
  }
}
