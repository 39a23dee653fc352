import { expect, onTestFinished, test } from 'vitest';
import type { ObjectChange } from '../../../../src/cluster/kubernetes/held-objects.ts';
import {
  ABSENT_RETRY_MS,
  BACKOFF_MS_MAX,
  NOT_OLDER_ATTEMPTS_MAX,
  PAGE_ITEMS,
  REQUEST_IDLE_MS_MAX,
  SILENT_WATCHES_MAX,
  WATCH_IDLE_MS_MAX,
} from '../../../../src/cluster/kubernetes/limits.ts';
import { Reflector } from '../../../../src/cluster/kubernetes/reflector.ts';
import type { Resource } from '../../../../src/cluster/kubernetes/resource.ts';
import type { RawObject } from '../../../support/api-server-store.ts';
import { eventually, servedApi, type ServedApi } from '../../../support/api-server-fixture.ts';

const PATH = '/apis/test.dev/v1/things';
const THING: Resource<string> = {
  kind: 'Thing',
  apiVersion: 'test.dev/v1',
  path: PATH,
  namespaced: true,
  optional: false,
  read: (raw) => ({ object: (raw as RawObject).metadata.labels?.['v'] ?? '', problems: [] }),
};

interface Followed extends ServedApi {
  readonly reflector: Reflector<string>;
  /** What whoever listens holds to be true. */
  readonly state: Map<string, string | undefined>;
  readonly changes: ObjectChange<string>[];
  readonly set: (name: string, v?: string, uid?: string) => void;
  readonly until: (isTrue: () => boolean) => Promise<void>;
  /** Until the state is the server's, and a watch is open again. */
  readonly agreed: () => Promise<void>;
}

/** @param before is called with the server before the reflector starts. */
async function followed(
  before: (api: ServedApi) => void = () => undefined,
  resource: Resource<string> = THING,
): Promise<Followed> {
  const api = await servedApi([PATH, '/apis/other.dev/v1/others']);
  const { server, transport, clock } = api;
  before(api);
  const state = new Map<string, string | undefined>();
  const changes: ObjectChange<string>[] = [];
  const reflector = new Reflector({
    resource,
    transport,
    clock,
    random: () => 0.5,
    onChanges: (news) => {
      changes.push(...news);
      for (const change of news) {
        if (change.op === 'set') state.set(change.key, change.object);
        else state.delete(change.key);
      }
    },
  });
  onTestFinished(() => reflector.close());
  reflector.start();
  const until = (isTrue: () => boolean): Promise<void> => eventually(clock, () => [reflector.stats()], isTrue);
  const wanted = (): string =>
    JSON.stringify(server.store.list(PATH).map((raw) => [keyOf(raw), raw.metadata.labels?.['v']]));
  const held = (): string => JSON.stringify([...state].toSorted(([a], [b]) => (a < b ? -1 : 1)));
  return {
    ...api,
    reflector,
    state,
    changes,
    set: (name, v = '', uid) => server.set(PATH, thing(name, v, uid)),
    until,
    agreed: () => until(() => server.watchers() === 1 && wanted() === held()),
  };
}

function thing(name: string, v = '', uid?: string): RawObject {
  return { metadata: { namespace: 'ns', name, labels: { v }, ...(uid !== undefined && { uid }) } };
}

function keyOf({ metadata }: RawObject): string {
  return `${metadata.namespace}/${metadata.name}`;
}

test('what is there at first is told before synced, and then what comes, changes and goes', async () => {
  const { server, state, set, agreed, reflector } = await followed(({ server: api }) => api.set(PATH, thing('a', '1')));
  await reflector.synced;
  expect([...state]).toEqual([['ns/a', '1']]);
  await agreed();
  set('a', '2');
  set('b');
  await agreed();
  server.delete(PATH, 'ns/a');
  await agreed();
  expect([...state.keys()]).toEqual(['ns/b']);
  expect(reflector.stats()).toMatchObject({ phase: 'watching', objects: 1, lists: 1, watches: 1, events: 3 });
});

test('lists are asked for in pages, watches with bookmarks and a bounded life', async () => {
  const { server, agreed } = await followed();
  await agreed();
  expect(server.requests.map(({ query }) => query)).toEqual([
    { limit: String(PAGE_ITEMS) },
    { watch: 'true', allowWatchBookmarks: 'true', timeoutSeconds: '450', resourceVersion: '100' },
  ]);
});

test('a version of an object that says nothing else is not told again', async () => {
  const { set, changes, agreed, until, reflector } = await followed();
  await agreed();
  set('a', '1');
  set('a', '1');
  await until(() => reflector.stats().events === 2);
  expect(changes.length).toBe(1);
});

