/** Policies between nodes whose packets go by tunnel: agents with programs, judged by who sent and not by who carried. */
import { beforeAll, expect, onTestFailed, test } from 'vitest';
import type { AgentStatus } from '../../src/agent/status.ts';
import type { ClusterHost } from '../support/cluster-host.ts';
import { isolation, policyManifest } from '../support/policy-manifest.ts';
import { PATIENCE_MS } from '../support/probe.ts';
import { TcpFlow } from '../support/flow.ts';
import { isCutOff, reaches, startTrio, targetOf, withPolicies } from '../support/trio.ts';

const MEGABYTE = 1024 * 1024;

let cluster: ClusterHost;

beforeAll(async () => {
  cluster = await startTrio('auto', ['--routing', 'vxlan']);
  return () => cluster.close();
});

function showLogsOnFailure(): void {
  onTestFailed(() => {
    console.error(cluster.logTails());
  });
}

const INGRESS = ['Ingress'] as const;

function ingress(from: object): ReturnType<typeof policyManifest> {
  return policyManifest('x', 'allow', { podSelector: { matchLabels: { pod: 'c' } }, ingress: [{ from: [from] }] });
}

test('without policies everybody reaches everybody, each by tunnel, and large streams pass', async () => {
  showLogsOnFailure();
  const names = ['a', 'c', 'node-a', 'node-b', 'outside'];
  const pairs = names.flatMap((from) => names.filter((to) => to !== from).map((to) => ({ from, to })));
  const answers = await Promise.all(pairs.map(({ from, to }) => reaches(cluster, from, to)));
  expect(pairs.filter((_, index) => answers[index] !== true)).toEqual([]);
  using flow = await TcpFlow.open(cluster.pod('x/a').netns, targetOf(cluster, 'c', 'TCP'), PATIENCE_MS);
  expect(await flow.exchange(MEGABYTE, PATIENCE_MS)).toBe(true);
  const status = (await cluster.agent(0).client.get('/v1/status')) as AgentStatus;
  expect(status.routing.nodes.map(({ kind }) => kind)).toEqual(['vxlan', 'vxlan']);
  expect(status.objectProblems).toEqual([]);
  expect(cluster.pod('x/a').netns.ip('link', 'show', 'eth0')).toMatchObject([{ mtu: 1450 }]);
});

test('NP-20: the receiver knows a sender on another node by its own address', async () => {
  showLogsOnFailure();
  const policies = [isolation('x', INGRESS, 'c'), ingress({ podSelector: { matchLabels: { pod: 'a' } } })];
  await withPolicies(cluster, policies, async () => {
    expect(await reaches(cluster, 'a', 'c')).toBe(true);
    expect(await isCutOff(cluster, 'b', 'c')).toBe(true);
  });
});

test('NP-82: what another node itself sends by tunnel is judged as that node', async () => {
  showLogsOnFailure();
  await withPolicies(cluster, [isolation('x', INGRESS, 'c')], async () => {
    expect(await isCutOff(cluster, 'node-a', 'c')).toBe(true);
    expect(await reaches(cluster, 'node-b', 'c')).toBe(true);
  });
  const { ipv4, ipv6 } = cluster.node(0).addresses;
  const byAddress = [{ ipBlock: { cidr: `${ipv4}/32` } }, { ipBlock: { cidr: `${ipv6}/128` } }];
  const allow = policyManifest('x', 'nodes', {
    podSelector: { matchLabels: { pod: 'c' } },
    ingress: [{ from: byAddress }],
  });
  await withPolicies(cluster, [isolation('x', INGRESS, 'c'), allow], async () => {
    expect(await reaches(cluster, 'node-a', 'c')).toBe(true);
    expect(await isCutOff(cluster, 'a', 'c')).toBe(true);
  });
});
