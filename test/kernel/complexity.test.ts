/** The programs stay as easy for this kernel's verifier as they were when their figures were recorded. */
import { release } from 'node:os';
import { expect, test } from 'vitest';
import { complexityProblems, measureComplexity, readRecord } from '../../tools/complexity.ts';
import { OBJECT } from '../support/loaded-programs.ts';

test('the verifier processes at most a tenth more instructions than is recorded for this kernel', () => {
  expect(complexityProblems(readRecord(), release(), measureComplexity(OBJECT))).toEqual([]);
});
