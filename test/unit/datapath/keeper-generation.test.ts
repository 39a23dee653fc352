import { describe, expect, test } from 'vitest';
import { MemoryStore } from '../../../src/datapath/memory/store.ts';
import { TableKeeper } from '../../../src/datapath/table-keeper.ts';

async function open(store: MemoryStore, after?: number): Promise<number> {
  const keeper = await TableKeeper.open(store, { grace: () => Promise.resolve(), after });
  expect(keeper.image.generation).toBe(store.commit().generation);
  return store.commit().generation;
}

describe('the generation that a keeper begins with', () => {
  test('without others: the first, or the one in force', async () => {
    const store = new MemoryStore();
    expect(await open(store)).toBe(1);
    expect(await open(store)).toBe(1);
  });

  test('goes on behind that of other tables', async () => {
    expect(await open(new MemoryStore(), 41)).toBe(42);
    expect(await open(new MemoryStore(), 0xffff_ffff)).toBe(1);
  });

  test.each([
    [5, 41, 42],
    [42, 41, 42],
    [50, 41, 50],
    [0xffff_fff0, 3, 4],
  ])('%i in force beside %i of others: %i', async (own, others, expected) => {
    const store = new MemoryStore();
    store.write([{ table: 'commit', generation: own, portTable: 1 }]);
    expect(await open(store, others)).toBe(expected);
    expect(store.commit().portTable).toBe(1);
  });
});
