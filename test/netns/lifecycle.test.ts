/** Pods and agents that come, go and fail: what they leave behind, and what stays in force meanwhile. */
import { join } from 'node:path';
import { beforeAll, expect, onTestFailed, test } from 'vitest';
import { CniCallError } from '../support/cni-call.ts';
import type { ClusterHost, PlacedPod } from '../support/cluster-host.ts';
import { TcpFlow, UdpFlow } from '../support/flow.ts';
import { type NodeRemains, readNodeRemains } from '../support/node-remains.ts';
import { POD_INTERFACE } from '../support/pod-host.ts';
import { isolation } from '../support/policy-manifest.ts';
import { PATIENCE_MS, SILENCE_MS } from '../support/probe.ts';
import { ipBatch } from '../support/run-command.ts';
import { isCutOff, reaches, SERVED, startTrio, targetOf, withPolicies } from '../support/trio.ts';

const GUEST: PlacedPod = { namespace: 'x', name: 'guest', node: 0, labels: { pod: 'guest' }, ports: SERVED };

let cluster: ClusterHost;

beforeAll(async () => {
  cluster = await startTrio();
  return () => cluster.close();
});

function showLogsOnFailure(...clusters: readonly ClusterHost[]): void {
  onTestFailed(() => {
    for (const one of [cluster, ...clusters]) console.error(one.logTails());
  });
}

function remains(): Promise<NodeRemains> {
  return readNodeRemains(cluster.instance(0), join(cluster.directory, 'bpf'));
}

test('DEL leaves no interface, route, neighbour, pin, map entry or file of the pod', async () => {
  showLogsOnFailure();
  const before = await remains();
  await cluster.startPods([GUEST]);
  expect(await reaches(cluster, 'a', 'guest')).toBe(true);
  const between = await remains();
  expect(between.links.length).toBe(before.links.length + 1);
  expect(between.mapKeys.length).toBeGreaterThan(before.mapKeys.length);
  await cluster.stopPod('x/guest');
  await cluster.sync();
  expect(await remains()).toEqual(before);
});

test('CNI-23: an ADD that fails leaves nothing, and succeeds once its cause is gone', async () => {
  showLogsOnFailure();
  const before = await remains();
  const pod = cluster.preparePod(GUEST);
  await ipBatch(pod.netns, [`link add ${POD_INTERFACE} type bridge`]);
  await expect(pod.start()).rejects.toThrow(CniCallError);
  await cluster.sync();
  expect(await remains()).toEqual(before);
  await ipBatch(pod.netns, [`link del ${POD_INTERFACE}`]);
  await pod.start();
  await cluster.sync();
  expect(await reaches(cluster, 'c', 'guest')).toBe(true);
  await cluster.stopPod('x/guest');
});

test('NP-14: a pod that a policy isolates is closed from its first packet on', async () => {
  showLogsOnFailure();
  await withPolicies(cluster, [isolation('x', ['Ingress', 'Egress'], 'guest')], async () => {
    const pod = cluster.preparePod(GUEST);
    await pod.start();
    expect(await isCutOff(cluster, 'guest', 'b')).toBe(true);
    expect(await isCutOff(cluster, 'a', 'guest')).toBe(true);
    await cluster.stopPod('x/guest');
  });
});

test('NP-108: what is in force stays in force without an agent, and a new one takes it over', async () => {
  showLogsOnFailure();
  using tcp = await TcpFlow.open(cluster.pod('x/a').netns, targetOf(cluster, 'c', 'TCP'), PATIENCE_MS);
  using udp = await UdpFlow.open(cluster.pod('x/a').netns, targetOf(cluster, 'c', 'UDP'));
  expect(await udp.exchange(100, PATIENCE_MS)).toBe(true);
  await withPolicies(cluster, [isolation('x', ['Ingress'], 'b')], async () => {
    await cluster.agent(0).kill();
    expect(await reaches(cluster, 'a', 'c')).toBe(true);
    expect(await isCutOff(cluster, 'a', 'b')).toBe(true);
    expect(await isCutOff(cluster, 'c', 'b')).toBe(true);
    expect(await tcp.exchange(1000, PATIENCE_MS)).toBe(true);

    await cluster.restartAgent(0);
    await cluster.sync();
    expect(await reaches(cluster, 'a', 'c')).toBe(true);
    expect(await isCutOff(cluster, 'a', 'b')).toBe(true);
    expect(await tcp.exchange(1000, PATIENCE_MS)).toBe(true);
    expect(await udp.exchange(100, PATIENCE_MS)).toBe(true);
  });
  expect(await reaches(cluster, 'a', 'b')).toBe(true);
});

test('a policy that changed while no agent ran is in force once there is one again', async () => {
  showLogsOnFailure();
  using flow = await UdpFlow.open(cluster.pod('x/a').netns, targetOf(cluster, 'b', 'UDP'));
  expect(await flow.exchange(100, PATIENCE_MS)).toBe(true);
  await cluster.agent(0).kill();
  cluster.manifests.apply(isolation('x', ['Ingress'], 'b'));
  expect(await flow.exchange(100, PATIENCE_MS)).toBe(true);
  await cluster.restartAgent(0);
  await cluster.sync();
  expect(await flow.exchange(100, SILENCE_MS)).toBe(false);
  expect(await isCutOff(cluster, 'c', 'b')).toBe(true);
  cluster.manifests.delete(isolation('x', ['Ingress'], 'b'));
  await cluster.sync();
  expect(await flow.exchange(100, PATIENCE_MS)).toBe(true);
});

test('NP-108: a policy that comes after a restart closes pods that were open when the agent ended', async () => {
  showLogsOnFailure();
  await cluster.agent(0).kill();
  await cluster.restartAgent(0);
  expect(await reaches(cluster, 'a', 'b')).toBe(true);
  await withPolicies(cluster, [isolation('x', ['Ingress'], 'b'), isolation('x', ['Egress'], 'a')], async () => {
    expect(await isCutOff(cluster, 'a', 'b')).toBe(true);
    expect(await isCutOff(cluster, 'c', 'b')).toBe(true);
    expect(await isCutOff(cluster, 'a', 'c')).toBe(true);
  });
  expect(await reaches(cluster, 'a', 'b')).toBe(true);
});

test('a pod can be deleted while no agent runs; the next agent finishes the removal', async () => {
  showLogsOnFailure();
  const before = await remains();
  await cluster.startPods([GUEST]);
  await cluster.agent(0).kill();
  await cluster.stopPod('x/guest');
  await cluster.restartAgent(0);
  await cluster.sync();
  expect(await remains()).toEqual(before);
});

test('agents of two instances on one kernel do not disturb one another', async () => {
  const other = await startTrio('clsact');
  showLogsOnFailure(other);
  try {
    await withPolicies(cluster, [isolation('x', ['Ingress'], 'b')], async () => {
      await withPolicies(other, [isolation('x', ['Ingress'], 'c')], async () => {
        expect(await isCutOff(cluster, 'a', 'b')).toBe(true);
        expect(await reaches(cluster, 'a', 'c')).toBe(true);
        expect(await reaches(other, 'a', 'b')).toBe(true);
        expect(await isCutOff(other, 'a', 'c')).toBe(true);
        await other.agent(0).kill();
        await other.restartAgent(0);
        expect(await isCutOff(cluster, 'a', 'b')).toBe(true);
        expect(await isCutOff(other, 'a', 'c')).toBe(true);
      });
    });
  } finally {
    await other.close();
  }
  expect(await reaches(cluster, 'a', 'b')).toBe(true);
});
