/**
 * Whole clusters through the loaded programs: oracle, tables and programs agree on every flow, whatever happened before.
 * SLUICE_TRIALS sets the number of clusters, SEED repeats a run; `make soak` goes on for as long as it is told.
 */
import * as fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { PolicyPrograms } from '../support/policy-programs.ts';
import { NO_TRIALS, runTrial, trialArb } from '../support/policy-trial.ts';

const TRIALS = Number(process.env['SLUICE_TRIALS'] ?? 2_000);
/** Judged flows of a cluster, on average; the generator makes more. */
const FLOWS_EACH_MIN = 100;
const SEED = process.env['SEED'];

let programs: PolicyPrograms;
beforeAll(async () => {
  programs = await PolicyPrograms.open();
});
afterAll(() => programs[Symbol.dispose]());

test(
  'CNP-20, NP-3, NP-106: policies, tables, tables from scratch and programs judge every flow alike; what is denied is dropped',
  { timeout: 60_000 + TRIALS * 150, retry: 0 },
  async () => {
    const counts = { ...NO_TRIALS };
    const property = fc.asyncProperty(trialArb, (input) => runTrial(programs, input, counts));
    await fc.assert(property, { numRuns: TRIALS, ...(SEED !== undefined && { seed: Number(SEED) }) });
    expect(counts.clusters).toBe(TRIALS);
    expect(counts.flows).toBeGreaterThanOrEqual(TRIALS * FLOWS_EACH_MIN);
    expect(counts.denied).toBeGreaterThan(counts.flows / 10);
    expect(counts.ipv6).toBeGreaterThan(counts.flows / 10);
    expect(counts.local).toBeGreaterThan(counts.flows / 20);
    expect(counts.clusterPolicies).toBeGreaterThan(TRIALS / 3);
  },
);
