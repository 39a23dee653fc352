import { expect, test } from 'vitest';
import { ProblemBoard } from '../../../src/agent/problem-board.ts';
import type { ObjectProblem } from '../../../src/cluster/source.ts';
import { MemoryLog } from '../cni/memory-log.ts';

function problem(message: string, severity: ObjectProblem['severity'] = 'error'): ObjectProblem {
  return { severity, object: undefined, file: 'a.yaml', place: undefined, path: '', message, hint: '' };
}

test('problems of all parts are one list, and each is logged when it comes, and again when it comes back', () => {
  const log = new MemoryLog();
  const board = new ProblemBoard(log);
  let first = [problem('a')];
  board.add(() => first);
  board.add(() => [problem('b', 'warning')]);
  board.tell();
  board.tell();
  expect(board.list().map(({ message }) => message)).toEqual(['a', 'b']);
  expect(log.lines.map(({ level, message }) => `${level} ${message}`)).toEqual([
    'error a.yaml: error: a',
    'warn a.yaml: warning: b',
  ]);
  first = [];
  board.tell();
  first = [problem('a')];
  board.tell();
  expect(log.lines).toHaveLength(3);
});
