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
function needlessMoves(all: readonly string[], gone: number, affinity: boolean): number {
  const rest = all.filter((_, i) => i !== gone);
  const [before, after] = [buildTable(all, affinity), buildTable(rest, affinity)];
  expect(after.length).toBe(before.length);
  let moved = 0;
  for (const [slot, index] of before.entries()) {
    if (index !== gone && all[index] !== rest[after[slot]!]) moved++;
  }
  return moved / before.length;
}

test('sizes grow with the set', () => {
  expect([0, 1, 2, 3, 4, 15, 16, 255, 256, 1023, 1024, 2048, 16_384].map((count) => tableSize(count, false))).toEqual([
    0, 1, 61, 61, 127, 251, 509, 4093, 8191, 16_381, 32_749, 65_521, 65_521,
  ]);
  expect([1, 2, 255, 256, 16_384].map((count) => tableSize(count, true))).toEqual([1, 4093, 4093, 65_521, 65_521]);
});

test.each([2, 3, 10, 15, 16, 63, 100, 255, 256, 1000, 4095, 16_384])(
  'of %i backends none has more than one slot more than another',
  (count) => {
    const table = buildTable(keys(count), false);
    const [least, most] = loads(table, count);
    expect([least, most - least <= 1]).toEqual([Math.floor(table.length / count), true]);
  },
);

test('the table depends on the set alone', () => {
  expect(buildTable(keys(40), false)).toEqual(buildTable(keys(40), false));
  expect(buildTable([], false)).toEqual(new Uint16Array(0));
  expect(buildTable(keys(1), false)).toEqual(new Uint16Array([0]));
});

test.each([
  [3, false, 0.1],
  [10, false, 0.1],
  [10, true, 0.05],
  [30, false, 0.1],
  [200, false, 0.05],
  [200, true, 0.05],
])('when one of %i goes (affinity: %s) few other slots move', (count, affinity, bound) => {
  const parts = [0, count >> 1, count - 1].map((gone) => needlessMoves(keys(count), gone, affinity));
  if (process.env['SLUICE_FIGURES'] === '1')
    console.log(`${count} ${affinity}: ${parts.map((p) => p.toFixed(4)).join(' ')}`);
  expect(Math.max(...parts)).toBeLessThan(bound);
});

test('when the next to last of two goes, every slot is the last one', () => {
  expect(new Set(buildTable(keys(2).slice(1), false))).toEqual(new Set([0]));
});
