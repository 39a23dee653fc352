import { expect, onTestFinished, test } from 'vitest';
import { KubernetesSource } from '../../../../src/cluster/kubernetes/kubernetes-source.ts';
import {
  OVERLAY_LOOK_MS,
  OVERLAY_MS_MAX,
  POD_QUERIES_MAX,
  POD_QUERY_MS_MAX,
} from '../../../../src/cluster/kubernetes/limits.ts';
import { knownResources } from '../../../../src/cluster/kubernetes/resource.ts';
import { Snapshot } from '../../../../src/cluster/snapshot.ts';
import type { PodInquiry } from '../../../../src/cluster/source.ts';
import type { Pod } from '../../../../src/policy/model.ts';
import { eventually, servedApi, type ServedApi } from '../../../support/api-server-fixture.ts';
import type { RawObject } from '../../../support/api-server-store.ts';

const PATHS = knownResources().map(({ path }) => path);
const PODS = '/api/v1/pods';
const WEB = '/api/v1/namespaces/shop/pods/web';
const NEVER = new AbortController().signal;

interface Asked extends ServedApi {
  readonly source: KubernetesSource;
  readonly snapshot: Snapshot;
  /** What was told of the pod, in order: its label `step`, or `-` when it went. */
  readonly told: string[];
  /** Pods with an endpoint. */
  readonly local: Set<string>;
  readonly ask: (uid?: string, signal?: AbortSignal) => Promise<PodInquiry>;
  readonly until: (isTrue: () => boolean) => Promise<void>;
}

/** Synced; from then on the watch on pods hears of nothing. */
async function lagging(before: (api: ServedApi) => void = () => undefined): Promise<Asked> {
  const api = await servedApi(PATHS);
  const { server, transport, clock } = api;
  before(api);
  const snapshot = new Snapshot();
  const local = new Set<string>();
  const isLocal = (pod: Pod): boolean => local.has(pod.uid);
  const source = new KubernetesSource({ transport, clock, random: () => 0.5, isLocal });
  onTestFinished(() => source.close());
  const told: string[] = [];
  source.start(({ changes }) => {
    snapshot.apply(changes);
    for (const change of changes) {
      if (change.kind === 'Pod') told.push(change.op === 'set' ? (change.object.labels['step'] ?? '') : '-');
    }
  });
  const until = (isTrue: () => boolean): Promise<void> => eventually(clock, () => source.stats().values(), isTrue);
  await until(() => source.freshness().synced && server.watchers() === PATHS.length);
  server.lag(PODS);
  const ask = (uid?: string, signal = NEVER): Promise<PodInquiry> => source.inquire('shop', 'web', uid, signal);
  return { ...api, source, snapshot, told, local, ask, until };
}

const web = (step: string, uid = 'ours', phase = 'Pending'): RawObject => ({
  metadata: { namespace: 'shop', name: 'web', uid, labels: { step } },
  spec: { nodeName: 'n1', containers: [] },
  status: { phase },
});

test('a pod that the watch has not brought is told at once; the watch then goes on from there', async () => {
  const { server, ask, told, snapshot, source, until } = await lagging();
  server.set(PODS, web('1'));
  expect(await ask('ours')).toEqual({ kind: 'known' });
  expect(told).toEqual(['1']);
  expect(snapshot.pod('shop', 'web')).toMatchObject({ uid: 'ours', nodeName: 'n1' });
  expect(source.queryStats()).toMatchObject({ found: 1, running: 0, ahead: 1 });
  server.set(PODS, web('2'));
  server.catchUp(PODS);
  await until(() => told.at(-1) === '2');
  expect(source.queryStats().ahead).toBe(0);
});

test('what the watch brings late does not bring back what is over', async () => {
  const { server, ask, told, until, source } = await lagging();
  server.set(PODS, web('1'));
  server.set(PODS, web('2'));
  const { revision } = server.store;
  server.set(PODS, web('3'));
  await ask('ours');
  expect(told).toEqual(['3']);
  server.catchUp(PODS, revision);
  await until(() => source.stats().get('Pod')?.events === 2);
  server.set(PODS, web('4'));
  server.catchUp(PODS);
  await until(() => told.at(-1) === '4');
  expect(told.filter((step) => step !== '3')).toEqual(['4']);
});

test('a pod that took another form and back between the two is told as the watch has it in the end', async () => {
  const { server, ask, told, until, source } = await lagging(({ server: api }) => api.set(PODS, web('0', 'theirs')));
  server.set(PODS, web('1'));
  server.set(PODS, web('2'));
  await ask('ours');
  expect(told).toEqual(['0', '2']);
  // A list that has skipped to a version whose content is what the watch had before.
  server.set(PODS, web('0'));
  server.store.compact();
  server.restart();
  await until(() => source.queryStats().ahead === 0 && told.at(-1) === '0');
});

