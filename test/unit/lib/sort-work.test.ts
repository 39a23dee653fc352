import { expect, test } from 'vitest';
import { sortInWork } from '../../../src/lib/sort-work.ts';
import { doAtOnce } from '../../../src/lib/work.ts';

test.each([0, 1, 2047, 2048, 2049, 10_000])('%i elements come in order, equal ones as they were', (count) => {
  const items = Array.from({ length: count }, (_, index) => ({ index, key: (index * 7919) % 997 }));
  const compare = (a: { key: number }, b: { key: number }): number => a.key - b.key;
  expect(doAtOnce(sortInWork(items, compare))).toEqual(items.toSorted(compare));
});
