/**
 * Random clusters through oracle, compiler and loaded programs for a given time: `node test/soak/run.ts [--seconds S]
 * [--seed X]`. Ends with 1 when two of them differ, with the smallest cluster that shows it and how to get it again.
 */
import { parseArgs } from 'node:util';
import * as fc from 'fast-check';
import { PolicyPrograms } from '../support/policy-programs.ts';
import { NO_TRIALS, runTrial, trialArb } from '../support/policy-trial.ts';

const PROGRESS_EVERY_MS = 30_000;
/** fast-check wants a number; the time ends it before. */
const CLUSTERS_MAX = 100_000_000;

function numberOf(name: string, text: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value >= 0) return value;
  throw new RangeError(`--${name} ${text}: use a whole number`);
}

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '600' },
    seed: { type: 'string', default: String(Date.now() % 2 ** 31) },
  },
});
const seconds = numberOf('seconds', values.seconds);
const seed = numberOf('seed', values.seed);
const counts = { ...NO_TRIALS };
const start = performance.now();
let told = start;

function tell(): void {
  const took = Math.round((performance.now() - start) / 1000);
  const { clusters, flows, denied, local, ipv6, clusterPolicies } = counts;
  console.log(
    `soak: ${took} s, ${clusters} clusters (${clusterPolicies} with ClusterNetworkPolicies), ${flows} flows: ` +
      `${denied} denied, ${local} between two local pods, ${ipv6} IPv6`,
  );
}

console.log(`soak: seed ${seed}, ${seconds} s`);
using programs = await PolicyPrograms.open();
const property = fc.asyncProperty(trialArb, async (input) => {
  await runTrial(programs, input, counts);
  if (performance.now() - told < PROGRESS_EVERY_MS) return;
  told = performance.now();
  tell();
});
const result = await fc.check(property, {
  seed,
  numRuns: CLUSTERS_MAX,
  interruptAfterTimeLimit: seconds * 1000,
  markInterruptAsFailure: false,
});
tell();
if (result.failed) {
  console.error(fc.defaultReportMessage(result));
  console.error(`soak: again with SEED=${seed}`);
  process.exitCode = 1;
}
