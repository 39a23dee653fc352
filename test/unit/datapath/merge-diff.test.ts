import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Columns, column, type DiffVisitor, mergeDiff } from '../../../src/datapath/merge-diff.ts';
import { doAtOnce } from '../../../src/lib/work.ts';

type Table = readonly (readonly [key: number, value: number])[];

const table: fc.Arbitrary<Table> = fc
  .uniqueArray(fc.tuple(fc.nat(60), fc.nat(2)), { selector: ([key]) => key, maxLength: 60 })
  .map((entries) => entries.sort(([a], [b]) => a - b));

function visitAll(a: Columns, b: Columns, compareKeys: (i: number, j: number) => number, visit: DiffVisitor): void {
  doAtOnce(mergeDiff(a, b, compareKeys, visit));
}

function columnsOf(entries: Table): Columns {
  const keys = Uint32Array.from(entries, ([key]) => key);
  const values = Uint16Array.from(entries, ([, value]) => value);
  return { count: entries.length, columns: [column(keys, 4), column(values, 2)] };
}

test('visits exactly the keys that differ, in order', () => {
  fc.assert(
    fc.property(table, table, (a, b) => {
      const visited: [number, number | undefined, number | undefined][] = [];
      visitAll(
        columnsOf(a),
        columnsOf(b),
        (i, j) => a[i]![0] - b[j]![0],
        (i, j) => {
          const before = i === undefined ? undefined : a[i]!;
          const after = j === undefined ? undefined : b[j]!;
          visited.push([(before ?? after)![0], before?.[1], after?.[1]]);
        },
      );
      const before = new Map(a);
      const after = new Map(b);
      const keys = [...new Set([...before.keys(), ...after.keys()])].sort((x, y) => x - y);
      const expected = keys.map((key) => [key, before.get(key), after.get(key)]).filter(([, x, y]) => x !== y);
      expect(visited).toEqual(expected);
    }),
  );
});

test('skips long equal stretches, whatever lies between', () => {
  const a: Table = Array.from({ length: 20_000 }, (_, key) => [key * 2, key % 7] as const);
  const b: Table = [...a.slice(0, 10_000), [19_999, 1], ...a.slice(10_000, 15_000), ...a.slice(15_001)];
  const visited: (readonly [number | undefined, number | undefined])[] = [];
  let compares = 0;
  visitAll(
    columnsOf(a),
    columnsOf(b),
    (i, j) => {
      compares += 1;
      return a[i]![0] - b[j]![0];
    },
    (i, j) => visited.push([i, j]),
  );
  expect(visited).toEqual([
    [undefined, 10_000],
    [15_000, undefined],
  ]);
  expect(compares).toBeLessThan(10);
});
