/**
 * A wire that is narrower than the pods' interfaces: packets that do not fit are answered by the node with ICMP errors,
 * which reach isolated pods, and datagrams then travel in fragments, which are followed. Beside kube-proxy's rules.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ClusterHost } from '../support/cluster-host.ts';
import { TcpFlow, UdpFlow } from '../support/flow.ts';
import { policyManifest } from '../support/policy-manifest.ts';
import { PATIENCE_MS } from '../support/probe.ts';
import { ipBatch } from '../support/run-command.ts';
import { startTrio, targetOf } from '../support/trio.ts';
import { WIRE_INTERFACE } from '../support/wire.ts';

const NARROW_MTU = 1380;
/** Fills the pods' interface, and not the wire. */
const DATAGRAM_BYTES = 1440;
const STREAM_BYTES = 2_000_000;
/** The first datagrams find out; their loss is what ICMP errors are for. */
const TRIES = 5;

let cluster: ClusterHost;

beforeAll(async () => {
  cluster = await startTrio();
  for (const { netns } of cluster.nodes) await ipBatch(netns, [`link set ${WIRE_INTERFACE} mtu ${NARROW_MTU}`]);
  // a may only be answered, b and c only be asked: errors and fragments have to belong to what is allowed.
  cluster.manifests.apply(
    policyManifest('x', 'asks', { podSelector: { matchLabels: { pod: 'a' } }, policyTypes: ['Ingress'] }),
  );
  cluster.manifests.apply(
    policyManifest('x', 'answers', {
      podSelector: { matchLabels: { pod: 'c' } },
      policyTypes: ['Ingress', 'Egress'],
      ingress: [
        {
          from: [{ podSelector: { matchLabels: { pod: 'a' } } }],
          ports: [
            { protocol: 'TCP', port: 80 },
            { protocol: 'UDP', port: 80 },
          ],
        },
      ],
    }),
  );
  await cluster.sync();
});
afterAll(() => cluster.close());

describe.each(['ipv4', 'ipv6'] as const)('%s, to the other node', (family) => {
  test('a stream finds its size', async () => {
    using flow = await TcpFlow.open(cluster.pod('x/a').netns, targetOf(cluster, 'c', 'TCP', family), PATIENCE_MS);
    expect(await flow.exchange(STREAM_BYTES, 4 * PATIENCE_MS)).toBe(true);
  });

  test('datagrams travel in fragments, both ways', async () => {
    using flow = await UdpFlow.open(cluster.pod('x/a').netns, targetOf(cluster, 'c', 'UDP', family));
    const answered: boolean[] = [];
    for (let i = 0; i < TRIES; i++) answered.push(await flow.exchange(DATAGRAM_BYTES, 500));
    expect(answered.slice(-2)).toEqual([true, true]);
  });

  test('datagrams larger than any interface too', async () => {
    using flow = await UdpFlow.open(cluster.pod('x/a').netns, targetOf(cluster, 'c', 'UDP', family));
    const answered: boolean[] = [];
    for (let i = 0; i < TRIES; i++) answered.push(await flow.exchange(9000, 500));
    expect(answered.slice(-2)).toEqual([true, true]);
  });
});

test.each(['ipv4', 'ipv6'] as const)(
  '%s, on one node: fragments go straight into the other namespace',
  async (family) => {
    using flow = await UdpFlow.open(cluster.pod('x/a').netns, targetOf(cluster, 'b', 'UDP', family));
    expect(await flow.exchange(9000, PATIENCE_MS)).toBe(true);
  },
);
