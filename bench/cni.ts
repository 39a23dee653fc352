/**
 * How long does a runtime wait for ADD and DEL? Sluice with its agent and the pod's policy in force when ADD returns, against
 * Debian's ptp + host-local, which enforce nothing; both executed the same way, in turn, in namespaces made beforehand.
 * Sluice gives both families; ptp is given IPv4 only, because with IPv6 it waits some 1.7 s for duplicate address detection.
 */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ClusterHost } from '../test/support/cluster-host.ts';
import type { ManifestObject } from '../test/support/manifest-folder.ts';
import type { TestNetns } from '../test/support/netns.ts';
import { withNetns } from '../src/kernel/namespace.ts';
import { requirePackage } from './support/debian-package.ts';
import { atMost, type Figure, type FigureFields, ratioFigure } from './support/figure.ts';
import { appPolicies, NAMESPACE, policyManifests, SERVER_LABELS } from './support/policies.ts';
import type { Question, QuestionOptions } from './support/question.ts';
import { makeQuietWait } from './support/quiet.ts';
import { interleave } from './support/rounds.ts';
import { quantile } from './support/statistics.ts';
import { compiledTool } from './support/compiled-tool.ts';
import { type PluginCall, timedCall } from './support/timed-call.ts';

/** Pods of each kind; 10 a round of the other questions. */
const PODS_PER_ROUND = 10;
const PAUSE_MS = 100;
/** A full node that comes back. */
const BURST_PODS = 110;
/** Both keep their files in memory, as Sluice does by default: /run of a node is no disk. */
const MEMORY = '/dev/shm';
const PTP = '/usr/lib/cni/ptp';
const LAUNCHER = join(import.meta.dirname, '../dist/sluice-cni');

interface Sample {
  readonly addMs: number;
  readonly delMs: number;
}

/** A plugin with everything it needs, and the pods it is called for, one after the other. */
interface Contender {
  readonly name: string;
  call(verb: 'ADD' | 'DEL', index: number): number;
  /** What is called then. */
  plan(verb: 'ADD' | 'DEL', index: number): PluginCall;
}

function sluiceContender(cluster: ClusterHost, pods: readonly TestNetns[]): Contender {
  const { instance, runDir, stateDir, nodeNetns } = cluster.instance(0);
  const configuration = { cniVersion: '1.0.0', name: 'sluice', type: 'sluice-cni', instance, runDir, stateDir };
  const ids = pods.map(() => randomBytes(32).toString('hex'));
  const plan = (verb: 'ADD' | 'DEL', index: number): PluginCall => {
    const args = `K8S_POD_NAMESPACE=${NAMESPACE};K8S_POD_NAME=pod-${index};K8S_POD_UID=uid-${index}`;
    const env = { ...environment(verb, ids[index]!, pods[index]!), CNI_ARGS: `IgnoreUnknown=1;${args}` };
    return { program: LAUNCHER, configuration, env, netns: nodeNetns };
  };
  return { name: 'sluice', plan, call: (verb, index) => timedCall(plan(verb, index)) };
}

function ptpContender(cluster: ClusterHost, pods: readonly TestNetns[], name = 'turns'): Contender {
  const netns = cluster.ledger.makeNetns(`ptp-${name}`);
  const dataDir = join(cluster.directory, `host-local-${name}`);
  mkdirSync(dataDir);
  const ipam = { type: 'host-local', dataDir, ranges: [[{ subnet: '10.91.0.0/22' }]], routes: [{ dst: '0.0.0.0/0' }] };
  const configuration = { cniVersion: '1.0.0', name: 'ptp', type: 'ptp', mtu: 1500, ipam };
  const ids = pods.map(() => randomBytes(32).toString('hex'));
  const plan = (verb: 'ADD' | 'DEL', index: number): PluginCall => ({
    program: PTP,
    configuration,
    env: environment(verb, ids[index]!, pods[index]!),
    netns,
  });
  return { name: 'ptp + host-local', plan, call: (verb, index) => timedCall(plan(verb, index)) };
}

function environment(verb: string, containerId: string, pod: TestNetns): Readonly<Record<string, string>> {
  return {
    CNI_COMMAND: verb,
    CNI_CONTAINERID: containerId,
    CNI_NETNS: pod.path,
    CNI_IFNAME: 'eth0',
    CNI_PATH: '/usr/lib/cni',
  };
}

/** The pods as the API server would have them before their ADD, isolated by policies. */
async function announce(cluster: ClusterHost, count: number): Promise<void> {
  cluster.applyNamespace(NAMESPACE);
  const node = cluster.node(0).name;
  const items: ManifestObject[] = Array.from({ length: count }, (_, index) => ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { namespace: NAMESPACE, name: `pod-${index}`, uid: `uid-${index}`, labels: SERVER_LABELS },
    spec: { nodeName: node, containers: [{ name: 'server', image: 'server' }] },
  }));
  for (const [file, object] of [
    ['policies.json', policyManifests(appPolicies())],
    ['pods.json', { apiVersion: 'v1', kind: 'List', items }],
  ] as const) {
    const staged = join(cluster.directory, 'staging', file);
    writeFileSync(staged, JSON.stringify(object));
    renameSync(staged, join(cluster.manifests.directory, file));
  }
  await cluster.sync();
}

