/** Packets on their ways: between pods of one node, to another node, from and to the nodes themselves and outside. */
import { beforeAll, describe, expect, onTestFailed, test } from 'vitest';
import { PacketCounts } from '../support/agent-status.ts';
import type { ClusterHost } from '../support/cluster-host.ts';
import { TcpFlow, UdpFlow } from '../support/flow.ts';
import { isolation, policyManifest } from '../support/policy-manifest.ts';
import { PATIENCE_MS, SILENCE_MS } from '../support/probe.ts';
import { isCutOff, reaches, startTrio, targetOf, withPolicies } from '../support/trio.ts';

const MEGABYTE = 1024 * 1024;
/** Data of the largest datagrams whose answers, with the name in front, fit an MTU of 1500. */
const DATAGRAM_BYTES = { ipv4: 1472 - 'x/b '.length, ipv6: 1452 - 'x/b '.length } as const;
/** After a denial TCP repeats its segment at growing intervals. */
const RESUMED_MS = 10_000;
/** A megabyte there and back, in segments of at most 64 KiB. */
const MOVED_PACKETS_MIN = 20;
/** What the node itself says to its pods meanwhile: listener reports, neighbour solicitations. */
const NOISE_PACKETS_MAX = 10;
const BOTH = ['Ingress', 'Egress'] as const;

let cluster: ClusterHost;

beforeAll(async () => {
  cluster = await startTrio();
  return () => cluster.close();
});

function showLogsOnFailure(): void {
  onTestFailed(() => {
    console.error(cluster.logTails());
  });
}

function openTcp(from: string, to: string, family: 'ipv4' | 'ipv6' = 'ipv4'): Promise<TcpFlow> {
  return TcpFlow.open(cluster.pod(`x/${from}`).netns, targetOf(cluster, to, 'TCP', family), PATIENCE_MS);
}

function openUdp(from: string, to: string, family: 'ipv4' | 'ipv6' = 'ipv4'): Promise<UdpFlow> {
  return UdpFlow.open(cluster.pod(`x/${from}`).netns, targetOf(cluster, to, 'UDP', family));
}

describe('paths', () => {
  test('without policies everybody reaches everybody, beside the rules of kube-proxy and Docker', async () => {
    showLogsOnFailure();
    const names = ['a', 'b', 'c', 'node-a', 'node-b', 'outside'];
    const pairs = names.flatMap((from) => names.filter((to) => to !== from).map((to) => ({ from, to })));
    const answers = await Promise.all(pairs.map(({ from, to }) => reaches(cluster, from, to)));
    expect(pairs.filter((_, index) => answers[index] !== true)).toEqual([]);
  });

  test('pods of one node talk straight into one another, past the stack', async () => {
    showLogsOnFailure();
    const before = await PacketCounts.read(cluster.agent(0).client);
    using flow = await openTcp('a', 'b');
    expect(await flow.exchange(MEGABYTE, PATIENCE_MS)).toBe(true);
    const after = await PacketCounts.read(cluster.agent(0).client);
    expect(after.of('forwarded_peer') - before.of('forwarded_peer')).toBeGreaterThan(MOVED_PACKETS_MIN);
    expect(after.of('forwarded_stack') - before.of('forwarded_stack')).toBeLessThan(NOISE_PACKETS_MAX);
  });

  test('a pod of another node is reached by way of the stack', async () => {
    showLogsOnFailure();
    const before = await PacketCounts.read(cluster.agent(0).client);
    using flow = await openTcp('a', 'c');
    expect(await flow.exchange(MEGABYTE, PATIENCE_MS)).toBe(true);
    const after = await PacketCounts.read(cluster.agent(0).client);
    expect(after.of('forwarded_stack') - before.of('forwarded_stack')).toBeGreaterThan(MOVED_PACKETS_MIN);
    // The last segments of the flow before may still be on their way.
    expect(after.of('forwarded_peer') - before.of('forwarded_peer')).toBeLessThan(NOISE_PACKETS_MAX);
  });

  test.each([
    { from: 'a', to: 'b', family: 'ipv4' as const },
    { from: 'a', to: 'b', family: 'ipv6' as const },
    { from: 'a', to: 'c', family: 'ipv4' as const },
    { from: 'c', to: 'a', family: 'ipv6' as const },
  ])('$family from $from to $to: megabytes over TCP and full datagrams over UDP, both ways', async (way) => {
    showLogsOnFailure();
    using tcp = await openTcp(way.from, way.to, way.family);
    expect(await tcp.exchange(8 * MEGABYTE, RESUMED_MS)).toBe(true);
    using udp = await openUdp(way.from, way.to, way.family);
    expect(await udp.exchange(DATAGRAM_BYTES[way.family], PATIENCE_MS)).toBe(true);
  });
});

