import { expect, test } from 'vitest';
import { BackOff } from '../../../../src/cluster/kubernetes/back-off.ts';
import { BACKOFF_BASE_MS, BACKOFF_MS_MAX } from '../../../../src/cluster/kubernetes/limits.ts';

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
