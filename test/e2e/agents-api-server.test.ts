/**
 * Agents of three nodes that follow an API server which does everything wrong that real ones and the networks before them
 * do. After each fault the kernel of every node holds what the oracle and a fresh compile say of the objects that the
 * server has; a flow that is denied is never let through meanwhile, and one that is allowed goes on.
 */
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, onTestFailed, test } from 'vitest';
import { ApiServer, type Fault, type Verb } from '../support/api-server.ts';
import { ApiServerStore } from '../support/api-server-store.ts';
import type { AgentStatus } from '../../src/agent/status.ts';
import type { LocalEndpoint } from '../../src/policy/model.ts';
import { CniCallError } from '../support/cni-call.ts';
import { ClusterHost } from '../support/cluster-host.ts';
import { UdpFlow } from '../support/flow.ts';
import { compareCounts, compareWithOracle, readDesired } from '../support/kernel-tables.ts';
import { nodeManifest } from '../support/node-host.ts';
import { isolation, policyManifest } from '../support/policy-manifest.ts';
import { PATIENCE_MS, probe, SILENCE_MS } from '../support/probe.ts';
import { SERVED_PATHS } from '../support/served-manifests.ts';
import { SERVED, targetOf } from '../support/trio.ts';
import { keepVigil } from '../support/vigil.ts';

const NODES = 3;
const PODS_PATH = '/api/v1/pods';
const POLICIES_PATH = '/apis/networking.k8s.io/v1/networkpolicies';
const PORTS = [80, 81];
const OUTSIDE = ['10.2.3.4', '2001:db8::1'];
const AGREE_MS = 25_000;
/** A machine that is busy loses datagrams of its own; a gap of enforcement or of a path loses hundreds. */
const SLACK = 5;

/** Goes in reverse order, also what was made before a start that failed. */
const made = new AsyncDisposableStack();
let api: ApiServer;
let cluster: ClusterHost;

beforeAll(async () => {
  api = made.use(await ApiServer.start(SERVED_PATHS));
  api.bookmarksAtOnce = true;
  cluster = made.use(await ClusterHost.start({ nodes: NODES, attach: 'auto', api, settings: ['--pod-wait', '2'] }));
  cluster.applyNamespace('x');
  // c takes from a alone.
  const from = [{ podSelector: { matchLabels: { pod: 'a' } } }];
  cluster.manifests.apply(
    policyManifest('x', 'only-a', { podSelector: { matchLabels: { pod: 'c' } }, ingress: [{ from }] }),
  );
  await cluster.startPods(['a', 'b', 'c'].map((name, node) => placed(name, node)));
  await agree();
});

afterAll(() => made.disposeAsync());

function placed(name: string, node: number): Parameters<ClusterHost['startPods']>[0][number] {
  return { namespace: 'x', name, node, labels: { pod: name }, ports: SERVED };
}

async function statusOf(node: number): Promise<AgentStatus> {
  return (await cluster.agent(node).client.get('/v1/status')) as AgentStatus;
}

/** Undefined when the kernel of the node holds what the objects ask for; else what differs. */
async function differenceOn(index: number, all: readonly AgentStatus[]): Promise<unknown> {
  const node = cluster.node(index);
  const { endpoints, tables, ready } = all[index]!;
  const local = endpoints.map(({ id, pod, addresses }): LocalEndpoint => {
    const [namespace = '', name = ''] = pod.split('/');
    return { id, namespace, name, uid: '', addresses };
  });
  const own = node.netns.ip('addr').flatMap(({ addr_info: list }) => list as { scope: string; local: string }[]);
  const nodeAddresses = own.flatMap(({ scope, local: address }) => (scope === 'global' ? [address] : []));
  const directory = join(cluster.directory, 'bpf', cluster.instance(index).instance);
  const desired = await readDesired(node.name, cluster.manifests.directory, local, nodeAddresses);
  const pods = all.flatMap((status) => status.endpoints.flatMap(({ addresses }) => addresses));
  const flows = compareWithOracle(directory, desired, [...pods, ...OUTSIDE], PORTS);
  const { kernel, fresh } = compareCounts(directory, desired);
  const isSame = JSON.stringify(kernel) === JSON.stringify(fresh);
  return ready && isSame && flows.length === 0 ? undefined : { ready, tables, flows: flows.slice(0, 5), kernel, fresh };
}

