import { expect, test } from 'vitest';
import { busyShare, parseTicks } from '../../../bench/support/quiet.ts';

const stat = (user: number, idle: number, iowait: number): string =>
  `cpu  ${user} 0 10 ${idle} ${iowait} 0 5 0 0 0\ncpu0 1 2 3 4 5 6 7 8 9 10\n`;

test('waiting for a disk counts as idle', () => {
  expect(parseTicks(stat(100, 800, 85))).toEqual({ idle: 885, all: 1000 });
});

test('the busy share is that of the time between two looks', () => {
  const before = parseTicks(stat(100, 800, 0));
  expect(busyShare(before, parseTicks(stat(125, 875, 0)))).toBe(0.25);
});

test('no time between two looks is no load', () => {
  const now = parseTicks(stat(100, 800, 0));
  expect(busyShare(now, now)).toBe(0);
});