test('a bookmark moves the version from which the next watch goes on', async () => {
  const { server, agreed, until, reflector } = await followed();
  await agreed();
  server.set('/apis/other.dev/v1/others', thing('elsewhere'));
  server.bookmark(PATH);
  await until(() => reflector.stats().bookmarks === 1);
  server.disconnect('clean');
  await until(() => server.seen('watch').length === 2);
  expect(server.seen('watch')[1]?.query['resourceVersion']).toBe('101');
  expect(reflector.stats().lists).toBe(1);
});

for (const how of ['clean', 'abrupt'] as const) {
  test(`a watch that closes (${how}) goes on where it was, and misses nothing`, async () => {
    const { server, set, agreed, reflector } = await followed();
    await agreed();
    set('a', '1');
    await agreed();
    server.disconnect(how);
    server.delete(PATH, 'ns/a');
    set('b', '1');
    await agreed();
    expect(reflector.stats().lists).toBe(1);
  });
}

test('a watch that is closed in the middle of an event gets it whole from the next one', async () => {
  const { server, set, until, agreed, reflector } = await followed();
  await agreed();
  server.send(PATH, '{"type":"ADDED","object":{"metadata":{"na');
  server.disconnect('clean');
  set('a', 'ä');
  await agreed();
  await until(() => reflector.stats().errors.network === 1);
  expect(reflector.stats().lists).toBe(1);
});

test('a server that closes every watch at once is asked ever less often', async () => {
  const { clock, server, until, reflector } = await followed(({ server: api }) => {
    api.inject(
      'watch',
      Array.from({ length: 6 }, () => ({ kind: 'text', text: '', close: 'clean' }) as const),
    );
  });
  const sinceMs = clock.monotonicMs();
  await until(() => server.watchers() === 1);
  // Half of 500, 1000, 2000, 4000, 8000 and 16000 ms.
  expect(clock.monotonicMs() - sinceMs).toBeGreaterThanOrEqual(15_750);
  expect(reflector.stats()).toMatchObject({ watches: 7, lists: 1 });
});

test('an event shows that all is well: the next close is followed up soon again', async () => {
  const { clock, server, set, agreed, until } = await followed(({ server: api }) => {
    api.inject(
      'watch',
      Array.from({ length: 6 }, () => ({ kind: 'reset' }) as const),
    );
  });
  await agreed();
  set('a');
  await agreed();
  const sinceMs = clock.monotonicMs();
  server.disconnect('clean');
  await until(() => server.seen('watch').length === 8);
  expect(clock.monotonicMs() - sinceMs).toBeLessThan(BACKOFF_MS_MAX / 4);
});

for (const goneAs of ['status', 'event'] as const) {
  test(`410 as ${goneAs} leads to a new list, with what was deleted meanwhile`, async () => {
    const { server, set, agreed, changes, reflector } = await followed();
    await agreed();
    for (const name of ['a', 'b', 'c']) set(name, '1');
    await agreed();
    server.goneAs = goneAs;
    server.disconnect('abrupt');
    server.delete(PATH, 'ns/a');
    set('b', '2');
    server.store.compact();
    changes.length = 0;
    await agreed();
    expect(changes.map(({ op, key }) => [op, key])).toEqual([
      ['delete', 'ns/a'],
      ['set', 'ns/b'],
    ]);
    expect(reflector.stats()).toMatchObject({ lists: 2, errors: { gone: 1 } });
    expect(server.seen('list')[1]?.query).toMatchObject({
      resourceVersion: '103',
      resourceVersionMatch: 'NotOlderThan',
    });
  });
}

test('a list whose continue token is forgotten begins anew, and nothing is told before it is whole', async () => {
  let pages = 0;
  const { server, agreed, changes, reflector } = await followed(({ server: api }) => {
    for (let i = 0; i < PAGE_ITEMS + 1; i++) api.set(PATH, thing(`t${i}`));
    api.onPage = () => {
      pages += 1;
      if (pages === 1) setImmediate(() => api.expirePages());
    };
  });
  await agreed();
  expect(server.seen('list').length).toBe(4);
  expect(changes.length).toBe(PAGE_ITEMS + 1);
  expect(reflector.stats()).toMatchObject({ lists: 1, errors: { gone: 1 } });
});

test('changes between the pages of a slow list are not lost', async () => {
  const { server, state, set, agreed, until } = await followed(({ server: api }) => {
    for (let i = 0; i < PAGE_ITEMS * 2 + 1; i++) api.set(PATH, thing(`t${i}`));
    api.pageDelayMs = 30;
  });
  await until(() => server.seen('list').length === 2);
  server.delete(PATH, 'ns/t0');
  set('t999', 'late');
  await agreed();
  expect([state.has('ns/t0'), state.get('ns/t999')]).toEqual([false, 'late']);
});