/** Returns when the kernel of every node holds what the objects ask for. */
async function agree(): Promise<void> {
  const deadlineMs = performance.now() + AGREE_MS;
  for (;;) {
    const all = await Promise.all(cluster.nodes.map((_, index) => statusOf(index)));
    const differences = await Promise.all(cluster.nodes.map((_, index) => differenceOn(index, all)));
    if (differences.every((difference) => difference === undefined)) return;
    if (performance.now() > deadlineMs) throw new Error(`not in force: ${JSON.stringify(differences, undefined, 1)}`);
    await delay(50);
  }
}

/** Every watch is open again: the next test does not meet the waits that this one has led to. */
afterEach(async () => {
  api.clearFaults();
  await expect.poll(() => api.watchers(), { timeout: AGREE_MS, interval: 50 }).toBe(NODES * SERVED_PATHS.length);
});

/** Without the packets that were dropped as they should be. */
function showLogs(): void {
  const lines = cluster.logTails().split('\n');
  console.error(lines.filter((line) => !line.includes(' dropped')).join('\n'));
}

let changes = 0;

/** Something else than the vigil's flows are about, and other each time. */
function change(): void {
  changes += 1;
  cluster.manifests.apply(
    policyManifest('x', 'of-b', {
      podSelector: { matchLabels: { pod: 'b' } },
      ingress: [{ from: [{ ipBlock: { cidr: `10.2.${changes}.0/24` } }], ports: [{ port: 80 + (changes % 2) }] }],
    }),
  );
  cluster.pod('x/a').setLabels({ pod: 'a', step: `${changes}` });
  if (changes % 2 === 0) cluster.manifests.delete(isolation('x', ['Egress'], 'b'));
  else cluster.manifests.apply(isolation('x', ['Egress'], 'b'));
}

/** b to c is denied on the way from another node, a to c is allowed. */
async function throughout(work: () => Promise<void>): Promise<void> {
  onTestFailed(showLogs);
  const { through, lost } = await keepVigil(
    {
      denied: { from: cluster.pod('x/b').netns, to: cluster.pod('x/c').netns, target: targetOf(cluster, 'c', 'UDP') },
      allowed: { from: cluster.pod('x/a').netns, target: targetOf(cluster, 'c', 'UDP') },
    },
    work,
  );
  expect(through).toBe(0);
  expect(lost).toBeLessThanOrEqual(SLACK);
}

/** Once for every watch of every agent. */
function forAll(verb: Verb, ...faults: readonly Fault[]): void {
  for (const path of SERVED_PATHS) {
    for (const fault of faults) {
      api.inject(
        verb,
        Array.from({ length: NODES }, () => fault),
        path,
      );
    }
  }
}

