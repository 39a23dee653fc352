/** Random sequences, and those that once showed a difference, through the programs and through the reference. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { KernelSide } from '../support/fuzz-kernel.ts';
import { fuzz } from '../support/fuzz-run.ts';
import { compare } from '../support/fuzz-session.ts';
import { readRecording, recordingText } from '../support/fuzz-step.ts';

const REGRESSIONS = join(import.meta.dirname, '../fuzz/regressions');
const FIXED_SEED = 20_260_101;
const PACKETS = 40_000;
const SECONDS = 8;

let kernel: KernelSide;

beforeAll(() => {
  kernel = new KernelSide();
});
afterAll(() => {
  kernel[Symbol.dispose]();
});

describe('what once showed a difference', () => {
  test.each(readdirSync(REGRESSIONS).filter((name) => name.endsWith('.json')))('%s shows none', (name) => {
    const { title, steps } = readRecording(join(REGRESSIONS, name));
    expect(compare(kernel, steps, [], true), title).toBeUndefined();
  });
});

test.each([
  ['fixed', FIXED_SEED],
  ['random', Date.now() % 2 ** 31],
])('the programs and the reference agree on sequences of a %s seed (%i)', (_, seed) => {
  const { failure, packets } = fuzz(kernel, { packets: PACKETS, seconds: SECONDS, seed });
  expect(failure === undefined ? '' : recordingText(failure)).toBe('');
  expect(packets).toBeGreaterThan(1_000);
});
