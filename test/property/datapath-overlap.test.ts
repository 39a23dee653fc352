/** Transitions that begin before what the ones before have left is gone. */
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import type { FlowQuery, FlowVerdict } from '../../src/datapath/datapath.ts';
import type { Commit } from '../../src/datapath/elements.ts';
import { judge } from '../../src/datapath/judge.ts';
import type { TableReader } from '../../src/datapath/store.ts';
import { TableKeeper } from '../../src/datapath/table-keeper.ts';
import { asOf } from '../unit/datapath/as-of.ts';
import { wire } from '../unit/datapath/contract.ts';
import { ObservedStore } from '../unit/datapath/observed-store.ts';
import { contentsOf } from '../unit/datapath/store-contents.ts';
import { type PortTerm, type Rules, type World, WorldCompiler } from '../unit/datapath/table-world.ts';
import { fromScratch, LOCAL, type Step, steps, versionedFlows } from '../unit/datapath/world-steps.ts';

/** What packets meet that have read one commit: some of them may be under way until a grace has passed after the next. */
interface Reading {
  readonly commit: Commit;
  readonly verdicts: ReadonlyMap<FlowQuery, FlowVerdict>;
}

class Readings {
  readonly #store: ObservedStore;
  #readings: Reading[] = [];
  /** The most commits that were read by packets under way at one time. */
  most = 0;

  constructor(store: ObservedStore) {
    this.#store = store;
  }

  /** From now on packets read what is in force; its verdicts are these. */
  begin(flows: readonly FlowQuery[], target: TableReader): void {
    const verdicts = new Map(flows.map((flow) => [flow, judge(target, flow)]));
    this.#readings.push({ commit: this.#store.commit(), verdicts });
    this.most = Math.max(this.most, this.#readings.length);
  }

  /** Those of these flows alone are looked at from now on. */
  keep(flows: readonly FlowQuery[]): void {
    const kept = new Set(flows);
    this.#readings = this.#readings.map(({ commit, verdicts }) => ({
      commit,
      verdicts: new Map([...verdicts].filter(([flow]) => kept.has(flow))),
    }));
  }

  forget(): void {
    this.#readings = [];
  }

  /** Flows that packets under way would judge otherwise than when they began. */
  wrong(): string[] {
    return this.#readings.flatMap(({ commit, verdicts }) => {
      const reader = asOf(this.#store, commit);
      const isWrong = ([flow, { egress, ingress }]: readonly [FlowQuery, FlowVerdict]): boolean => {
        const now = judge(reader, flow);
        return now.egress !== egress || now.ingress !== ingress;
      };
      return [...verdicts].filter(isWrong).map(([flow]) => `${commit.generation}: ${JSON.stringify(flow)}`);
    });
  }

  /** A grace of so many turns of the event loop. */
  async pass(turns: number): Promise<void> {
    const { generation } = this.#store.commit();
    const over = new Set(
      this.#readings.map(({ commit }) => commit).filter((commit) => commit.generation !== generation),
    );
    for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve));
    this.#readings = this.#readings.filter(({ commit }) => !over.has(commit));
  }
}

/** The same worlds, each with the port terms of all: no step changes a port class. */
function withSamePorts(drawn: readonly Step[]): Step[] {
  const terms = new Map<string, PortTerm>();
  for (const { world } of drawn) for (const term of world.portTerms) terms.set(JSON.stringify(term), term);
  const places = [...terms.keys()];
  const moved = (rules: Rules | 'open', world: World): Rules | 'open' =>
    rules === 'open'
      ? rules
      : rules.map(([peer, port]) => [peer, places.indexOf(JSON.stringify(world.portTerms[port]))] as const);
  return drawn.map((step) => ({
    ...step,
    world: {
      ...step.world,
      portTerms: [...terms.values()],
      endpoints: Object.fromEntries(
        Object.entries(step.world.endpoints).map(([id, { ingress, egress }]) => [
          id,
          { ingress: moved(ingress, step.world), egress: moved(egress, step.world) },
        ]),
      ),
    },
  }));
}

async function attach(keeper: TableKeeper, attached: readonly number[]): Promise<void> {
  for (const id of keeper.endpoints().keys()) if (!attached.includes(id)) await keeper.detach(id, () => undefined);
  for (const id of attached) await keeper.attach(wire(id, 100 + id, LOCAL[id]!), () => undefined);
}

const isSame = (a: readonly number[], b: readonly number[]): boolean =>
  new Set(a).symmetricDifference(new Set(b)).size === 0;

test('packets that read an earlier commit meet its verdicts until a grace has passed, whatever began meanwhile', async () => {
  let overlaps = 0;
  await fc.assert(
    fc.asyncProperty(steps, fc.array(fc.nat(60), { minLength: 1, maxLength: 6 }), async (drawn, turns) => {
      const store = new ObservedStore();
      const readings = new Readings(store);
      let graces = 0;
      const grace = (): Promise<void> => readings.pass(turns[graces++ % turns.length]!);
      const keeper = await TableKeeper.open(store, { grace });
      const compiler = new WorldCompiler();
      let before: World | undefined;
      const behind: string[] = [];
      let attached: readonly number[] = [];
      let last: Promise<unknown> | undefined;
      /** Of the tables compiled last. */
      let revision = 0;
      for (const step of withSamePorts(drawn)) {
        if (!isSame(step.attached, attached)) {
          await last;
          readings.forget();
          await attach(keeper, step.attached);
          attached = step.attached;
        }
        const tables = compiler.compile(step.world);
        ({ revision } = tables);
        const target = await fromScratch(attached, tables);
        const flows = versionedFlows(before, step.world);
        readings.keep(flows);
        const wrong: string[] = [];
        store.onWrite = () => wrong.push(...readings.wrong());
        const { generation } = store.commit();
        const inForce = Promise.withResolvers<unknown>();
        const ends = keeper.apply(tables, inForce.resolve).then(() => {
          // What came later is not in force yet, or not alone.
          if (revision === tables.revision) compiler.release();
        });
        ends.catch(inForce.reject);
        last = ends;
        await inForce.promise;
        // What only adds is in force as it is written, for packets that read an earlier commit, too.
        if (store.commit().generation === generation) readings.forget();
        else expect(wrong).toEqual([]);
        readings.begin(flows, target);
        store.onWrite = () => behind.push(...readings.wrong());
        before = step.world;
        overlaps += readings.most > 1 ? 1 : 0;
      }
      await last;
      await keeper.idle();
      expect(behind).toEqual([]);
      store.onWrite = () => undefined;
      expect(contentsOf(store)).toEqual(contentsOf(await fromScratch(attached, compiler.compile(before!))));
    }),
    { numRuns: 150 },
  );
  expect(overlaps).toBeGreaterThan(100);
}, 30_000);