describe('agents agree with the objects of the server, and nothing opens, when', () => {
  test.each<[string, () => Promise<void> | void]>([
    ['nothing is wrong', () => undefined],
    ['its watches end', () => api.disconnect('clean')],
    [
      'its watches break off in the middle of an event',
      () => {
        for (const path of SERVED_PATHS)
          api.send(path, '{"type":"MODIFIED","object":{"metadata":{"name":"c","labels":');
        api.disconnect('abrupt');
      },
    ],
    [
      'it has forgotten the version, said as a status',
      () => {
        api.goneAs = 'status';
        api.store.compact();
        api.disconnect('abrupt');
      },
    ],
    [
      'it has forgotten the version, said as an event',
      () => {
        api.goneAs = 'event';
        api.store.compact();
        api.disconnect('clean');
      },
    ],
    [
      'it refuses with 401 and 429',
      () => {
        forAll('watch', { kind: 'status', code: 401 }, { kind: 'status', code: 429, headers: { 'retry-after': '1' } });
        api.disconnect('abrupt');
      },
    ],
    [
      'it has forgotten the version and fails with 500',
      () => {
        forAll('list', { kind: 'status', code: 500 });
        api.store.compact();
        api.disconnect('abrupt');
      },
    ],
    [
      'what comes is no list and no event',
      () => {
        forAll('list', { kind: 'text', text: '<html>busy</html>', close: 'clean' });
        for (const path of SERVED_PATHS) api.send(path, '<html>busy</html>\n');
      },
    ],
    [
      'everything comes twice',
      () => {
        api.copies = 2;
      },
    ],
  ])('%s', async (_, fault) => {
    await throughout(async () => {
      await fault();
      change();
      await agree();
      api.copies = 1;
    });
  });

  test('it stalls, and then restarts', async () => {
    await throughout(async () => {
      forAll('watch', { kind: 'stall' });
      api.disconnect('abrupt');
      await delay(1_500);
      change();
      api.restart();
      await agree();
    });
  });

  test('a replica answers that knows neither the policy nor the pods', async () => {
    await throughout(async () => {
      const stale = new ApiServerStore(1);
      api.staleReplica = stale;
      api.store.compact();
      api.disconnect('abrupt');
      change();
      await delay(1_000);
      api.staleReplica = undefined;
      await agree();
    });
  });

  test('it comes back with another history: from a backup, with lower versions', async () => {
    await throughout(async () => {
      const backup = api.store.copy();
      const later = isolation('x', ['Ingress', 'Egress'], 'nobody');
      for (let i = 0; i < 20; i++)
        api.set(POLICIES_PATH, { metadata: { namespace: 'x', name: 'later' }, spec: later.spec });
      await delay(100);
      api.delete(POLICIES_PATH, 'x/later');
      await agree();
      api.restart(backup);
      change();
      await agree();
    });
  });
});

describe('without the API server', () => {
  test('an agent that is killed and started anew keeps what is enforced, says what it waits for, and lets pods go', async () => {
    onTestFailed(showLogs);
    await cluster.startPods([placed('gone', 2)]);
    await agree();
    await throughout(async () => {
      const { fd } = cluster.node(2).netns;
      api.goAwayFrom(fd);
      await cluster.agent(2).kill();
      await cluster.restartAgent(2, { until: 'answering' });
      const status = await statusOf(2);
      expect(status).toMatchObject({ ready: false, source: { synced: false } });
      const late = cluster.preparePod(placed('late', 2));
      await expect(late.start()).rejects.toMatchObject({
        code: 11,
        message: expect.stringMatching(/the desired state is not known yet: .*127\.0\.0\.1/) as string,
      } satisfies Partial<CniCallError>);
      await cluster.stopPod('x/gone');
      await cluster.stopPod('x/late');
      api.comeBackTo(fd);
      await agree();
    });
  });

  test('an agent that knows a pod adds it all the same', async () => {
    const pod = cluster.preparePod(placed('known', 1));
    // The pod is announced before the server goes, as the scheduler does.
    cluster.manifests.apply(pod.manifest());
    cluster.manifests.apply(isolation('x', ['Ingress'], 'known'));
    await agree();
    const { fd } = cluster.node(1).netns;
    api.goAwayFrom(fd);
    await expect.poll(async () => (await statusOf(1)).source.fault).toMatch(/Pod: .*127\.0\.0\.1/);
    await pod.start();
    const target = { protocol: 'TCP', port: 80, address: pod.addresses.ipv4 } as const;
    expect(await probe(cluster.pod('x/b').netns, target, { timeoutMs: SILENCE_MS })).toEqual({ kind: 'timeout' });
    api.comeBackTo(fd);
    cluster.manifests.delete(isolation('x', ['Ingress'], 'known'));
    await agree();
    expect(await probe(cluster.pod('x/b').netns, target, { timeoutMs: PATIENCE_MS })).toMatchObject({
      kind: 'answered',
    });
    await cluster.stopPod('x/known');
    await agree();
  });
});

