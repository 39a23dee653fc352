import { expect, test } from 'vitest';
import { BackOff } from '../../../../src/cluster/kubernetes/back-off.ts';
import { BACKOFF_AWAY_MS_MAX, BACKOFF_BASE_MS, BACKOFF_MS_MAX } from '../../../../src/cluster/kubernetes/limits.ts';

test('waits are random up to a limit that doubles to BACKOFF_MS_MAX, and begin anew after a reset', () => {
  const backOff = new BackOff(() => 0.999);
  const waits = Array.from({ length: 100 }, () => backOff.next());
  expect(waits[0]).toBeCloseTo(BACKOFF_BASE_MS * 0.999);
  expect(waits[3]).toBeCloseTo(BACKOFF_BASE_MS * 8 * 0.999);
  expect(waits[99]).toBeCloseTo(BACKOFF_MS_MAX * 0.999);
  backOff.reset();
  expect(backOff.next()).toBeCloseTo(BACKOFF_BASE_MS * 0.999);
  expect(new BackOff(() => 0).next()).toBe(0);
});

test('while a server is away each wait is shorter, and the limit of other failures goes on growing', () => {
  const backOff = new BackOff(() => 0.999);
  for (let attempt = 0; attempt < 10; attempt++) {
    expect(backOff.next(BACKOFF_AWAY_MS_MAX)).toBeLessThan(BACKOFF_AWAY_MS_MAX);
  }
  expect(backOff.next(BACKOFF_AWAY_MS_MAX)).toBeCloseTo(BACKOFF_AWAY_MS_MAX * 0.999);
  expect(backOff.next()).toBeCloseTo(BACKOFF_MS_MAX * 0.999);
});