/** @throws Error when a wired pod is not isolated by the policies that select it. */
async function requireEnforcement(cluster: ClusterHost): Promise<void> {
  const status = (await cluster.agent(0).client.get('/v1/status')) as {
    endpoints: readonly { pod: string; closed: boolean; ingressPolicies: readonly string[] }[];
  };
  const bare = status.endpoints.find(({ closed, ingressPolicies }) => closed || ingressPolicies.length === 0);
  if (status.endpoints.length === 0 || bare !== undefined) {
    throw new Error(`no policy is in force on ${bare?.pod ?? 'any pod'} after its ADD`);
  }
}

const FIGURES: readonly (readonly [keyof Sample, FigureFields])[] = [
  ['addMs', { name: 'ADD', unit: 'ms', must: atMost(0.7), aim: atMost(0.35) }],
  ['delMs', { name: 'DEL', unit: 'ms', must: atMost(0.5) }],
];

async function measure({ rounds, tell }: QuestionOptions, cluster: ClusterHost): Promise<readonly Figure[]> {
  const count = rounds * PODS_PER_ROUND;
  const pods = (name: string): TestNetns[] =>
    Array.from({ length: count }, (_, index) => cluster.ledger.makeNetns(`${name}-${index}`));
  const contenders = [sluiceContender(cluster, pods('sl')), ptpContender(cluster, pods('ptp'))];
  await announce(cluster, Math.max(count, BURST_PODS));
  tell(`${count} pods of each, in turn`);
  const adds = await takeTurns(contenders, 'ADD', count);
  await requireEnforcement(cluster);
  const dels = await takeTurns(contenders, 'DEL', count);
  const burst = await measureBursts(cluster, tell);
  const [ours, theirs] = contenders.map(({ name }) => ({
    name,
    addMs: adds.get(name)!,
    delMs: dels.get(name)!,
  })) as [Times, Times];
  const single = FIGURES.flatMap(([key, fields]) => [
    ratioFigure(fields, ours[key], { name: theirs.name, samples: theirs[key] }),
    ratioFigure({ name: `${fields.name}, p99`, unit: fields.unit }, [quantile(ours[key], 0.99)], {
      name: theirs.name,
      samples: [quantile(theirs[key], 0.99)],
    }),
  ]);
  return [...single, ...burst];
}

/** All pods of a node at once, after the others are gone: of each kind once. */
async function measureBursts(cluster: ClusterHost, tell: QuestionOptions['tell']): Promise<readonly Figure[]> {
  await cluster.sync();
  tell(`${BURST_PODS} pods at once`);
  const pods = (name: string): TestNetns[] =>
    Array.from({ length: BURST_PODS }, (_, index) => cluster.ledger.makeNetns(`${name}-burst-${index}`));
  const ours = await addAtOnce(sluiceContender(cluster, pods('sl')));
  await requireEnforcement(cluster);
  const theirs = await addAtOnce(ptpContender(cluster, pods('ptp'), 'burst'));
  const reference = (samples: readonly number[]): { name: string; samples: readonly number[] } => ({
    name: 'ptp + host-local',
    samples,
  });
  return [
    ratioFigure({ name: `${BURST_PODS} ADDs, wall time`, unit: 'ms' }, [ours.wallMs], reference([theirs.wallMs])),
    ratioFigure(
      { name: `${BURST_PODS} ADDs, p99 of one`, unit: 'ms' },
      [quantile(ours.addMs, 0.99)],
      reference([quantile(theirs.addMs, 0.99)]),
    ),
  ];
}

async function addAtOnce(contender: Contender): Promise<{ wallMs: number; addMs: readonly number[] }> {
  const start = performance.now();
  const addMs = await Promise.all(
    Array.from({ length: BURST_PODS }, (_, index) => timedStart(contender.plan('ADD', index))),
  );
  return { wallMs: performance.now() - start, addMs };
}

/** As `timedCall`, beside others. */
async function timedStart({ program, configuration, env, netns }: PluginCall): Promise<number> {
  const child = withNetns(netns.fd, () =>
    spawn(compiledTool('time-exec'), [program], { env: { PATH: process.env['PATH'] ?? '', ...env }, stdio: 'pipe' }),
  );
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += stream === child.stderr ? text : '';
    });
  }
  child.stdin.end(JSON.stringify(configuration));
  const [status] = (await once(child, 'close')) as [number | null];
  if (status !== 0) throw new Error(`${program} ${env['CNI_COMMAND']}: status ${status ?? 'none'}: ${output}`);
  const [nanoseconds] = /[0-9]+\n$/.exec(output) ?? [];
  return Number(nanoseconds) / 1e6;
}

interface Times {
  readonly name: string;
  readonly addMs: readonly number[];
  readonly delMs: readonly number[];
}

async function takeTurns(
  contenders: readonly Contender[],
  verb: 'ADD' | 'DEL',
  count: number,
): Promise<ReadonlyMap<string, readonly number[]>> {
  const next = new Map<string, number>();
  const turn = (contender: Contender) => async (): Promise<number> => {
    const index = next.get(contender.name) ?? 0;
    next.set(contender.name, index + 1);
    const ms = contender.call(verb, index);
    // What a call leaves to be done afterwards is not charged to the other one's.
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    return ms;
  };
  return interleave(
    contenders.map((contender) => ({ name: contender.name, run: turn(contender) })),
    count,
    makeQuietWait(),
  );
}

export const question: Question = {
  name: 'cni',
  asks: 'How long does a runtime wait for ADD and DEL, with policy in force when ADD returns?',
  run: async (options) => {
    requirePackage('containernetworking-plugins', PTP, options.tell);
    await using cluster = await ClusterHost.start({ nodes: 1, attach: 'auto', parent: MEMORY });
    try {
      return await measure(options, cluster);
    } catch (error) {
      options.tell(cluster.logTails());
      throw error;
    }
  },
};
