import { setImmediate as turn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { AttachmentQueue } from '../../../src/cni/attachment-queue.ts';
import { rejectedBy } from './thrown.ts';

const LIMITS = { running: 2, waiting: 4, waitingPerAttachment: 2 };

/** A task that notes its begin and end, and ends when told. */
function makeTask(log: string[], name: string): { run: () => Promise<string>; end: () => void } {
  const { promise, resolve } = Promise.withResolvers<void>();
  const run = async (): Promise<string> => {
    log.push(`${name} begins`);
    await promise;
    log.push(`${name} ends`);
    return name;
  };
  return { run, end: resolve };
}

test('CNI-25: requests of one attachment run one after the other, in order', async () => {
  const queue = new AttachmentQueue(LIMITS);
  const log: string[] = [];
  const first = makeTask(log, 'first');
  const second = makeTask(log, 'second');
  const runs = [queue.run('a', first.run), queue.run('a', second.run)];
  await turn();
  expect(log).toEqual(['first begins']);
  second.end();
  first.end();
  expect(await Promise.all(runs)).toEqual(['first', 'second']);
  expect(log).toEqual(['first begins', 'first ends', 'second begins', 'second ends']);
});

test('CNI-25: requests of different attachments run beside each other, up to the limit', async () => {
  const queue = new AttachmentQueue(LIMITS);
  const log: string[] = [];
  const tasks = ['a', 'b', 'c'].map((name) => makeTask(log, name));
  const runs = tasks.map((task, i) => queue.run(String(i), task.run));
  await turn();
  expect(log).toEqual(['a begins', 'b begins']);
  expect(queue.size).toEqual({ running: 2, waiting: 1 });
  for (const task of tasks) task.end();
  await Promise.all(runs);
  expect(queue.size).toEqual({ running: 0, waiting: 0 });
});

test('one busy attachment does not hold up another', async () => {
  const queue = new AttachmentQueue(LIMITS);
  const log: string[] = [];
  const busy = makeTask(log, 'busy');
  const behind = makeTask(log, 'behind');
  const other = makeTask(log, 'other');
  const runs = [queue.run('a', busy.run), queue.run('a', behind.run), queue.run('b', other.run)];
  other.end();
  await runs[2];
  expect(log).toEqual(['busy begins', 'other begins', 'other ends']);
  busy.end();
  behind.end();
  await Promise.all(runs);
});

test('a task that throws gives its place to the next', async () => {
  const queue = new AttachmentQueue(LIMITS);
  await expect(queue.run('a', () => Promise.reject(new Error('broken')))).rejects.toThrow('broken');
  expect(await queue.run('a', () => Promise.resolve(1))).toBe(1);
});

test('CNI-61: what does not fit is refused with code 11 and never begun', async () => {
  const queue = new AttachmentQueue(LIMITS);
  const log: string[] = [];
  const task = makeTask(log, 'task');
  const runs = [1, 2, 3].map(() => queue.run('a', task.run));
  const perAttachment = await rejectedBy(queue.run('a', task.run));
  expect(perAttachment.code).toBe(11);
  expect(perAttachment.message).toContain('2 for this interface (limit 2)');
  runs.push(...['b', 'c', 'd'].map((key) => queue.run(key, task.run)));
  expect((await rejectedBy(queue.run('e', task.run))).message).toContain('4 (limit 4)');
  task.end();
  await Promise.all(runs);
  expect(log.filter((line) => line === 'task begins')).toHaveLength(6);
});
