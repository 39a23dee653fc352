import { expect, test } from 'vitest';
import { ContentTable, type ContentRecord } from '../../../src/policy/content-table.ts';

function makeTable(options: { reserved?: number[]; end?: number } = {}): ContentTable<ContentRecord> {
  return new ContentTable({ first: 3, end: options.end ?? 100, reserved: options.reserved ?? [] });
}

function acquire(table: ContentTable<ContentRecord>, key: string): ContentRecord {
  const record = table.acquire(key, (base) => base);
  if (record === undefined) throw new Error('no number left');
  return record;
}

test('equal contents have one number, and the smallest free number is used', () => {
  const table = makeTable();
  expect([acquire(table, 'a').id, acquire(table, 'b').id, acquire(table, 'a').id]).toEqual([3, 4, 3]);
});

test('a retired number is not used before it is released', () => {
  const table = makeTable();
  const a = acquire(table, 'a');
  table.settle(1);
  table.release(a);
  expect(table.settle(2).gone).toEqual([a]);
  expect(acquire(table, 'b').id).toBe(4);
  table.releaseIds([3], 2);
  expect(acquire(table, 'c').id).toBe(3);
});

test('a content that comes back before the release has its old number, and the release leaves it alone', () => {
  const table = makeTable();
  const a = acquire(table, 'a');
  table.settle(1);
  table.release(a);
  table.settle(2);
  expect(acquire(table, 'a')).toBe(a);
  expect(table.settle(3).born).toEqual([a]);
  table.releaseIds([a.id], 2);
  expect(table.get(a.id)).toBe(a);
});

test('a number that was retired again after the released revision stays', () => {
  const table = makeTable();
  const a = acquire(table, 'a');
  table.settle(1);
  table.release(a);
  table.settle(2);
  acquire(table, 'a');
  table.settle(3);
  table.release(a);
  table.settle(4);
  table.releaseIds([a.id], 2);
  expect(table.get(a.id)).toBe(a);
  table.releaseIds([a.id], 4);
  expect(table.get(a.id)).toBeUndefined();
});

test('what is dropped and taken again between two settles neither comes nor goes', () => {
  const table = makeTable();
  const a = acquire(table, 'a');
  table.settle(1);
  table.release(a);
  acquire(table, 'a');
  expect(table.settle(2)).toEqual({ born: [], gone: [] });
});

test('what was never settled is free at once', () => {
  const table = makeTable();
  table.release(acquire(table, 'a'));
  const dropped: ContentRecord[] = [];
  table.settle(1, (record) => dropped.push(record));
  expect(dropped.map(({ key }) => key)).toEqual(['a']);
  expect(acquire(table, 'b').id).toBe(3);
});

test('reserved numbers are skipped until they are released', () => {
  const table = makeTable({ reserved: [3, 5, 50] });
  expect([acquire(table, 'a').id, acquire(table, 'b').id]).toEqual([4, 6]);
  expect(table.retiredIds()).toEqual([3, 5, 50]);
  table.releaseIds([3, 5, 50], 0);
  expect([acquire(table, 'c').id, acquire(table, 'd').id, acquire(table, 'e').id]).toEqual([3, 5, 7]);
});

test('no number is given out beyond the end', () => {
  const table = makeTable({ end: 4 });
  acquire(table, 'a');
  expect(table.acquire('b', (base) => base)).toBeUndefined();
});

test('a reserved number with a fixed meaning is never given out, released or not', () => {
  const table = makeTable({ reserved: [0, 1, 3, 100], end: 100 });
  expect(table.retiredIds()).toEqual([3]);
  table.releaseIds([0, 1, 3, 100], 1);
  expect([acquire(table, 'a').id, acquire(table, 'b').id]).toEqual([3, 4]);
});
