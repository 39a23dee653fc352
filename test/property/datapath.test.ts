import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import type { FlowQuery, FlowVerdict } from '../../src/datapath/datapath.ts';
import { judge } from '../../src/datapath/judge.ts';
import type { TableReader } from '../../src/datapath/store.ts';
import { TableKeeper } from '../../src/datapath/table-keeper.ts';
import { asOf } from '../unit/datapath/as-of.ts';
import { wire } from '../unit/datapath/contract.ts';
import { ObservedStore } from '../unit/datapath/observed-store.ts';
import { contentsOf } from '../unit/datapath/store-contents.ts';
import { type World, WorldCompiler } from '../unit/datapath/table-world.ts';
import { FLOWS, fromScratch, LOCAL, passes, steps, versionedFlows } from '../unit/datapath/world-steps.ts';

/** An endpoint that is not there: detaching it only settles the store. */
const NOBODY = 999;

const verdictsOf = (store: TableReader, flows: readonly FlowQuery[]): FlowVerdict[] =>
  flows.map((flow) => judge(store, flow));

async function attach(keeper: TableKeeper, attached: readonly number[]): Promise<void> {
  for (const id of keeper.endpoints().keys()) if (!attached.includes(id)) await keeper.detach(id, () => undefined);
  for (const id of attached) await keeper.attach(wire(id, 100 + id, LOCAL[id]!), () => undefined);
}

test('between any two writes a flow has its old or its new verdict, before the commit all old, after it all new', async () => {
  await fc.assert(
    fc.asyncProperty(steps, async (drawn) => {
      const store = new ObservedStore();
      let graceOver = true;
      const keeper = await TableKeeper.open(store, {
        grace: async () => {
          graceOver = true;
        },
      });
      const compiler = new WorldCompiler();
      let before: World | undefined;
      for (const { attached, world } of drawn) {
        await attach(keeper, attached);
        const tables = compiler.compile(world);
        const target = await fromScratch(attached, tables);
        const flows = versionedFlows(before, world);
        const old = verdictsOf(store, flows);
        const fresh = verdictsOf(target, flows);
        const oldCommit = store.commit();
        const seen: FlowVerdict[][] = [];
        let commitAt = -1;
        graceOver = false;
        store.onWrite = (write) => {
          if (write.table === 'commit') commitAt = seen.length;
          seen.push(verdictsOf(store, flows));
          if (!graceOver && commitAt >= 0) expect(verdictsOf(asOf(store, oldCommit), flows)).toEqual(old);
        };
        await keeper.apply(tables);
        store.onWrite = () => undefined;
        for (const [index, verdicts] of seen.entries()) {
          if (commitAt >= 0) {
            expect(verdicts).toEqual(index < commitAt ? old : fresh);
          } else {
            for (const [at, verdict] of verdicts.entries()) {
              expect([passes(old[at]!), passes(fresh[at]!)]).toContain(passes(verdict));
            }
          }
        }
        expect(verdictsOf(store, FLOWS)).toEqual(verdictsOf(target, FLOWS));
        expect(contentsOf(store)).toEqual(contentsOf(target));
        compiler.release();
        before = world;
      }
    }),
    { numRuns: 60 },
  );
}, 30_000);

test('a write that fails leaves all old or all new in force, and the next apply mends it', async () => {
  await fc.assert(
    fc.asyncProperty(steps, async (drawn) => {
      const store = new ObservedStore();
      const keeper = await TableKeeper.open(store, { grace: async () => undefined });
      const compiler = new WorldCompiler();
      let before: World | undefined;
      let applied: World | undefined;
      for (const [index, { attached, world, failAfter }] of drawn.entries()) {
        const isLast = index === drawn.length - 1;
        await attach(keeper, attached);
        const tables = compiler.compile(world);
        const target = await fromScratch(attached, tables);
        const flows = versionedFlows(before, world);
        const old = verdictsOf(store, flows);
        const fresh = verdictsOf(target, flows);
        let isCommitted = false;
        store.onWrite = ({ table }) => {
          isCommitted ||= table === 'commit';
        };
        store.failAfter = isLast ? undefined : failAfter;
        const failure = await keeper.apply(tables).catch((error: unknown) => error);
        const hasFailed = failure instanceof Error;
        store.failAfter = undefined;
        store.onWrite = () => undefined;
        before = world;
        if (hasFailed) {
          expect(failure.message).toBe('this write fails');
          const torn = verdictsOf(store, flows);
          for (const [at, verdict] of torn.entries()) {
            expect([passes(old[at]!), passes(fresh[at]!)]).toContain(passes(verdict));
          }
          if (isCommitted) expect(torn).toEqual(fresh);
          // Reading the store anew and settling it changes nothing; what comes next may be other tables.
          store.onWrite = () => expect(verdictsOf(store, flows)).toEqual(torn);
          await keeper.detach(NOBODY, () => undefined);
          store.onWrite = () => undefined;
          // As when the change is taken back.
          if (failAfter % 2 === 0 && applied !== undefined) {
            const again = compiler.compile(applied);
            await keeper.apply(again);
            expect(contentsOf(store)).toEqual(contentsOf(await fromScratch(attached, again)));
            before = applied;
          }
          continue;
        }
        expect(contentsOf(store)).toEqual(contentsOf(target));
        compiler.release();
        applied = world;
      }
    }),
    { numRuns: 150 },
  );
}, 30_000);
