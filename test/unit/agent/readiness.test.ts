import { beforeEach, expect, test, vi } from 'vitest';
import { Readiness } from '../../../src/agent/readiness.ts';
import { Reconciler } from '../../../src/agent/reconciler.ts';
import type { Freshness } from '../../../src/cluster/source.ts';
import { MemoryDatapath } from '../../../src/datapath/memory/datapath.ts';
import { CapacityError } from '../../../src/lib/errors.ts';
import { MemoryLog } from '../cni/memory-log.ts';
import { FakeClock } from '../lib/fake-clock.ts';
import { FakeCompileService } from './fake-compile-service.ts';

let clock: FakeClock;
let log: MemoryLog;
let compiler: FakeCompileService;
let reconciler: Reconciler;
let synced: PromiseWithResolvers<void>;
let freshness: Freshness;
let readiness: Readiness;

beforeEach(async () => {
  clock = new FakeClock();
  log = new MemoryLog();
  compiler = new FakeCompileService();
  const datapath = await MemoryDatapath.open();
  reconciler = new Reconciler({ compiler, datapath, log, onTables: () => undefined, isHeld: true });
  synced = Promise.withResolvers();
  freshness = { synced: false, asOfMs: 0, fault: 'Pod: connection refused' };
  const source = { synced: synced.promise, freshness: () => freshness };
  readiness = new Readiness({ source, reconciler, clock, log });
});

test('nothing is compiled before the source is synced; then everything as one change', async () => {
  reconciler.submit([{ kind: 'Namespace', op: 'set', object: { name: 'a', labels: {} } }]);
  reconciler.submit([{ kind: 'Namespace', op: 'set', object: { name: 'b', labels: {} } }]);
  const begun = readiness.begin();
  await new Promise((resolve) => setImmediate(resolve));
  expect(compiler.batches).toEqual([]);
  await expect(reconciler.realized(2)).rejects.toThrow('the desired state is not known yet');
  expect(readiness.isReady).toBe(false);
  freshness = { synced: true, asOfMs: 1, fault: undefined };
  synced.resolve();
  expect(readiness.reason()).toBe('the first tables are not in force yet');
  await begun;
  expect(compiler.batches.map((batch) => batch.length)).toEqual([2]);
  expect(readiness).toMatchObject({ isReady: true });
  expect(readiness.reason()).toBeUndefined();
});

test('what it waits for is told, to whoever asks and now and then to the log', async () => {
  const begun = readiness.begin();
  const reason = 'the desired state is not known yet: Pod: connection refused';
  expect(readiness.reason()).toBe(reason);
  clock.advance(10_000);
  clock.advance(10_000);
  expect(log.lines).toMatchObject([
    { level: 'warn', fields: { reason } },
    { level: 'warn', fields: { reason } },
  ]);
  synced.resolve();
  await begun;
  clock.advance(60_000);
  expect(log.lines.filter(({ level }) => level === 'warn')).toHaveLength(2);
  expect(clock.pending).toBe(0);
});

test('first tables that cannot be in force do not end it: it says why, and is ready once later ones are', async () => {
  compiler.failures.push(new CapacityError('rows', 9, 8, 'x/big'));
  freshness = { synced: true, asOfMs: 1, fault: undefined };
  synced.resolve();
  const begun = readiness.begin();
  await vi.waitFor(() => expect(reconciler.state().failure).not.toBe(''));
  expect(readiness.isReady).toBe(false);
  const reason = `the first tables are not in force yet: ${reconciler.state().failure}`;
  expect(reason).toContain('x/big needs 9 of rows');
  expect(readiness.reason()).toBe(reason);
  clock.advance(10_000);
  expect(log.lines.at(-1)).toMatchObject({ level: 'warn', fields: { reason } });
  reconciler.submit([{ kind: 'Namespace', op: 'set', object: { name: 'a', labels: {} } }]);
  await begun;
  expect(readiness.isReady).toBe(true);
  expect(readiness.reason()).toBeUndefined();
  expect(clock.pending).toBe(0);
});

test('it ends without a word while the first tables cannot be in force', async () => {
  compiler.failures.push(new Error('no memory'));
  synced.resolve();
  const begun = readiness.begin();
  await vi.waitFor(() => expect(reconciler.state().failure).toBe('no memory'));
  readiness[Symbol.dispose]();
  await reconciler.close();
  await begun;
  expect(readiness.isReady).toBe(false);
});

test('it ends without a word when it is not wanted any more', async () => {
  const begun = readiness.begin();
  readiness[Symbol.dispose]();
  synced.reject(new Error('closed'));
  await begun;
  expect(readiness.isReady).toBe(false);
  expect(clock.pending).toBe(0);
});
