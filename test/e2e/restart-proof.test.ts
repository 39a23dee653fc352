/**
 * Numbered senders on allowed flows and a counter on a denied one, while the agent of a node is killed, stopped and started
 * again and again: lost packets beside those of a control run in which nothing happens, and what came through.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { ClusterHost } from '../support/cluster-host.ts';
import { TcpFlow, UdpFlow } from '../support/flow.ts';
import { NetnsSniffer } from '../support/netns-sniffer.ts';
import { isolation } from '../support/policy-manifest.ts';
import { PATIENCE_MS } from '../support/probe.ts';
import { SequenceFlow } from '../support/sequence-flow.ts';
import { SERVED, startTrio, targetOf } from '../support/trio.ts';

const RESTARTS = 6;
const DENIED_MARK = 'must-not-arrive';
const DENIED_INTERVAL_MS = 2;
/** A machine that is busy loses datagrams of its own; a gap of enforcement or of a path loses hundreds. */
const SLACK = 5;

let cluster: ClusterHost;

beforeAll(async () => {
  cluster = await startTrio();
  await cluster.startPods([{ namespace: 'x', name: 'closed', node: 0, labels: { pod: 'closed' }, ports: SERVED }]);
  cluster.manifests.apply(isolation('x', ['Ingress', 'Egress'], 'closed'));
  await cluster.sync();
});
afterAll(() => cluster.close());

interface Losses {
  readonly 'same node': string;
  readonly 'other node': string;
  readonly lost: number;
  readonly denied: number;
}

/** Runs the flows while `work` runs. */
async function measure(work: () => Promise<void>): Promise<Losses> {
  const a = cluster.pod('x/a').netns;
  using sniffer = new NetnsSniffer(cluster.pod('x/closed').netns);
  using near = await SequenceFlow.echoed(a, targetOf(cluster, 'b', 'UDP'));
  using far = await SequenceFlow.echoed(a, targetOf(cluster, 'c', 'UDP'));
  using denied = await UdpFlow.open(a, targetOf(cluster, 'closed', 'UDP'));
  using stream = await TcpFlow.open(a, targetOf(cluster, 'b', 'TCP'), PATIENCE_MS);
  using farStream = await TcpFlow.open(a, targetOf(cluster, 'c', 'TCP'), PATIENCE_MS);
  const sending = setInterval(() => denied.send(DENIED_MARK), DENIED_INTERVAL_MS);
  try {
    await work();
    expect(await stream.exchange(100_000, PATIENCE_MS)).toBe(true);
    expect(await farStream.exchange(100_000, PATIENCE_MS)).toBe(true);
  } finally {
    clearInterval(sending);
  }
  const [nearCount, farCount] = [await near.count(), await far.count()];
  return {
    'same node': `${nearCount.lost} of ${nearCount.sent}`,
    'other node': `${farCount.lost} of ${farCount.sent}`,
    lost: nearCount.lost + farCount.lost,
    denied: sniffer.count(DENIED_MARK),
  };
}

test('restarts lose no more packets than nothing does, and let none through', { timeout: 180_000 }, async () => {
  const startedMs = performance.now();
  const restarted = await measure(async () => {
    for (let i = 0; i < RESTARTS; i++) {
      await (i % 2 === 0 ? cluster.agent(0).kill() : cluster.agent(0).stop());
      await cluster.restartAgent(0);
      await cluster.sync();
    }
  });
  const lastedMs = performance.now() - startedMs;
  const control = await measure(() => delay(lastedMs));
  console.table({ restarted, control });
  expect(restarted.denied).toBe(0);
  expect(control.denied).toBe(0);
  expect(restarted.lost).toBeLessThanOrEqual(control.lost + SLACK);
});
