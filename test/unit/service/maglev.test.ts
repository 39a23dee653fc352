/** Slot tables: spread and disruption. What is measured is printed with `SLUICE_FIGURES=1`. */
import { expect, test } from 'vitest';
import { backendKey, toAddress } from '../../../src/service/key.ts';
import { buildTable, tableSize } from '../../../src/service/maglev.ts';

function keys(count: number): readonly string[] {
  return Array.from({ length: count }, (_, i) =>
    backendKey(toAddress(`10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`), 8080),
  ).sort();
}

/** How many slots each backend has, smallest and largest. */
function loads(table: Uint16Array, backends: number): readonly [least: number, most: number] {
  const counts = new Uint32Array(backends);
  for (const index of table) counts[index]! += 1;
  return [Math.min(...counts), Math.max(...counts)];
}

/** The part of the slots whose backend changes when one goes, though it was not theirs. */
function needlessMoves(all: readonly string[], gone: number): number {
  const rest = all.filter((_, i) => i !== gone);
  const [before, after] = [buildTable(all), buildTable(rest)];
  expect(after.length).toBe(before.length);
  let moved = 0;
  for (const [slot, index] of before.entries()) {
    if (index !== gone && all[index] !== rest[after[slot]!]) moved++;
  }
  return moved / before.length;
}

test('sizes grow with the set', () => {
  expect([0, 1, 2, 3, 4, 15, 16, 255, 256, 1023, 1024, 2048, 16_384].map((count) => tableSize(count))).toEqual([
    0, 1, 61, 61, 89, 251, 359, 4093, 5791, 16_381, 23_167, 46_327, 65_521,
  ]);
});

test.each([2, 3, 10, 15, 16, 63, 100, 255, 256, 1000, 4095, 16_384])(
  'of %i backends none has more than one slot more than another',
  (count) => {
    const table = buildTable(keys(count));
    const [least, most] = loads(table, count);
    expect([least, most - least <= 1]).toEqual([Math.floor(table.length / count), true]);
  },
);

test('the table depends on the set alone', () => {
  expect(buildTable(keys(40))).toEqual(buildTable(keys(40)));
  expect(buildTable([])).toEqual(new Uint16Array(0));
  expect(buildTable(keys(1))).toEqual(new Uint16Array([0]));
});

test.each([
  [3, 0.1],
  [9, 0.1],
  [30, 0.1],
  [200, 0.05],
])('when one of %i goes few other slots move', (count, bound) => {
  const parts = [0, count >> 1, count - 1].map((gone) => needlessMoves(keys(count), gone));
  if (process.env['SLUICE_FIGURES'] === '1') console.log(`${count}: ${parts.map((p) => p.toFixed(4)).join(' ')}`);
  expect(Math.max(...parts)).toBeLessThan(bound);
});

test('when the next to last of two goes, every slot is the last one', () => {
  expect(new Set(buildTable(keys(2).slice(1)))).toEqual(new Set([0]));
});
