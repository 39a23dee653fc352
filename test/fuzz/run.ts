/**
 * Fuzzes the programs against the reference: `node test/fuzz/run.ts [--packets N] [--seconds S] [--seed X] [--object FILE]
 * [--keep-in DIR]`. Ends with 1 when the two differ; the sequence, cut down, is then in DIR, among the regressions.
 */
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { KernelSide } from '../support/fuzz-kernel.ts';
import { coverageTable, fuzz, reasonsMissed } from '../support/fuzz-run.ts';
import { type Recording, recordingText } from '../support/fuzz-step.ts';

/** Below this a reason may be missed by chance. */
const PACKETS_FOR_COVERAGE = 100_000;

function numberOf(name: string, text: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value >= 0) return value;
  throw new RangeError(`--${name} ${text}: use a whole number`);
}

function keep(recording: Recording, directory: string): string {
  const text = recordingText(recording);
  const name = createHash('sha256').update(text).digest('hex').slice(0, 12);
  const path = join(directory, `${name}.json`);
  writeFileSync(path, text);
  return path;
}

const { values } = parseArgs({
  options: {
    packets: { type: 'string', default: '1000000' },
    seconds: { type: 'string', default: '300' },
    seed: { type: 'string', default: String(Date.now() % 2 ** 31) },
    object: { type: 'string' },
    'keep-in': { type: 'string', default: join(import.meta.dirname, 'regressions') },
  },
});
const limits = {
  packets: numberOf('packets', values.packets),
  seconds: numberOf('seconds', values.seconds),
  seed: numberOf('seed', values.seed),
};
console.log(`fuzz: seed ${limits.seed}, at most ${limits.packets} packets or ${limits.seconds} s`);
using kernel = new KernelSide(values.object);
const result = fuzz(kernel, limits);
console.log(coverageTable(result.coverage));
const perSecond = Math.round(result.packets / result.seconds);
console.log(
  `fuzz: ${result.packets} packets in ${result.sequences} sequences, ${result.seconds.toFixed(1)} s, ${perSecond} packets/s`,
);
if (result.failure !== undefined) {
  console.error(`fuzz: ${result.failure.title}`);
  console.error(`fuzz: ${result.failure.steps.length} steps in ${keep(result.failure, values['keep-in'])}`);
  process.exitCode = 1;
}
const missed = reasonsMissed(result.coverage);
if (result.failure === undefined && result.packets >= PACKETS_FOR_COVERAGE && missed.length > 0) {
  console.error(`fuzz: no packet met ${missed.join(', ')}: the generator misses a part of the programs`);
  process.exitCode = 1;
}
