import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, onTestFinished, test } from 'vitest';
import { KubernetesSource } from '../../../../src/cluster/kubernetes/kubernetes-source.ts';
import { BATCH_DELAY_MS, FAULT_TOLERATED_MS, PAGE_ITEMS } from '../../../../src/cluster/kubernetes/limits.ts';
import { knownResources } from '../../../../src/cluster/kubernetes/resource.ts';
import { Snapshot } from '../../../../src/cluster/snapshot.ts';
import type { ClusterUpdate } from '../../../../src/cluster/source.ts';
import { ConfigError } from '../../../../src/lib/errors.ts';
import { eventually, servedApi, type ServedApi } from '../../../support/api-server-fixture.ts';
import type { RawObject } from '../../../support/api-server-store.ts';

const PATHS = knownResources().map(({ path }) => path);
const PODS = '/api/v1/pods';
const NAMESPACES = '/api/v1/namespaces';
const NODES = '/api/v1/nodes';
const SERVICES = '/api/v1/services';
const POLICIES = '/apis/networking.k8s.io/v1/networkpolicies';
const SLICES = '/apis/discovery.k8s.io/v1/endpointslices';
const CLUSTER_POLICIES = '/apis/policy.networking.k8s.io/v1alpha2/clusternetworkpolicies';

interface Watched extends ServedApi {
  readonly source: KubernetesSource;
  readonly snapshot: Snapshot;
  readonly updates: ClusterUpdate[];
  readonly until: (isTrue: () => boolean) => Promise<void>;
}

/** Everything is listed and every watch open when it resolves. */
async function watched(before: (api: ServedApi) => void = () => undefined): Promise<Watched> {
  const api = await servedApi(PATHS);
  const { server, transport, clock } = api;
  server.absent.add(CLUSTER_POLICIES);
  before(api);
  const source = new KubernetesSource({ transport, clock, random: () => 0.5 });
  onTestFinished(() => source.close());
  const snapshot = new Snapshot();
  const updates: ClusterUpdate[] = [];
  source.start((update) => {
    snapshot.apply([...update.changes, ...update.services]);
    updates.push(update);
  });
  const until = (isTrue: () => boolean): Promise<void> => eventually(clock, () => source.stats().values(), isTrue);
  await until(() => updates.length > 0 && server.watchers() === PATHS.length - server.absent.size);
  await source.synced;
  return { ...api, source, snapshot, updates, until };
}

const namespace = (name: string): RawObject => ({ metadata: { name } });
const pod = (name: string, ip: string, labels: Record<string, string> = {}, phase = 'Running'): RawObject => ({
  metadata: { namespace: 'shop', name, labels },
  spec: { nodeName: 'n1', containers: [{ name: 'c', ports: [{ containerPort: 80, name: 'http' }] }] },
  status: { phase, podIP: ip, podIPs: [{ ip }] },
});
const policy = (name: string, spec: object = { podSelector: {} }): RawObject => ({
  metadata: { namespace: 'shop', name },
  spec,
});

test('the first update holds the whole state, after every type is listed, and comes before synced', async () => {
  const { updates, snapshot, source } = await watched(({ server }) => {
    server.set(PODS, pod('web', '10.0.0.1'));
    server.set(NAMESPACES, namespace('shop'));
    server.set(NODES, { metadata: { name: 'n1' }, spec: { podCIDRs: ['10.0.0.0/24'] } });
    server.set(POLICIES, policy('deny'));
    server.set(SERVICES, {
      metadata: { namespace: 'shop', name: 'web' },
      spec: { clusterIP: '10.96.0.1', ports: [{ port: 80 }] },
    });
    server.set(SLICES, {
      metadata: { namespace: 'shop', name: 'web-1', labels: { 'kubernetes.io/service-name': 'web' } },
      addressType: 'IPv4',
      ports: [{ name: '', port: 80 }],
      endpoints: [{ addresses: ['10.0.0.1'] }],
    });
    server.inject('list', [{ kind: 'status', code: 500 }], SLICES);
  });
  expect(updates.length).toBe(1);
  expect(updates[0]?.changes.map(({ op, kind }) => `${op} ${kind}`)).toEqual([
    'set Namespace',
    'set Node',
    'set NetworkPolicy',
    'set Pod',
  ]);
  expect(updates[0]?.services.map(({ op, kind }) => `${op} ${kind}`)).toEqual(['set Service', 'set EndpointSlice']);
  expect(updates[0]?.problems).toEqual([]);
  expect(snapshot.pod('shop', 'web')).toMatchObject({ podIPs: ['10.0.0.1'], nodeName: 'n1' });
  expect(source.freshness()).toMatchObject({ synced: true, fault: undefined });
});

