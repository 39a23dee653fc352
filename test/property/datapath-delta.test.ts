/**
 * A datapath that is told what changed does the same, write by write, as one that is given whole tables and looks for what
 * changed: with endpoints that come and go, writes that fail, and tables that do not fit.
 */
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { DEFAULT_LIMITS, TableCapacityError, type TableLimits } from '../../src/datapath/capacity.ts';
import { MemoryDatapath } from '../../src/datapath/memory/datapath.ts';
import { StaleDeltaError } from '../../src/datapath/stale-delta.ts';
import type { TableWrite } from '../../src/datapath/store.ts';
import { Compiler } from '../../src/policy/compiler.ts';
import type { ClusterChange, LocalEndpoint } from '../../src/policy/model.ts';
import type { TableDelta } from '../../src/policy/table-delta.ts';
import type { VerdictTables } from '../../src/policy/tables.ts';
import { clusterPolicyScenarioArb, LOCAL_NODE, scenarioArb } from '../support/generators.ts';
import { wire } from '../unit/datapath/contract.ts';
import { ObservedStore } from '../unit/datapath/observed-store.ts';
import { contentsOf } from '../unit/datapath/store-contents.ts';

/** A store, its datapath, and what was written to it. */
interface Side {
  readonly store: ObservedStore;
  readonly compiler: Compiler;
  readonly datapath: MemoryDatapath;
  written: TableWrite[];
}

async function openSide(limits: TableLimits): Promise<Side> {
  const store = new ObservedStore();
  const datapath = await MemoryDatapath.open({ store, limits });
  const side: Side = { store, datapath, compiler: new Compiler({ node: LOCAL_NODE }), written: [] };
  store.onWrite = (write) => side.written.push(write);
  return side;
}

/** Attaches what can be: an address belongs to one endpoint at a time. */
async function attachAll(datapath: MemoryDatapath, wanted: ReadonlyMap<number, LocalEndpoint>): Promise<void> {
  for (const [id, { addresses }] of datapath.endpoints()) {
    if (wanted.get(id)?.addresses.join() !== addresses.join()) await datapath.detachEndpoint(id);
  }
  const taken = new Set([...datapath.endpoints().values()].flatMap(({ addresses }) => addresses));
  for (const { id, addresses } of wanted.values()) {
    if (datapath.endpoints().has(id) || addresses.some((address) => taken.has(address))) continue;
    await datapath.attachEndpoint(wire(id, 100 + id, addresses));
    for (const address of addresses) taken.add(address);
  }
}

async function outcomeOf(applied: Promise<unknown>): Promise<unknown> {
  return applied.catch((error: unknown) => error);
}

function follow(endpoints: Map<number, LocalEndpoint>, change: ClusterChange): void {
  if (change.kind !== 'LocalEndpoint') return;
  if (change.op === 'set') endpoints.set(change.object.id, change.object);
  else endpoints.delete(change.id);
}

test.each([
  { what: 'NetworkPolicies', scenarios: scenarioArb, limits: DEFAULT_LIMITS, failing: true },
  { what: 'ClusterNetworkPolicies too', scenarios: clusterPolicyScenarioArb, limits: DEFAULT_LIMITS, failing: false },
  { what: 'few rows', scenarios: scenarioArb, limits: { ...DEFAULT_LIMITS, rows: 12 }, failing: false },
  { what: 'few addresses', scenarios: scenarioArb, limits: { ...DEFAULT_LIMITS, addresses: 9 }, failing: false },
])('deltas and whole tables come to the same writes, with $what', { timeout: 60_000 }, async (world) => {
  const { scenarios, limits, failing } = world;
  const failures = fc.array(fc.nat(60), { minLength: 13, maxLength: 13 });
  await fc.assert(
    fc.asyncProperty(scenarios, failures, async ({ initial, changes }, failAfters) => {
      const whole = await openSide(limits);
      const partial = await openSide(limits);
      const endpoints = new Map<number, LocalEndpoint>();
      const steps = [initial, ...changes.map((change) => [change])];
      let isWhole = true;
      for (const [index, step] of steps.entries()) {
        for (const change of step) {
          follow(endpoints, change);
          for (const { compiler } of [whole, partial]) compiler.update(change);
        }
        const expected = whole.compiler.compile();
        const told: VerdictTables | TableDelta = isWhole
          ? partial.compiler.compile().tables
          : partial.compiler.compileDelta().delta;
        const outcomes: unknown[] = [];
        for (const [side, tables] of [[whole, expected.tables] as const, [partial, told] as const]) {
          const attached = await outcomeOf(attachAll(side.datapath, endpoints));
          side.written = [];
          side.store.failAfter = failing ? failAfters[index] : undefined;
          outcomes.push([attached, await outcomeOf(side.datapath.apply(tables))]);
          side.store.failAfter = undefined;
        }
        expect(outcomes[1]).toEqual(outcomes[0]);
        expect(partial.written).toEqual(whole.written);
        expect(contentsOf(partial.store)).toEqual(contentsOf(whole.store));
        const failed = (outcomes[0] as unknown[])[1] instanceof Error;
        if (!failed) for (const { compiler } of [whole, partial]) compiler.release(expected.retired);
        isWhole = failed;
      }
    }),
    { numRuns: 60 },
  );
});

test('a delta to other tables than those in force is refused, and nothing is written', async () => {
  const { store, compiler, datapath } = await openSide({ ...DEFAULT_LIMITS, prefixes: 1 });
  const node = (...podCIDRs: string[]): ClusterChange => ({
    kind: 'Node',
    op: 'set',
    object: { name: LOCAL_NODE, podCIDRs, addresses: [], internalAddresses: [] },
  });
  compiler.update(node('10.1.0.0/24'));
  await datapath.apply(compiler.compile().tables);
  const skipped = compiler.compileDelta().delta;
  compiler.update(node('10.2.0.0/24', '10.3.0.0/24'));
  const { delta } = compiler.compileDelta();
  const writes: TableWrite[] = [];
  store.onWrite = (write) => writes.push(write);
  await expect(datapath.apply(delta)).rejects.toThrow(
    'the delta changes revision 2 of the tables, but revision 1 is in force: whole tables are needed',
  );
  expect(writes).toEqual([]);
  await datapath.apply(skipped);
  await expect(datapath.apply(delta)).rejects.toBeInstanceOf(TableCapacityError);
  compiler.update(node('10.1.0.0/24'));
  await expect(datapath.apply(compiler.compileDelta().delta)).rejects.toBeInstanceOf(StaleDeltaError);
  expect(await datapath.apply(compiler.compile().tables)).toMatchObject({ revision: 5 });
});