test('a replica that lags behind brings nothing back: its list is refused, and the state stays until a good one', async () => {
  const { server, state, set, until, agreed, reflector } = await followed();
  await agreed();
  set('a', '1');
  await agreed();
  const old = server.store.copy();
  server.delete(PATH, 'ns/a');
  await agreed();
  server.store.compact();
  server.staleReplica = old;
  server.disconnect('abrupt');
  await until(() => reflector.stats().errors['too-new'] >= NOT_OLDER_ATTEMPTS_MAX - 1);
  server.staleReplica = undefined;
  expect([...state]).toEqual([]);
  await agreed();
  expect([...state]).toEqual([]);
});

test('a server with another history, restored from a backup, is believed in the end', async () => {
  const { server, set, agreed, reflector } = await followed();
  await agreed();
  set('kept', '1');
  await agreed();
  const backup = server.store.copy();
  set('kept', '2');
  set('lost', '1');
  await agreed();
  server.restart(backup);
  await agreed();
  expect(reflector.stats().errors['too-new']).toBe(NOT_OLDER_ATTEMPTS_MAX);
  expect(server.seen('list').at(-1)?.query).toEqual({ limit: String(PAGE_ITEMS) });
  set('kept', '3');
  await agreed();
});

test('an object of the same version with other content, after a restore, is told', async () => {
  const { server, state, set, agreed } = await followed();
  await agreed();
  const backup = server.store.copy();
  set('a', 'old history', 'u');
  server.store.compact();
  await agreed();
  const version = server.store.list(PATH)[0]?.metadata.resourceVersion;
  backup.set(PATH, thing('a', 'new history', 'u'));
  expect(backup.list(PATH)[0]?.metadata.resourceVersion).toBe(version);
  backup.compact();
  backup.compact();
  server.restart(backup);
  await agreed();
  expect(state.get('ns/a')).toBe('new history');
});

test('every event sent twice counts once, also where a second copy comes after the object has changed again', async () => {
  const { server, set, state, changes, agreed, until, reflector } = await followed();
  await agreed();
  server.copies = 2;
  set('a', '1', 'u1');
  const [first] = server.store.list(PATH);
  set('a', '2');
  server.send(PATH, `${JSON.stringify({ type: 'MODIFIED', object: first })}\n`);
  await until(() => reflector.stats().events === 5);
  expect([changes.length, state.get('ns/a'), reflector.stats().duplicates]).toEqual([2, '2', 3]);
  server.disconnect('clean');
  await until(() => server.seen('watch').length === 2);
  expect(server.seen('watch')[1]?.query['resourceVersion']).toBe('102');
});

test('the deletion of an earlier object does not take a new one of that name', async () => {
  const { server, set, agreed, until, reflector } = await followed();
  await agreed();
  set('a', '1', 'u1');
  const [first] = server.store.list(PATH);
  server.delete(PATH, 'ns/a');
  set('a', '2', 'u2');
  server.send(PATH, `${JSON.stringify({ type: 'DELETED', object: first })}\n`);
  await until(() => reflector.stats().events === 4);
  await agreed();
});

test('401 leads to other credentials at once; the fault is known while it lasts', async () => {
  const { server, tokens, set, agreed, until, reflector, clock } = await followed();
  await agreed();
  server.token = 'second';
  server.disconnect('abrupt');
  set('a', '1');
  await until(() => reflector.stats().errors.unauthorized > 2);
  expect(reflector.freshness().fault).toMatch('401');
  tokens.next = 'second';
  await agreed();
  expect(reflector.freshness()).toMatchObject({ fault: undefined, faultSinceMs: undefined });
  expect(clock.monotonicMs()).toBeGreaterThan(1000);
  tokens.next = 'third';
  server.token = 'third';
  server.disconnect('clean');
  const before = reflector.stats().errors.unauthorized;
  await agreed();
  expect(reflector.stats().errors.unauthorized - before).toBe(1);
});

test('429 and 503 with Retry-After are left alone for as long as they say', async () => {
  const { clock, until, reflector } = await followed(({ server: api }) => {
    api.inject('list', [
      { kind: 'status', code: 429, headers: { 'retry-after': '60' } },
      { kind: 'status', code: 503, headers: { 'retry-after': '40' } },
    ]);
  });
  const sinceMs = clock.monotonicMs();
  await until(() => reflector.stats().lists === 1);
  expect(clock.monotonicMs() - sinceMs).toBeGreaterThanOrEqual(100_000);
  expect(reflector.stats().errors).toMatchObject({ throttled: 1, server: 1 });
});

