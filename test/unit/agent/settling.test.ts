import { beforeEach, describe, expect, test } from 'vitest';
import { Settling } from '../../../src/agent/settling.ts';
import { MemoryLog } from '../cni/memory-log.ts';
import { FakeClock } from '../lib/fake-clock.ts';

let clock: FakeClock;
let log: MemoryLog;
let settled: number[];
let settling: Settling;

beforeEach(() => {
  clock = new FakeClock();
  log = new MemoryLog();
  settled = [];
  const settle = async (id: number): Promise<void> => {
    settled.push(id);
    await Promise.resolve();
    if (id < 0) throw new Error('no room');
  };
  settling = new Settling({ settle, clock, log });
});

/** Lets timers and what they begin run. */
async function pass(ms: number): Promise<void> {
  clock.advance(ms);
  for (let turn = 0; turn < 10; turn++) await Promise.resolve();
}

describe('an endpoint that was attached at once', () => {
  test('is settled after a second without requests', async () => {
    settling.add(1);
    await pass(999);
    expect(settled).toEqual([]);
    await pass(1);
    expect(settled).toEqual([1]);
  });

  test('waits as long as requests come', async () => {
    settling.add(1);
    for (let i = 0; i < 10; i++) {
      await pass(900);
      settling.touch();
    }
    expect(settled).toEqual([]);
  });

  test('waits half a minute at most', async () => {
    settling.add(1);
    for (let i = 0; i < 34; i++) {
      await pass(900);
      settling.touch();
    }
    expect(settled).toEqual([1]);
  });

  test('that is gone is not settled', async () => {
    settling.add(1);
    settling.remove(1);
    await pass(60_000);
    expect(settled).toEqual([]);
  });

  test('that cannot be settled is told, and does not hold up the others', async () => {
    settling.add(-1);
    settling.add(2);
    await pass(1_000);
    await pass(50);
    expect(settled).toEqual([-1, 2]);
    expect(log.lines).toMatchObject([{ level: 'warn', fields: { endpoint: -1 } }]);
  });
});

describe('endpoints', () => {
  test('are settled one after the other, with a pause', async () => {
    for (const id of [1, 2, 3]) settling.add(id);
    await pass(1_000);
    expect(settled).toEqual([1]);
    await pass(49);
    expect(settled).toEqual([1]);
    await pass(1);
    expect(settled).toEqual([1, 2]);
  });

  test('are all settled at once when asked for', async () => {
    for (const id of [1, 2, 3]) settling.add(id);
    await settling.flush();
    expect(settled).toEqual([1, 2, 3]);
    expect(settling.size).toBe(0);
  });

  test('are all settled for everybody who asks at the same time', async () => {
    let ended = 0;
    const settle = async (): Promise<void> => {
      for (let turn = 0; turn < 5; turn++) await Promise.resolve();
      ended += 1;
    };
    const slow = new Settling({ settle, clock, log });
    slow.add(1);
    const first = slow.flush();
    await slow.flush();
    expect(ended).toBe(1);
    await first;
  });
});