test('NP-125: the pod that had the name before comes and goes in the watch without a word', async () => {
  const { server, ask, told, until, source } = await lagging(({ server: api }) => api.set(PODS, web('old', 'before')));
  server.set(PODS, web('old, ended', 'before', 'Succeeded'));
  server.delete(PODS, 'shop/web');
  const { revision } = server.store;
  server.set(PODS, web('1'));
  await ask('ours');
  server.catchUp(PODS, revision);
  await until(() => source.stats().get('Pod')?.events === 2);
  server.catchUp(PODS);
  await until(() => source.queryStats().ahead === 0);
  expect(told.slice(0, 2)).toEqual(['old', '1']);
  expect(new Set(told.slice(2))).toEqual(new Set(told.length > 2 ? ['1'] : []));
});

test('a list of a server that lags behind does not take it away while it has an endpoint', async () => {
  const { server, ask, told, local, snapshot, source, until, clock } = await lagging();
  const stale = server.store.copy();
  server.set(PODS, web('1'));
  await ask('ours');
  local.add('ours');
  server.staleReplica = stale;
  server.store.compact();
  server.restart();
  await until(() => (source.stats().get('Pod')?.lists ?? 0) >= 2 || source.stats().get('Pod')?.phase === 'watching');
  clock.advance(OVERLAY_MS_MAX + OVERLAY_LOOK_MS);
  clock.advance(OVERLAY_LOOK_MS);
  expect(told).toEqual(['1']);
  expect(snapshot.pod('shop', 'web')).toBeDefined();
  local.delete('ours');
  clock.advance(OVERLAY_LOOK_MS);
  await until(() => told.at(-1) === '-');
});

test('a deletion that the watch brings counts, also of what it has never had', async () => {
  const { server, ask, told, until } = await lagging();
  server.set(PODS, web('1'));
  await ask('ours');
  server.delete(PODS, 'shop/web');
  server.catchUp(PODS);
  await until(() => told.at(-1) === '-');
});

test('NP-125: a pod of that name that is another one is not told', async () => {
  const { server, ask, told } = await lagging();
  server.set(PODS, web('1', 'theirs'));
  expect(await ask('ours')).toEqual({ kind: 'unknown', reason: 'the pod of that name has uid theirs, not ours' });
  expect(told).toEqual([]);
});

test('NP-125: a static pod is known by the hash of its configuration, as the runtime knows it', async () => {
  const { server, ask, snapshot } = await lagging();
  const annotations = { 'kubernetes.io/config.mirror': 'hash', 'kubernetes.io/config.hash': 'hash' };
  const mirror = web('1', 'of-the-mirror');
  server.set(PODS, { ...mirror, metadata: { ...mirror.metadata, annotations } } as RawObject);
  expect(await ask('of-the-mirror')).toMatchObject({ kind: 'unknown' });
  expect(await ask('hash')).toEqual({ kind: 'known' });
  expect(snapshot.pod('shop', 'web')?.uid).toBe('hash');
});

test.each(['..', 'a/b', 'A', '', 'x'.repeat(254), 'a?b'])('%j is no name to ask for', async (name) => {
  const { server, source } = await lagging();
  const requests = server.requests.length;
  expect(await source.inquire('shop', name, undefined, NEVER)).toMatchObject({ kind: 'unknown' });
  expect(await source.inquire(name, 'web', undefined, NEVER)).toMatchObject({ kind: 'unknown' });
  expect(server.requests.length).toBe(requests);
});

test('a server that has no such pod, refuses, breaks off or is silent is told as the reason', async () => {
  const { server, ask, source, clock, until } = await lagging();
  expect(await ask()).toEqual({ kind: 'unknown', reason: 'the API server has no such pod' });
  server.inject('get', [{ kind: 'status', code: 403 }, { kind: 'reset' }, { kind: 'stall' }], WEB);
  expect(await ask()).toMatchObject({ kind: 'unknown', reason: expect.stringContaining('403') });
  expect(await ask()).toMatchObject({ kind: 'unknown', reason: expect.stringContaining('the API server 127.0.0.1') });
  const silent = ask();
  await until(() => server.seen('get').length === 4);
  clock.advance(POD_QUERY_MS_MAX);
  expect(await silent).toMatchObject({ reason: `no answer from the API server in ${POD_QUERY_MS_MAX / 1000} s` });
  expect(source.queryStats()).toMatchObject({ found: 0, absent: 1, failed: 3, running: 0 });
});

test('so many are asked for at one time and no more, and a question can be given up', async () => {
  const { server, ask, source, until } = await lagging();
  server.inject(
    'get',
    Array.from({ length: POD_QUERIES_MAX }, () => ({ kind: 'stall' }) as const),
  );
  const givenUp = new AbortController();
  const questions = Array.from({ length: POD_QUERIES_MAX }, () => ask(undefined, givenUp.signal));
  await until(() => server.seen('get').length === POD_QUERIES_MAX);
  expect(await ask()).toMatchObject({ kind: 'unknown', reason: expect.stringContaining('POD_QUERIES_MAX') });
  givenUp.abort();
  expect(new Set((await Promise.all(questions)).map(({ kind }) => kind))).toEqual(new Set(['unknown']));
  expect(source.queryStats()).toMatchObject({ running: 0, refused: 1, failed: POD_QUERIES_MAX });
});
