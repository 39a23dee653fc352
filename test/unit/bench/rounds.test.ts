import { expect, test } from 'vitest';
import { interleave } from '../../../bench/support/rounds.ts';

test('every contestant runs once a round, and another one first in each', async () => {
  const order: string[] = [];
  const contestant = (name: string) => ({ name, run: () => order.push(name) });
  await interleave([contestant('a'), contestant('b'), contestant('c')], 3);
  expect(order.join('')).toBe('abcbcacab');
});

test('results are kept by name, in the order of the rounds', async () => {
  let clock = 0;
  const tick = (): number => ++clock;
  const results = await interleave(
    [
      { name: 'a', run: tick },
      { name: 'b', run: async () => tick() * 10 },
    ],
    2,
  );
  expect([results.get('a'), results.get('b')]).toEqual([
    [1, 4],
    [20, 30],
  ]);
});

test('two contestants of one name are refused: their rounds could not be told apart', async () => {
  const same = { name: 'a', run: () => 1 };
  await expect(interleave([same, same], 1)).rejects.toThrow(/one name/);
});

test('what a contestant throws ends the comparison', async () => {
  const failing = {
    name: 'a',
    run: () => {
      throw new Error('no network');
    },
  };
  await expect(interleave([failing], 5)).rejects.toThrow('no network');
});
