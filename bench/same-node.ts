/**
 * What does a packet between two pods of one node cost beside a plain routed path? Sluice with a real agent and 1,000
 * policies, against two veths and a routing namespace without any rule, the same with the policies in iptables + ipset,
 * and one veth without anything in between. The node that Sluice runs in has the netfilter rules of a real node; the
 * plain routed path has none.
 */
import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ClusterHost } from '../test/support/cluster-host.ts';
import { requirePackage } from './support/debian-package.ts';
import { atLeast, atMost, type Figure, type FigureFields, ratioFigure } from './support/figure.ts';
import { runLoad, startLoadServer } from './support/load.ts';
import { makeDirectPair, makeFilteredPair, makeRoutedPair, type Pair } from './support/pairs.ts';
import {
  type AppPolicy,
  appPolicies,
  CLIENT_LABELS,
  NAMESPACE,
  policyManifests,
  SERVER_LABELS,
} from './support/policies.ts';
import type { Question, QuestionOptions } from './support/question.ts';
import { makeQuietWait } from './support/quiet.ts';
import { interleave } from './support/rounds.ts';

const ROUND_MS = 700;
const SHORT_ROUND_MS = 500;
const SLUICE = 'sluice';

interface Sample {
  readonly gbitPerSecond: number;
  readonly cpuSecondsPerGb: number;
  readonly p50Us: number;
  readonly p99Us: number;
  readonly connectionsPerSecond: number;
}

async function sample(pair: Pair): Promise<Sample> {
  const sent = await runLoad('send', pair, ROUND_MS);
  const ping = await runLoad('ping', pair, SHORT_ROUND_MS);
  const connect = await runLoad('connect', pair, SHORT_ROUND_MS);
  return {
    gbitPerSecond: (sent.bytes * 8) / sent.seconds / 1e9,
    cpuSecondsPerGb: sent.cpu_seconds / (sent.bytes / 1e9),
    p50Us: ping.p50_ns / 1000,
    p99Us: ping.p99_ns / 1000,
    connectionsPerSecond: connect.connections / connect.seconds,
  };
}

/** Two pods of one node, with an agent and every policy in force. */
async function startSluicePair(cluster: ClusterHost, policies: readonly AppPolicy[]): Promise<Pair> {
  cluster.applyNamespace(NAMESPACE);
  const staged = join(cluster.directory, 'staging', 'policies.json');
  writeFileSync(staged, JSON.stringify(policyManifests(policies)));
  renameSync(staged, join(cluster.manifests.directory, 'policies.json'));
  const place = { namespace: NAMESPACE, node: 0, ports: [] };
  const [client, server] = await cluster.startPods([
    { ...place, name: 'client', labels: CLIENT_LABELS },
    { ...place, name: 'server', labels: SERVER_LABELS },
  ]);
  if (client === undefined || server === undefined) throw new Error('the pods did not start');
  return { name: SLUICE, client: client.netns, server: server.netns, serverAddress: server.addresses.ipv4 };
}

const FIGURES: readonly (readonly [keyof Sample, FigureFields])[] = [
  ['gbitPerSecond', { name: 'throughput', unit: 'Gbit/s', must: atLeast(1), aim: atLeast(1.1) }],
  ['cpuSecondsPerGb', { name: 'CPU time', unit: 's/GB', must: atMost(1) }],
  ['p50Us', { name: 'latency p50', unit: 'us', must: atMost(1), aim: atMost(1) }],
  ['p99Us', { name: 'latency p99', unit: 'us', must: atMost(1), aim: atMost(1) }],
  ['connectionsPerSecond', { name: 'new connections', unit: '1/s', must: atLeast(0.95), aim: atLeast(0.95) }],
];

async function measure({ rounds, tell }: QuestionOptions, cluster: ClusterHost): Promise<readonly Figure[]> {
  const policies = appPolicies();
  const { ledger } = cluster;
  const sluice = await startSluicePair(cluster, policies);
  const routed = await makeRoutedPair(ledger);
  const references = [routed, await makeFilteredPair(ledger, policies), await makeDirectPair(ledger)];
  const pairs = [sluice, ...references];
  for (const pair of pairs) {
    await startLoadServer(ledger, pair);
    await sample(pair);
  }
  tell(`${policies.length} policies in force, ${rounds} rounds of ${pairs.length} paths`);
  const results = await interleave(
    pairs.map((pair) => ({ name: pair.name, run: () => sample(pair) })),
    rounds,
    makeQuietWait(),
  );
  const column = (pair: Pair, key: keyof Sample): number[] => results.get(pair.name)!.map((values) => values[key]);
  return references.flatMap((reference) =>
    FIGURES.map(([key, { name, unit, must, aim }]) => {
      const bounds = reference === routed ? { ...(must && { must }), ...(aim && { aim }) } : {};
      const against = { name: reference.name, samples: column(reference, key) };
      return ratioFigure({ name, unit, ...bounds }, column(sluice, key), against);
    }),
  );
}

export const question: Question = {
  name: 'same-node',
  asks: 'What does traffic between two pods of one node cost, with 1,000 policies in force?',
  run: async (options) => {
    requirePackage('ipset', '/usr/sbin/ipset', options.tell);
    await using cluster = await ClusterHost.start({ nodes: 1, attach: 'auto' });
    try {
      return await measure(options, cluster);
    } catch (error) {
      options.tell(cluster.logTails());
      throw error;
    }
  },
};
