import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { Reconciler } from '../../../src/agent/reconciler.ts';
import { MemoryDatapath } from '../../../src/datapath/memory/datapath.ts';
import type { Datapath } from '../../../src/datapath/datapath.ts';
import { StaleDeltaError } from '../../../src/datapath/stale-delta.ts';
import { CapacityError } from '../../../src/lib/errors.ts';
import type { ClusterChange } from '../../../src/policy/model.ts';
import { MemoryLog } from '../cni/memory-log.ts';
import { FakeCompileService } from './fake-compile-service.ts';

let compiler: FakeCompileService;
let log: MemoryLog;
let applied: number[];
/** Thrown by the next calls of `apply`, first one first. */
let refusals: Error[];
/** Tables are in force, and what only earlier ones used stays until it settles. */
let leaving: Promise<void>;
let reconciler: Reconciler;

beforeEach(async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  compiler = new FakeCompileService();
  log = new MemoryLog();
  applied = [];
  refusals = [];
  leaving = Promise.resolve();
  const datapath = await MemoryDatapath.open();
  const apply: Datapath['apply'] = async (tables, inForce) => {
    const refusal = refusals.shift();
    if (refusal !== undefined) throw refusal;
    applied.push(tables.revision);
    const realized = await datapath.apply(tables, inForce);
    await leaving;
    return realized;
  };
  reconciler = new Reconciler({ compiler, datapath: { apply }, log, onTables: () => undefined });
});

afterEach(async () => {
  await reconciler.close();
  vi.useRealTimers();
});

const pass = (ms = 0): Promise<unknown> => vi.advanceTimersByTimeAsync(ms);

function namespaceChange(name: string): ClusterChange {
  return { kind: 'Namespace', op: 'set', object: { name, labels: {} } };
}

const submit = (name: string): number => reconciler.submit([namespaceChange(name)]);

function names(batch: readonly ClusterChange[] | undefined): string[] {
  return (batch ?? []).map((change) => ('object' in change && change.kind === 'Namespace' ? change.object.name : ''));
}

describe('a step', () => {
  test('begins at once with the first change', async () => {
    await reconciler.realized(submit('a'));
    expect(names(compiler.batches[0])).toEqual(['a']);
    expect(applied).toEqual([1]);
    await pass();
    expect(compiler.inForce).toEqual([1]);
    expect(reconciler.state()).toMatchObject({ submitted: 1, realized: 1, revision: 1, failure: '' });
  });

  test('takes together what came while the one before ran', async () => {
    const open = compiler.hold();
    submit('a');
    submit('b');
    const last = submit('c');
    open();
    await reconciler.realized(last);
    expect(compiler.batches.map(names)).toEqual([['a'], ['b', 'c']]);
    expect(applied).toEqual([1, 2]);
  });

  test('begins for a change that whoever was woken by the last one submits in the same turn', async () => {
    const second = Promise.withResolvers<void>();
    void reconciler.realized(submit('a')).then(() => reconciler.realized(submit('b')).then(second.resolve));
    await second.promise;
    expect(compiler.batches.map(names)).toEqual([['a'], ['b']]);
  });

  test('wakes those who wait in the order of their changes, and each only once its change is in force', async () => {
    const woken: string[] = [];
    const wait = (number: number, name: string): void => {
      void reconciler.realized(number).then(() => woken.push(`${name} at ${reconciler.state().realized}`));
    };
    const open = compiler.hold();
    wait(submit('a'), 'a');
    const b = submit('b');
    wait(submit('c'), 'c');
    wait(b, 'b');
    open();
    await pass();
    expect(woken).toEqual(['a at 1', 'c at 3', 'b at 3']);
  });
});

describe('the form of the tables', () => {
  test('whole tables come first and after every failure, otherwise what changed', async () => {
    await reconciler.realized(submit('a'));
    await reconciler.realized(submit('b'));
    refusals.push(new Error('the kernel says no'));
    await expect(reconciler.realized(submit('c'))).rejects.toThrow('the kernel says no');
    await reconciler.realized(submit('d'));
    await reconciler.realized(submit('e'));
    expect(compiler.forms).toEqual(['whole', 'delta', 'delta', 'whole', 'delta']);
  });

  test('a delta that the datapath cannot use is followed by whole tables at once', async () => {
    await reconciler.realized(submit('a'));
    refusals.push(new StaleDeltaError(1, undefined));
    await reconciler.realized(submit('b'));
    expect(compiler.forms).toEqual(['whole', 'delta', 'whole']);
    expect(reconciler.state()).toMatchObject({ realized: 2, revision: 3, failure: '' });
  });
});

