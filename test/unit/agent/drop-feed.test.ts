import { join } from 'node:path';
import { beforeEach, expect, test } from 'vitest';
import { DropFeed } from '../../../src/agent/drop-feed.ts';
import { type DropReport, DropReporter } from '../../../src/agent/drop-report.ts';
import { EndpointRecords } from '../../../src/agent/endpoint-record.ts';
import { Snapshot } from '../../../src/cluster/snapshot.ts';
import { MemoryLog } from '../cni/memory-log.ts';
import { FakeClock } from '../lib/fake-clock.ts';
import { tempFolder } from '../lib/temp-folder.ts';
import { sampleDrop } from './sample-drop.ts';

const FOLLOWERS_MAX = 16;

let log: MemoryLog;
let feed: DropFeed;

beforeEach(() => {
  log = new MemoryLog();
  const reporter = new DropReporter(new Snapshot(), new EndpointRecords(join(tempFolder(), 'endpoints')));
  feed = new DropFeed(reporter, log, new FakeClock());
});

function follow(signal: AbortSignal): DropReport[] {
  const seen: DropReport[] = [];
  feed.follow((report) => seen.push(report), signal);
  return seen;
}

test('a drop is logged, and told to everyone who follows', () => {
  const { signal } = new AbortController();
  const [first, second] = [follow(signal), follow(signal)];
  feed.take(sampleDrop());
  expect(log.lines).toMatchObject([
    {
      level: 'info',
      message: '10.1.0.1 -> 10.1.0.2 80/TCP dropped at ingress of 10.1.0.2: no rule of its policies allows it',
      fields: { drop: { reason: 'policy', time: '2026-01-01T00:00:00.000Z', suppressed: 0 } },
    },
  ]);
  expect(first).toHaveLength(1);
  expect(second).toEqual(first);
});

test('whoever has gone is told no more', () => {
  const abort = new AbortController();
  const seen = follow(abort.signal);
  feed.take(sampleDrop());
  abort.abort();
  feed.take(sampleDrop());
  expect(seen).toHaveLength(1);
});

test('one too many is refused with what to do, until one goes', () => {
  const aborts = Array.from({ length: FOLLOWERS_MAX }, () => new AbortController());
  for (const { signal } of aborts) follow(signal);
  expect(() => follow(new AbortController().signal)).toThrow('16 callers follow the drops already');
  aborts[3]?.abort();
  expect(follow(new AbortController().signal)).toEqual([]);
});

test('whoever has gone before it begins takes no place', () => {
  for (let i = 0; i <= FOLLOWERS_MAX; i++) follow(AbortSignal.abort());
  expect(follow(new AbortController().signal)).toEqual([]);
});
