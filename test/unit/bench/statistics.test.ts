import { describe, expect, test } from 'vitest';
import { quantile, ratios, summarize } from '../../../bench/support/statistics.ts';

describe('a quantile', () => {
  test('of an odd number of samples is one of them, in whatever order they come', () => {
    expect(quantile([30, 10, 20], 0.5)).toBe(20);
  });

  test('lies between two samples in proportion', () => {
    expect(quantile([10, 20], 0.5)).toBe(15);
    expect(quantile([0, 10, 20, 30, 40], 0.25)).toBe(10);
    expect(quantile([0, 10, 20], 0.25)).toBe(5);
  });

  test('at the ends is the smallest and the largest sample', () => {
    expect([quantile([3, 1, 2], 0), quantile([3, 1, 2], 1)]).toEqual([1, 3]);
  });

  test('does not change the samples', () => {
    const samples = [3, 1, 2];
    quantile(samples, 0.5);
    expect(samples).toEqual([3, 1, 2]);
  });

  test('of nothing, or outside of 0 to 1, is refused', () => {
    expect(() => quantile([], 0.5)).toThrow(/no samples/);
    expect(() => quantile([1], 1.5)).toThrow(/between 0 and 1/);
    expect(() => quantile([1], Number.NaN)).toThrow(/between 0 and 1/);
  });
});

test('a summary has the median, the quartiles and how many samples there were', () => {
  expect(summarize([50, 10, 20, 40, 30])).toEqual({ median: 30, low: 20, high: 40, samples: 5 });
});

test('one wild sample does not move a median', () => {
  expect(summarize([10, 10, 10, 10, 1_000_000]).median).toBe(10);
});

describe('ratios', () => {
  test('are made round by round: a load that meets both sides of a round cancels out', () => {
    expect(ratios([2, 20, 200], [1, 10, 100])).toEqual([2, 2, 2]);
  });

  test('need as many rounds of the one as of the other', () => {
    expect(() => ratios([1, 2], [1])).toThrow(/2 rounds of the subject, but 1 of the reference/);
  });

  test('to nothing are refused, naming the round', () => {
    expect(() => ratios([1, 1], [1, 0])).toThrow(/reference of round 2 is 0/);
  });
});
