import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import {
  complexityProblems,
  PROCESSED_MAX,
  PROGRAMS,
  readRecord,
  recordComplexity,
  releaseOf,
} from '../../../tools/complexity.ts';

const RECORD = { '6.1': { from_pod: 1000 } };

test('growth up to a tenth, and less than before, are no problem', () => {
  for (const count of [1100, 1000, 10]) {
    expect(complexityProblems(RECORD, '6.1.0-56-amd64', { from_pod: count })).toEqual([]);
  }
});

test('more growth is a problem that says how to record the figure on purpose', () => {
  const [problem, ...more] = complexityProblems(RECORD, '6.1.0-56-amd64', { from_pod: 1101 });
  expect(problem).toContain('from_pod: the verifier of Linux 6.1 processed 1101 instructions, 10 % more');
  expect(problem).toContain('node tools/verifier-complexity.ts --record');
  expect(more).toEqual([]);
});

test('a kernel or program without a figure is held to the absolute bound', () => {
  expect(complexityProblems(RECORD, '6.6.1', { from_pod: PROCESSED_MAX })).toEqual([]);
  expect(complexityProblems(RECORD, '6.1.0', { to_pod: PROCESSED_MAX + 1 })).toEqual([
    `to_pod: the verifier of Linux 6.1 processed ${PROCESSED_MAX + 1} instructions; at most ${PROCESSED_MAX} may be`,
  ]);
});

test('recording replaces the figures of one release and leaves the others, in order of release', () => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-complexity-'));
  const file = join(folder, 'complexity.json');
  try {
    writeFileSync(file, JSON.stringify({ '6.12': { from_pod: 3 }, '6.1': { from_pod: 1 } }));
    recordComplexity('6.12.117+deb12-amd64', { from_pod: 7, to_pod: 8 }, file);
    expect(readRecord(file)).toEqual({ '6.1': { from_pod: 1 }, '6.12': { from_pod: 7, to_pod: 8 } });
    expect(readFileSync(file, 'utf8').indexOf('"6.1"')).toBeLessThan(readFileSync(file, 'utf8').indexOf('"6.12"'));
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('the figures of every kernel that is tested are recorded, for every program', () => {
  expect(Object.keys(readRecord())).toEqual(expect.arrayContaining(['6.1', '6.12']));
  for (const figures of Object.values(readRecord())) expect(Object.keys(figures)).toEqual([...PROGRAMS]);
});

test.each([
  ['6.1.0-56-amd64', '6.1'],
  ['6.12.117+deb12-amd64', '6.12'],
  ['5.15.0', '5.15'],
])('%s is of release %s', (kernel, release) => {
  expect(releaseOf(kernel)).toBe(release);
});
