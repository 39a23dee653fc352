/**
 * The agent is killed at every native call of its start, of an ADD, a change of policy and a DEL, with what goes on behind
 * their answers, and at random moments of random work. Afterwards the kernel holds what would be written from scratch, and
 * nothing is left over. Some 13 minutes: a start is 430 points long.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import type { LocalEndpoint } from '../../src/policy/model.ts';
import { compareCounts, compareWithOracle, readDesired } from '../support/kernel-tables.ts';
import type { NodeRemains } from '../support/node-remains.ts';
import { AgentBench, type BenchAgent, denyYaml, NAMESPACE_YAML, NODE, NODE_YAML, podYaml } from './agent-bench.ts';

const RANDOM_KILLS = Number(process.env['SLUICE_KILLS'] ?? 200);
/** From one point of a start to the next, for a quicker look. All that follow the start are points. */
const START_STRIDE = Number(process.env['SLUICE_KILL_STRIDE'] ?? 1);
/** A check between kills, each of which needs an agent that is not killed. */
const KILLS_A_CHECK = 20;
const LIFE_MS_MAX = 700;
const POINTS_MAX = 2000;
const TEST_MS = 2_400_000;
/** A second try would begin on what the first left, which, when it took too long, still goes on. */
const OPTIONS = { timeout: TEST_MS, retry: 0 };
/** What pods do not need; kill-routing.test.ts kills agents that set it up. */
const SETTINGS = ['--routing', 'none', '--masquerade', 'false'];
const PODS = ['a', 'b', 'c', 'd'] as const;
type PodName = (typeof PODS)[number];
const KILLER = new URL('../support/kill-at.ts', import.meta.url).href;
const PORTS = [80, 8080];

let bench: AgentBench;
let atRest: NodeRemains;
const namespaces = new Map<PodName, ReturnType<AgentBench['ledger']['makeNetns']>>();
/** What the last call for the pod said; undefined: it failed, so nobody knows. */
const isWired = new Map<PodName, boolean | undefined>();
let seed = 20_261_124;

/** Numerical Recipes' generator: the sequence is the same in every run. */
function random(below: number): number {
  seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
  return Math.floor((seed / 0x1_0000_0000) * below);
}

function pick<T>(items: readonly T[]): T {
  return items[random(items.length)]!;
}

function allowYaml(port: number): string {
  return `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: allow, namespace: x}
spec:
  podSelector: {matchLabels: {pod: ${pick(PODS)}}}
  policyTypes: [Ingress]
  ingress:
  - from: [{podSelector: {matchLabels: {pod: ${pick(PODS)}}}}, {ipBlock: {cidr: 10.${random(4)}.0.0/16}}]
    ports: [{port: ${port}}]
`;
}

beforeAll(async () => {
  bench = new AgentBench();
  // Hundreds of starts: half of one is reading the sources. The first agent, which ends by itself, writes the cache.
  vi.stubEnv('NODE_COMPILE_CACHE', bench.path('compile-cache'));
  bench.apply('base.yaml', [NODE_YAML, NAMESPACE_YAML, ...PODS.map((name) => podYaml(name))].join('---'));
  for (const name of PODS) {
    namespaces.set(name, bench.ledger.makeNetns(`pod-${name}`));
    isWired.set(name, false);
  }
  const agent = await bench.start(...SETTINGS);
  atRest = await settledRemains(agent);
  await agent.end('SIGTERM');
});
afterAll(() => {
  vi.unstubAllEnvs();
  bench[Symbol.dispose]();
});

/** Records whose names say nothing of what there is. */
async function settledRemains(agent: BenchAgent): Promise<NodeRemains> {
  await agent.client.sync();
  const remains = await bench.remains();
  return { ...remains, files: remains.files.filter((file) => !file.endsWith('last-id')) };
}

async function add(name: PodName): Promise<void> {
  isWired.set(name, undefined);
  const { exitCode } = await bench.cni('ADD', { name, netns: namespaces.get(name)!.path });
  if (exitCode === 0) isWired.set(name, true);
}

async function remove(name: PodName): Promise<void> {
  isWired.set(name, undefined);
  const { exitCode } = await bench.cni('DEL', { name, netns: namespaces.get(name)!.path });
  // Without an agent it is journalled: carried out before the next agent serves.
  if (exitCode === 0) isWired.set(name, false);
}