describe('a step that fails', () => {
  test('tells those who wait for it why, and nobody else', async () => {
    refusals.push(new Error('the kernel says no'));
    const open = compiler.hold();
    const first = reconciler.realized(submit('a'));
    const second = reconciler.realized(submit('b'));
    open();
    await expect(first).rejects.toThrow('the kernel says no');
    await second;
    expect(reconciler.state()).toMatchObject({ realized: 2, failure: '' });
  });

  test('is not said to be in force, and its ids are not released', async () => {
    refusals.push(new Error('the kernel says no'));
    await expect(reconciler.realized(submit('a'))).rejects.toThrow();
    expect(reconciler.state()).toMatchObject({ submitted: 1, realized: 0, failure: 'the kernel says no' });
    expect(compiler.inForce).toEqual([]);
    expect(log.lines.at(-1)).toMatchObject({ level: 'error', fields: { change: 1, retry_ms: 500 } });
  });

  test('fails those too who ask for its change afterwards, without a wait', async () => {
    compiler.failures.push(new Error('no memory'));
    const number = submit('a');
    await pass();
    await expect(reconciler.realized(number)).rejects.toThrow('no memory');
  });

  test('is tried again after a pause that doubles up to its limit', async () => {
    compiler.failures.push(...Array.from({ length: 9 }, (_, i) => new Error(`failure ${i + 1}`)));
    submit('a');
    await pass();
    const pauses: number[] = [];
    while (reconciler.state().realized === 0) {
      const before = compiler.batches.length;
      let waited = 0;
      while (compiler.batches.length === before) {
        await pass(500);
        waited += 500;
      }
      pauses.push(waited);
    }
    expect(pauses).toEqual([500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]);
    expect(reconciler.state().failure).toBe('');
  });

  test('is tried again at once when a change comes, and the pause begins small after a success', async () => {
    compiler.failures.push(new Error('one'), new Error('two'));
    submit('a');
    await pass();
    await expect(reconciler.realized(submit('b'))).rejects.toThrow('two');
    await reconciler.realized(submit('c'));
    compiler.failures.push(new Error('three'));
    submit('d');
    await pass();
    expect(log.lines.at(-1)?.fields['retry_ms']).toBe(500);
    expect(vi.getTimerCount()).toBe(1);
  });

  test('is followed at once by one with what was submitted meanwhile', async () => {
    compiler.failures.push(new Error('one'));
    const open = compiler.hold();
    submit('a');
    const number = submit('b');
    open();
    await reconciler.realized(number);
    expect(compiler.batches.map(names)).toEqual([['a'], ['b']]);
    expect(vi.getTimerCount()).toBe(0);
  });

  test('for want of room is not tried again before a change comes', async () => {
    refusals.push(new CapacityError('rows', 9, 8, 'x/big'));
    await expect(reconciler.realized(submit('a'))).rejects.toThrow(CapacityError);
    expect(log.lines.at(-1)?.fields).not.toHaveProperty('retry_ms');
    await pass(3_600_000);
    expect(compiler.batches.length).toBe(1);
    await reconciler.realized(submit('b'));
    expect(reconciler.state()).toMatchObject({ realized: 2, failure: '' });
  });

  test('because the compiler found a limit passed names the policies; the datapath decides what of it fits', async () => {
    const limit = { kind: 'limit', limit: 'LIMIT_ROWS', needed: 9, available: 8, message: 'too many' } as const;
    compiler.problems = [{ ...limit, policies: ['x/big', 'x/other'] }];
    await expect(reconciler.realized(submit('a'))).rejects.toThrow(
      'x/big, x/other needs 9 of LIMIT_ROWS, which holds 8; what was asked for is not in force',
    );
    expect(applied).toEqual([1]);
    expect(reconciler.state().problems).toMatchObject([{ kind: 'limit' }]);
  });
});

describe('what only earlier tables used', () => {
  test('holds up neither those who wait for the change nor the steps that follow; ids are free once it is gone', async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    leaving = promise;
    await reconciler.realized(submit('a'));
    await reconciler.realized(submit('b'));
    expect(applied).toEqual([1, 2]);
    expect(compiler.inForce).toEqual([]);
    resolve();
    await pass();
    expect(compiler.inForce).toEqual([1, 2]);
  });

  test('is told when it cannot be removed, and removed by whole tables after a pause', async () => {
    leaving = Promise.reject(new Error('no grace'));
    await reconciler.realized(submit('a'));
    await pass();
    leaving = Promise.resolve();
    expect(log.lines.at(-1)).toMatchObject({ level: 'error', fields: { err: new Error('no grace') } });
    expect(reconciler.state()).toMatchObject({ realized: 1, failure: '' });
    expect(compiler.inForce).toEqual([]);
    await pass(10_000);
    expect(compiler.forms).toEqual(['whole', 'whole']);
    expect(compiler.inForce).toEqual([2]);
    await pass(60_000);
    expect(compiler.forms).toHaveLength(2);
  });

  test('is removed with the next change when that comes first', async () => {
    leaving = Promise.reject(new Error('no grace'));
    await reconciler.realized(submit('a'));
    await pass();
    leaving = Promise.resolve();
    await reconciler.realized(submit('b'));
    await pass(60_000);
    expect(compiler.forms).toEqual(['whole', 'whole']);
  });

  test('is waited for by close', async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    leaving = promise;
    await reconciler.realized(submit('a'));
    let isClosed = false;
    const closed = reconciler.close().then(() => {
      isClosed = true;
    });
    await pass();
    expect(isClosed).toBe(false);
    resolve();
    await closed;
  });
});

describe('close', () => {
  test('lets the running step end, starts no other, and tells those who wait', async () => {
    const open = compiler.hold();
    const first = reconciler.realized(submit('a'));
    const second = reconciler.realized(submit('b'));
    const told = expect(second).rejects.toThrow('the agent is stopping');
    const closed = reconciler.close();
    open();
    await closed;
    await first;
    await told;
    expect(applied).toEqual([1]);
  });

  test('ends the retries', async () => {
    compiler.failures.push(new Error('one'));
    const number = submit('a');
    await pass();
    await reconciler.close();
    expect(vi.getTimerCount()).toBe(0);
    await expect(reconciler.realized(number)).rejects.toThrow('the agent is stopping');
  });
});