describe('nodes and the pod itself', () => {
  test('NP-80, NP-82: a pod closed to all is reached from its own node and from no other', async () => {
    showLogsOnFailure();
    await withPolicies(cluster, [isolation('x', BOTH)], async () => {
      expect(await reaches(cluster, 'node-a', 'a')).toBe(true);
      expect(await isCutOff(cluster, 'node-b', 'a')).toBe(true);
      expect(await isCutOff(cluster, 'outside', 'a')).toBe(true);
    });
  });

  test('NP-81: a pod that may send nowhere reaches its own node and no other', async () => {
    showLogsOnFailure();
    await withPolicies(cluster, [isolation('x', BOTH)], async () => {
      expect(await reaches(cluster, 'a', 'node-a')).toBe(true);
      expect(await isCutOff(cluster, 'a', 'node-b')).toBe(true);
      expect(await isCutOff(cluster, 'a', 'outside')).toBe(true);
    });
  });

  test('NP-82: another node is let in by an ipBlock of its address', async () => {
    showLogsOnFailure();
    const { ipv4, ipv6 } = cluster.node(1).addresses;
    const from = [{ ipBlock: { cidr: `${ipv4}/32` } }, { ipBlock: { cidr: `${ipv6}/128` } }];
    const policy = policyManifest('x', 'node-b', { podSelector: {}, ingress: [{ from }] });
    await withPolicies(cluster, [policy], async () => {
      expect(await reaches(cluster, 'node-b', 'a')).toBe(true);
      expect(await isCutOff(cluster, 'outside', 'a')).toBe(true);
    });
  });

  test('NP-85: a pod closed in both directions reaches itself', async () => {
    showLogsOnFailure();
    await withPolicies(cluster, [isolation('x', BOTH)], async () => {
      expect(await reaches(cluster, 'a', 'a')).toBe(true);
      expect(await isCutOff(cluster, 'a', 'b')).toBe(true);
    });
  });
});

describe.each([
  { title: 'on one node', server: 'b' },
  { title: 'between nodes', server: 'c' },
])('flows $title', ({ server }) => {
  test('NP-100: a pod that may not send answers, and a pod that may not receive gets its answers', async () => {
    showLogsOnFailure();
    await withPolicies(cluster, [isolation('x', ['Egress'], server), isolation('x', ['Ingress'], 'a')], async () => {
      expect(await reaches(cluster, 'a', server)).toBe(true);
      expect(await isCutOff(cluster, server, 'a')).toBe(true);
    });
  });

  test('NP-102, NP-103: a new denial cuts a TCP connection under way; allowed again, it loses nothing', async () => {
    showLogsOnFailure();
    using flow = await openTcp('a', server);
    expect(await flow.exchange(1000, PATIENCE_MS)).toBe(true);
    await withPolicies(cluster, [isolation('x', ['Ingress'], server)], async () => {
      expect(await flow.exchange(1000, SILENCE_MS)).toBe(false);
    });
    expect(await flow.exchange(1000, RESUMED_MS)).toBe(true);
  });

  test('NP-102: a denial at the sender cuts as well as one at the receiver', async () => {
    showLogsOnFailure();
    using flow = await openTcp('a', server);
    expect(await flow.exchange(1000, PATIENCE_MS)).toBe(true);
    await withPolicies(cluster, [isolation('x', ['Egress'], 'a')], async () => {
      expect(await flow.exchange(1000, SILENCE_MS)).toBe(false);
    });
  });

  test('NP-102, NP-103: a new denial cuts a UDP flow under way; allowed again, the same tuple passes', async () => {
    showLogsOnFailure();
    using flow = await openUdp('a', server);
    expect(await flow.exchange(100, PATIENCE_MS)).toBe(true);
    await withPolicies(cluster, [isolation('x', ['Ingress'], server)], async () => {
      expect(await flow.exchange(100, SILENCE_MS)).toBe(false);
    });
    expect(await flow.exchange(100, PATIENCE_MS)).toBe(true);
  });

  test('NP-103: a UDP tuple that was denied from its first datagram passes once it is allowed', async () => {
    showLogsOnFailure();
    using flow = await openUdp('a', server);
    await withPolicies(cluster, [isolation('x', ['Ingress'], server)], async () => {
      expect(await flow.exchange(100, SILENCE_MS)).toBe(false);
    });
    expect(await flow.exchange(100, PATIENCE_MS)).toBe(true);
  });
});
