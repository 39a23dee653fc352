import { beforeEach, expect, test } from 'vitest';
import { JournalReplay } from '../../../src/agent/journal-replay.ts';
import { MemoryLog } from '../cni/memory-log.ts';
import { FakeClock } from '../lib/fake-clock.ts';

const INTERVAL_MS = 30_000;

let clock: FakeClock;
let log: MemoryLog;
let replays: PromiseWithResolvers<void>[];

beforeEach(() => {
  clock = new FakeClock();
  log = new MemoryLog();
  replays = [];
});

function make(): JournalReplay {
  const replay = (): Promise<void> => {
    const under = Promise.withResolvers<void>();
    replays.push(under);
    return under.promise;
  };
  return new JournalReplay(replay, clock, log);
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('the journal is replayed after a pause, and the next pause begins when that has ended', async () => {
  await using _ = make();
  clock.advance(INTERVAL_MS - 1);
  expect(replays).toHaveLength(0);
  clock.advance(1);
  expect(replays).toHaveLength(1);
  clock.advance(INTERVAL_MS * 2);
  expect(replays).toHaveLength(1);
  replays[0]?.resolve();
  await turn();
  clock.advance(INTERVAL_MS);
  expect(replays).toHaveLength(2);
  replays[1]?.resolve();
});

test('a replay that fails is logged, and the next one comes all the same', async () => {
  await using _ = make();
  clock.advance(INTERVAL_MS);
  replays[0]?.reject(new Error('EIO'));
  await turn();
  expect(log.lines).toMatchObject([{ level: 'error', message: 'the DEL journal cannot be replayed now: EIO' }]);
  clock.advance(INTERVAL_MS);
  expect(replays).toHaveLength(2);
  replays[1]?.resolve();
});

test('its end waits for a replay under way, and no other comes', async () => {
  const replay = make();
  clock.advance(INTERVAL_MS);
  let isOver = false;
  const over = replay[Symbol.asyncDispose]().then(() => (isOver = true));
  await turn();
  expect(isOver).toBe(false);
  replays[0]?.resolve();
  await over;
  expect(clock.pending).toBe(0);
});
