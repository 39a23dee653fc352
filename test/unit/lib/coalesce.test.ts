import { expect, test } from 'vitest';
import { coalesce } from '../../../src/lib/coalesce.ts';

function gatedTask(): { task: () => Promise<number>; runs: () => number; open: (error?: Error) => void } {
  let runs = 0;
  const gates: PromiseWithResolvers<number>[] = [];
  return {
    task: () => {
      runs++;
      const gate = Promise.withResolvers<number>();
      gates.push(gate);
      return gate.promise;
    },
    runs: () => runs,
    open: (error) => {
      const gate = gates.shift();
      if (error === undefined) gate?.resolve(runs);
      else gate?.reject(error);
    },
  };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('calls made before a run begins share that run', async () => {
  const gated = gatedTask();
  const request = coalesce(gated.task);
  const calls = [request(), request(), request()];
  await turn();
  gated.open();
  expect(await Promise.all(calls)).toEqual([1, 1, 1]);
});

test('a call made while a run is under way is answered by the next one', async () => {
  const gated = gatedTask();
  const request = coalesce(gated.task);
  const first = request();
  await turn();
  const later = [request(), request()];
  gated.open();
  expect(await first).toBe(1);
  await turn();
  gated.open();
  expect(await Promise.all(later)).toEqual([2, 2]);
  expect(gated.runs()).toBe(2);
});

test('a run that fails rejects its own calls and the next run begins all the same', async () => {
  const gated = gatedTask();
  const request = coalesce(gated.task);
  const first = request();
  await turn();
  const second = request();
  gated.open(new Error('disk full'));
  await expect(first).rejects.toThrow('disk full');
  await turn();
  gated.open();
  expect(await second).toBe(2);
});