describe('a pod', () => {
  test('NP-124: that the watch has not brought is asked for, and enforced before ADD returns', async () => {
    onTestFailed(showLogs);
    cluster.manifests.apply(isolation('x', ['Ingress'], 'asked'));
    await agree();
    api.lag(PODS_PATH);
    const pod = cluster.preparePod(placed('asked', 2));
    const questions = api.seen('get').length;
    await pod.start();
    expect(api.seen('get').length).toBe(questions + 1);
    const target = { protocol: 'TCP', port: 80, address: pod.addresses.ipv4 } as const;
    expect(await probe(cluster.pod('x/a').netns, target, { timeoutMs: SILENCE_MS })).toEqual({ kind: 'timeout' });
    api.catchUp(PODS_PATH);
    cluster.manifests.delete(isolation('x', ['Ingress'], 'asked'));
    await agree();
    expect(await probe(cluster.pod('x/a').netns, target, { timeoutMs: PATIENCE_MS })).toMatchObject({
      kind: 'answered',
    });
    await cluster.stopPod('x/asked');
    await agree();
  });

  test('NP-120: that has ended is nobody at once, also on other nodes, though it keeps its address', async () => {
    cluster.manifests.apply(
      policyManifest('x', 'from-job', {
        podSelector: { matchLabels: { pod: 'b' } },
        ingress: [{ from: [{ podSelector: { matchLabels: { pod: 'job' } } }] }],
      }),
    );
    const [job] = await cluster.startPods([placed('job', 0)]);
    await agree();
    const target = targetOf(cluster, 'b', 'UDP');
    using flow = await UdpFlow.open(job!.netns, target);
    expect(await flow.exchange(100, PATIENCE_MS)).toBe(true);
    cluster.manifests.apply(job!.manifest('Succeeded'));
    await agree();
    // The flow that was allowed has no more to say than a new one.
    expect(await flow.exchange(100, SILENCE_MS)).toBe(false);
    expect(await probe(job!.netns, target, { timeoutMs: SILENCE_MS })).toEqual({ kind: 'timeout' });
    await cluster.stopPod('x/job');
    await agree();
  });
});

describe('a Node object', () => {
  const problemsOf = async (node: number): Promise<readonly string[]> =>
    (await statusOf(node)).objectProblems.map(({ object, message }) => `${object?.name}: ${message}`);

  test('without podCIDRs is waited for, and said so', async () => {
    const whole = nodeManifest(cluster.node(2));
    cluster.manifests.apply({ ...whole, spec: {} });
    await expect.poll(() => problemsOf(2)).toEqual([expect.stringContaining('node-c: there are none')]);
    const pod = cluster.preparePod(placed('waits', 2));
    await expect(pod.start()).rejects.toMatchObject({ code: 11 });
    cluster.manifests.apply(whole);
    await expect.poll(() => problemsOf(2)).toEqual([]);
    await pod.start();
    await cluster.stopPod('x/waits');
    await agree();
  });

  test("with a podCIDR that overlaps another node's is refused, both named, and pods keep what they have", async () => {
    const whole = nodeManifest(cluster.node(2));
    const { ipv4, ipv6 } = cluster.node(2).podCidrs;
    const others = cluster.node(0).podCidrs.ipv4;
    const said = expect.stringMatching(new RegExp(`^node-c: ${others} overlaps ${others} of node node-a`)) as string;
    await throughout(async () => {
      cluster.manifests.apply({ ...whole, spec: { podCIDRs: [others, ipv4, ipv6] } });
      await expect.poll(() => problemsOf(2)).toContainEqual(said);
      await expect.poll(() => problemsOf(0)).toContainEqual(said);
      expect((await statusOf(2)).podCIDRs).toEqual([ipv4, ipv6]);
      await agree();
    });
    cluster.manifests.apply({ ...whole, spec: { podCIDRs: [others] } });
    await expect.poll(async () => (await statusOf(2)).podCIDRs).toEqual([]);
    const pod = cluster.preparePod(placed('refused', 2));
    await expect(pod.start()).rejects.toMatchObject({ code: 11 });
    cluster.manifests.apply(whole);
    await expect.poll(() => problemsOf(2)).toEqual([]);
    await pod.start();
    await cluster.stopPod('x/refused');
    await agree();
  });
});