/** An agent that dies at that native call, if it gets there, or undefined when it died before it was ready. */
async function startDoomed(point: number): Promise<BenchAgent | undefined> {
  try {
    return await bench.startWith(`${KILLER}?n=${point}`, ...SETTINGS);
  } catch (error) {
    if (error instanceof Error && error.message.startsWith('the agent is not ready')) return undefined;
    throw error;
  }
}

/** A new agent mends whatever is there: what it holds then is what the oracle and a fresh compile say. */
async function check(): Promise<void> {
  const agent = await bench.start(...SETTINGS);
  for (const name of PODS) if (isWired.get(name) === undefined) await remove(name);
  await agent.client.sync();
  const { endpoints } = await agent.status();
  const wired = PODS.filter((name) => isWired.get(name) === true).map((name) => `x/${name}`);
  expect(endpoints.map(({ pod }) => pod).toSorted()).toEqual(wired);
  const local = endpoints.map(({ id, pod, addresses }): LocalEndpoint => {
    const [namespace = '', name = ''] = pod.split('/');
    return { id, namespace, name, uid: '', addresses };
  });
  const directory = bench.path('bpf', bench.instance);
  const desired = await readDesired(NODE, bench.path('manifests'), local);
  const addresses = [...local.flatMap((endpoint) => endpoint.addresses), '10.244.1.200', '10.2.3.4', 'fd00:244:1::c8'];
  expect(compareWithOracle(directory, desired, addresses, PORTS)).toEqual([]);
  const { kernel, fresh } = compareCounts(directory, desired);
  expect(kernel).toEqual(fresh);
  const remains = await settledRemains(agent);
  expect(remains.links.length - atRest.links.length).toBe(wired.length);
  expect(remains.files.length - atRest.files.length).toBe(wired.length * 3);
  expect(remains.pins.length - atRest.pins.length).toBe(wired.length * 2);
  await agent.end('SIGTERM');
}

/** Without pods everything is as it was before the first. */
async function checkEmpty(): Promise<void> {
  const agent = await bench.start(...SETTINGS);
  for (const name of PODS) await remove(name);
  expect(await settledRemains(agent)).toEqual(atRest);
  await agent.end('SIGTERM');
}

test('killed at native calls of a start, at every one of ADD, a change of policy and DEL', OPTIONS, async () => {
  let point = 1;
  let kills = 0;
  for (let isAlive = false; !isAlive; kills++) {
    expect(point).toBeLessThan(POINTS_MAX);
    const agent = await startDoomed(point);
    if (agent !== undefined) {
      await add('a');
      bench.apply('policy.yaml', allowYaml(pick(PORTS)));
      // The pod gets its links before that is answered: their exchange for the filters has points.
      await agent.client.sync().catch(() => undefined);
      await remove('a');
      // What goes on behind the answer has points too. An agent that dies owes an answer before `isRunning` tells of it.
      isAlive = await agent.client.sync().then(
        () => true,
        () => false,
      );
      if (agent.isRunning) await agent.end('SIGKILL');
    }
    if (kills % KILLS_A_CHECK === 0) await check();
    point += agent === undefined ? START_STRIDE : 1;
  }
  console.log(`killed ${kills - 1} times, up to native call ${point - 2}`);
  await check();
  await checkEmpty();
});

test(`killed ${RANDOM_KILLS} times at random moments`, OPTIONS, async () => {
  for (let kill = 1; kill <= RANDOM_KILLS; kill++) {
    const agent = await bench.start(...SETTINGS).catch(() => undefined);
    const work = async (): Promise<void> => {
      for (let i = 0; i < 6; i++) {
        const name = pick(PODS);
        if (random(3) === 0)
          bench.apply(pick(['policy.yaml', 'other.yaml']), pick([denyYaml(name), allowYaml(pick(PORTS))]));
        else if (isWired.get(name) === false) await add(name);
        else await remove(name);
      }
    };
    const working = work();
    await delay(random(LIFE_MS_MAX));
    await agent?.end('SIGKILL');
    await working;
    if (kill % KILLS_A_CHECK === 0) await check();
  }
  await check();
  await checkEmpty();
});