test('changes of one moment come as one batch, in an order in which nothing opens on the way', async () => {
  const { server, clock, updates, until, source } = await watched(({ server: api }) => {
    api.set(NAMESPACES, namespace('old'));
    api.set(PODS, pod('gone', '10.0.0.1'));
    api.set(POLICIES, policy('before'));
  });
  const events = (): number => [...source.stats().values()].reduce((sum, { events: count }) => sum + count, 0);
  server.delete(NAMESPACES, 'old');
  server.delete(POLICIES, 'shop/before');
  server.set(PODS, pod('new', '10.0.0.1'));
  server.set(POLICIES, policy('after'));
  server.set(NAMESPACES, namespace('shop'));
  server.delete(PODS, 'shop/gone');
  await expect.poll(events).toBe(6);
  expect(updates.length).toBe(1);
  clock.advance(BATCH_DELAY_MS);
  await until(() => updates.length === 2);
  expect(updates[1]?.changes.map(({ op, kind }) => `${op} ${kind}`)).toEqual([
    'delete Pod',
    'set Namespace',
    'set NetworkPolicy',
    'set Pod',
    'delete NetworkPolicy',
    'delete Namespace',
  ]);
});

test('an address that moves from a pod that has ended to a new one is given up first, though the new pod came earlier', async () => {
  const { server, clock, updates, source } = await watched(({ server: api }) => api.set(PODS, pod('a', '10.0.0.1')));
  server.set(PODS, { ...pod('b', ''), status: { phase: 'Pending' } });
  server.set(PODS, pod('a', '10.0.0.1', {}, 'Succeeded'));
  server.set(PODS, pod('b', '10.0.0.1'));
  await expect.poll(() => source.stats().get('Pod')?.events).toBe(3);
  clock.advance(BATCH_DELAY_MS);
  expect(updates[1]?.changes.map((change) => change.op === 'set' && change.object)).toMatchObject([
    { name: 'a', terminal: true },
    { name: 'b', podIPs: ['10.0.0.1'] },
  ]);
});

test('an invalid policy isolates and allows nothing, also where it was valid before, and says so until it is mended', async () => {
  const open = { podSelector: { matchLabels: { app: 'web' } }, ingress: [{}] };
  const { server, snapshot, updates, until } = await watched(({ server: api }) => api.set(POLICIES, policy('p', open)));
  server.set(POLICIES, policy('p', { ...open, ingress: [{ fromService: 'x' }] }));
  await until(() => snapshot.networkPolicies.get('shop/p')?.invalid === true);
  expect(snapshot.networkPolicies.get('shop/p')).toMatchObject({ podSelector: open.podSelector, ingress: [] });
  expect(updates.at(-1)?.problems).toMatchObject([
    {
      severity: 'error',
      object: { kind: 'NetworkPolicy', namespace: 'shop', name: 'p' },
      hint: expect.stringMatching('isolates its pods and allows nothing$'),
    },
  ]);
  server.set(POLICIES, policy('p', open));
  await until(() => updates.at(-1)?.problems.length === 0);
  expect(snapshot.networkPolicies.get('shop/p')?.invalid).toBe(undefined);
});

test('a pod that becomes unreadable is left out, and told', async () => {
  const { server, snapshot, updates, until } = await watched(({ server: api }) => api.set(PODS, pod('a', '10.0.0.1')));
  server.set(PODS, pod('a', 'no address'));
  await until(() => snapshot.pods.size === 0);
  expect(updates.at(-1)?.problems[0]).toMatchObject({ severity: 'error', hint: expect.stringMatching('left out$') });
});

test('policies of the whole cluster are read once their type is there', async () => {
  const { server, source, until } = await watched();
  expect(source.freshness().fault).toBe(undefined);
  server.absent.clear();
  await until(() => server.watchers(CLUSTER_POLICIES) === 1);
  expect(source.stats().get('ClusterNetworkPolicy')).toMatchObject({ lists: 1 });
});

test('a server out of reach takes nothing away; it is told after FAULT_TOLERATED_MS, and that it is over', async () => {
  const { server, clock, snapshot, updates, source, until } = await watched(({ server: api }) =>
    api.set(PODS, pod('a', '10.0.0.1')),
  );
  const sinceMs = clock.monotonicMs();
  server.token = 'other';
  server.disconnect('abrupt');
  await until(() => updates.at(-1)?.problems.some(({ message }) => message.includes('cannot be seen')) === true);
  expect(clock.monotonicMs() - sinceMs).toBeGreaterThanOrEqual(FAULT_TOLERATED_MS);
  expect([snapshot.pods.size, source.freshness().fault]).toEqual([1, expect.stringMatching('Pod: .*401')]);
  server.token = undefined;
  await until(() => updates.at(-1)?.problems.length === 0 && source.freshness().fault === undefined);
});