test('no error ends it: 500, 403, 400, 404, no JSON, no list, resets, at both verbs', async () => {
  const { server, set, agreed, reflector } = await followed(({ server: api }) => {
    const codes = [500, 403, 400, 404].map((code) => ({ kind: 'status', code }) as const);
    const texts = ['<html>', '{}', '', 'null\n'].map((text) => ({ kind: 'text', text, close: 'clean' }) as const);
    for (const verb of ['list', 'watch'] as const) {
      api.inject(verb, [...codes, ...texts, { kind: 'reset' }, { kind: 'text', text: '{"ty', close: 'abrupt' }]);
    }
  });
  set('a', '1');
  await agreed();
  server.inject('watch', [
    { kind: 'text', text: '{"type":"ERROR","object":{"code":500,"message":"etcd"}}\n', close: 'clean' },
    { kind: 'text', text: '{"type":"ADDED","object":{"metadata":{}}}\n', close: 'clean' },
    { kind: 'text', text: '{"type":"SURPRISE"}\n', close: 'clean' },
  ]);
  server.disconnect('abrupt');
  set('a', '2');
  await agreed();
  expect(reflector.stats().errors).toMatchObject({ forbidden: 2, refused: 2, absent: 2, credentials: 0, stalled: 0 });
});

test('a list that stalls is given up and asked for again', async () => {
  const { clock, server, agreed, until, reflector } = await followed(({ server: api }) => {
    api.inject('list', [{ kind: 'stall' }]);
  });
  await until(() => server.requests.length === 1);
  clock.advance(REQUEST_IDLE_MS_MAX);
  await agreed();
  expect(reflector.stats().errors.stalled).toBe(1);
});

test('a watch that is silent is replaced; after SILENT_WATCHES_MAX of them in a row a new list is taken', async () => {
  const { clock, server, agreed, until, reflector } = await followed();
  await agreed();
  for (let i = 1; i <= SILENT_WATCHES_MAX; i++) {
    expect(reflector.stats().lists).toBe(1);
    clock.advance(WATCH_IDLE_MS_MAX);
    await until(() => reflector.stats().errors.stalled === i && server.watchers() === 1);
  }
  await until(() => reflector.stats().lists === 2);
});

test('an event every minute keeps a watch alive', async () => {
  const { clock, server, agreed, until, reflector } = await followed();
  await agreed();
  for (let i = 1; i <= 5; i++) {
    clock.advance(WATCH_IDLE_MS_MAX / 2);
    server.bookmark(PATH);
    await until(() => reflector.stats().bookmarks === i);
  }
  expect(reflector.stats()).toMatchObject({ watches: 1, errors: { stalled: 0 } });
  expect(clock.wallMs() - reflector.freshness().asOfMs).toBeLessThan(WATCH_IDLE_MS_MAX / 2);
});

test('an optional type that the server does not have is an empty one, and is found when it comes', async () => {
  const { clock, server, state, set, agreed, until, reflector } = await followed(
    ({ server: api }) => api.absent.add(PATH),
    { ...THING, optional: true },
  );
  await until(() => reflector.freshness().asOfMs > 0);
  await reflector.synced;
  expect([reflector.freshness().fault, [...state]]).toEqual([undefined, []]);
  server.absent.clear();
  set('a', '1');
  clock.advance(ABSENT_RETRY_MS);
  await agreed();
});

test('404 that the discovery of the server does not confirm takes nothing away', async () => {
  const { server, state, set, agreed, until, reflector } = await followed(undefined, { ...THING, optional: true });
  await agreed();
  set('a', '1');
  await agreed();
  server.inject('watch', [{ kind: 'status', code: 404 }]);
  server.inject('list', [{ kind: 'status', code: 404 }]);
  server.disconnect('abrupt');
  await until(() => reflector.stats().errors.absent === 2);
  expect([...state]).toEqual([['ns/a', '1']]);
  await agreed();
});

test('a type that is removed from the server takes its objects with it, once it is gone at two looks', async () => {
  const { clock, server, state, set, agreed, until, reflector } = await followed(undefined, {
    ...THING,
    optional: true,
  });
  await agreed();
  set('a', '1');
  await agreed();
  server.absent.add(PATH);
  server.disconnect('abrupt');
  await until(() => reflector.stats().errors.absent === 1);
  expect([...state.keys()]).toEqual(['ns/a']);
  const sinceMs = clock.monotonicMs();
  await until(() => state.size === 0);
  expect(clock.monotonicMs() - sinceMs).toBeGreaterThanOrEqual(ABSENT_RETRY_MS);
  expect(reflector.stats().errors.absent).toBe(2);
});

test('closing ends it in every phase, and before the first list synced rejects', async () => {
  const { reflector, until, server } = await followed(({ server: api }) => api.inject('list', [{ kind: 'stall' }]));
  await until(() => server.requests.length === 1);
  await reflector.close();
  await reflector.close();
  await expect(reflector.synced).rejects.toThrow('closed before its first list');
  expect(reflector.stats().phase).toBe('closed');
  const other = await followed();
  await other.agreed();
  await other.reflector.close();
  await other.until(() => other.server.watchers() === 0);
});
