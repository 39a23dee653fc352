import { beforeEach, describe, expect, test } from 'vitest';
import { Removals } from '../../../src/agent/removals.ts';
import type { LeavingRecord } from '../../../src/agent/endpoint-record.ts';
import { MemoryLog } from '../cni/memory-log.ts';
import { FakeClock } from '../lib/fake-clock.ts';
import { sampleRecord } from './sample-record.ts';

const RECORD: LeavingRecord = { ...sampleRecord(1, 'a'), state: 'removing' };

let clock: FakeClock;
let log: MemoryLog;
/** What the next tries fail with. */
let failures: Error[];
let tries: number;
let removals: Removals;

beforeEach(() => {
  clock = new FakeClock();
  log = new MemoryLog();
  failures = [];
  tries = 0;
  const remove = async (): Promise<void> => {
    tries += 1;
    await Promise.resolve();
    const failure = failures.shift();
    if (failure !== undefined) throw failure;
  };
  removals = new Removals({ remove, clock, log });
});

describe('a removal', () => {
  test('is begun at once, and known until it is done', async () => {
    removals.begin(RECORD);
    expect(tries).toBe(1);
    expect(removals.has(RECORD)).toBe(true);
    await removals.idle();
    expect(removals.has(RECORD)).toBe(false);
    expect(log.lines).toEqual([]);
  });

  test('that fails is tried again after a growing pause', async () => {
    failures = [new Error('busy'), new Error('busy'), new Error('busy')];
    removals.begin(RECORD);
    await removals.idle();
    for (const [pauseMs, expected] of [
      [999, 1],
      [1, 2],
      [1_999, 2],
      [1, 3],
      [4_000, 4],
    ] as const) {
      clock.advance(pauseMs);
      await removals.idle();
      expect(tries).toBe(expected);
    }
    expect(removals.size).toBe(0);
    expect(log.lines).toHaveLength(3);
  });

  test('is waited for by the next ADD of the attachment, which tries at once what has failed', async () => {
    failures = [new Error('busy')];
    removals.begin(RECORD);
    await removals.idle();
    await removals.finish(RECORD);
    expect(tries).toBe(2);
    expect(removals.has(RECORD)).toBe(false);
    clock.advance(60_000);
    expect(tries).toBe(2);
  });

  test('that fails again is told to the ADD with code 11', async () => {
    failures = [new Error('busy'), new Error('busy still')];
    removals.begin(RECORD);
    await removals.idle();
    await expect(removals.finish(RECORD)).rejects.toMatchObject({
      code: 11,
      message: 'what the last DEL of this interface left cannot be removed: busy still',
    });
  });

  test('is not tried again once the agent stops: the next start does', async () => {
    failures = [new Error('busy')];
    removals.begin(RECORD);
    await removals[Symbol.asyncDispose]();
    clock.advance(60_000);
    expect(tries).toBe(1);
  });
});