test('after any series of faults the state is that of the server', async () => {
  const { server, snapshot, until } = await watched();
  const names = (path: string): string =>
    server.store
      .list(path)
      .map(({ metadata: { name } }) => name)
      .join();
  for (let round = 0; round < 12; round++) {
    for (let i = 0; i < 6; i++) server.set(PODS, pod(`p${i}`, `10.0.${round}.${i + 1}`));
    server.set(NAMESPACES, namespace(`n${round}`));
    if (round % 3 === 0) server.disconnect(round % 2 === 0 ? 'clean' : 'abrupt');
    if (round % 4 === 0) server.store.compact();
    if (round % 5 === 0) server.inject('watch', [{ kind: 'status', code: 410 }, { kind: 'reset' }]);
    if (round % 5 === 1)
      server.inject('list', [
        { kind: 'status', code: 429 },
        { kind: 'text', text: '{', close: 'abrupt' },
      ]);
    if (round === 7) server.restart();
    server.delete(PODS, `shop/p${round % 6}`);
    if (round > 1) server.delete(NAMESPACES, `n${round - 2}`);
  }
  await until(
    () =>
      [...snapshot.pods.values()]
        .map(({ name, podIPs }) => `${name}${podIPs.join()}`)
        .toSorted()
        .join() ===
        server.store
          .list(PODS)
          .map((raw) => `${raw.metadata.name}${(raw['status'] as { podIP: string }).podIP}`)
          .join() && [...snapshot.namespaces.keys()].toSorted().join() === names(NAMESPACES),
  );
});

test('5,000 pods of 4 kB leave less than 2 kB each, and no more than a page is held beside them on the way', async () => {
  setFlagsFromString('--expose-gc');
  const collectGarbage = runInNewContext('gc') as () => void;
  const heapNow = (): number => {
    collectGarbage();
    return process.memoryUsage().heapUsed;
  };
  const PODS_COUNT = 5_000;
  const filler = { annotations: { filler: 'x'.repeat(3_600) } };
  let baseline = 0;
  let peak = 0;
  const { snapshot, server } = await watched(({ server: api }) => {
    for (let i = 0; i < PODS_COUNT; i++) {
      const plain = pod(`pod-${i}`, `10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`, { app: `app-${i % 50}` });
      api.set(PODS, { ...plain, metadata: { ...plain.metadata, ...filler } });
    }
    api.onPage = () => {
      peak = Math.max(peak, heapNow());
    };
    baseline = heapNow();
  });
  const kept = heapNow() - baseline;
  expect(snapshot.pods.size).toBe(PODS_COUNT);
  expect(server.seen('list', PODS).length).toBe(PODS_COUNT / PAGE_ITEMS);
  const sentBytes = PODS_COUNT * 4_000;
  expect(kept).toBeLessThan(PODS_COUNT * 2_000);
  expect(peak - baseline).toBeLessThan(sentBytes / 2);
});

test('nothing is told after close; before the first update synced rejects', async () => {
  const { server, source, updates, clock } = await watched();
  await source.close();
  server.set(PODS, pod('late', '10.0.0.9'));
  clock.advance(BATCH_DELAY_MS);
  expect(updates.length).toBe(1);
  const api = await servedApi(PATHS);
  const early = new KubernetesSource({ transport: api.transport, clock: api.clock, random: () => 0.5 });
  early.start(() => expect.unreachable());
  await early.close();
  await expect(early.synced).rejects.toThrow(ConfigError);
});

test('a wall clock that jumps changes when things are said to be, and nothing else', async () => {
  const { server, snapshot, source, until, clock } = await watched();
  const lists = (): number => [...source.stats().values()].reduce((sum, stats) => sum + stats.lists, 0);
  const before = lists();
  for (const jump of [-365 * 86_400_000, 365 * 86_400_000]) {
    clock.setWall(clock.wallMs() + jump);
    server.set(NAMESPACES, namespace(`after-${jump}`));
    await until(() => snapshot.namespaces.has(`after-${jump}`));
    for (const path of PATHS) server.bookmark(path);
    const isSeen = (): boolean => Math.abs(source.freshness().asOfMs - clock.wallMs()) < 60_000;
    await until(isSeen);
    expect(source.freshness()).toMatchObject({ synced: true, fault: undefined });
  }
  expect(lists()).toBe(before);
});
