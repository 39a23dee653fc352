/** Whatever happens to Services, what a delta writes is what whole tables would have written. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { MemoryServiceStore } from '../../src/datapath/memory/service-store.ts';
import { ServiceKeeper } from '../../src/datapath/service-keeper.ts';
import type { ServiceWrite } from '../../src/datapath/service-store.ts';
import { CapacityError } from '../../src/lib/errors.ts';
import { parseCidr } from '../../src/net/cidr.ts';
import { makeServiceDelta } from '../../src/service/delta.ts';
import type { ServiceChange } from '../../src/service/model.ts';
import { ServiceResolver } from '../../src/service/resolve.ts';
import { makeServiceTables } from '../../src/service/tables.ts';
import {
  deleteService,
  deleteSlice,
  endpoint,
  HERE,
  makeService,
  makeSlice,
  servicePort,
  setService,
  setSlice,
  slicePort,
} from '../support/service-builders.ts';

const RUNS = 150;
const RANGES = [parseCidr('10.96.0.0/16')!];
/** So few that some sequences do not fit. */
const SLOTS = 700;

class Side extends MemoryServiceStore {
  readonly keeper: ServiceKeeper;
  written: ServiceWrite[] = [];
  failAfter = Infinity;

  constructor() {
    super(SLOTS);
    this.keeper = new ServiceKeeper(this, { grace: () => Promise.resolve(), batchWrites: 1 });
  }

  override write(writes: readonly ServiceWrite[]): void {
    for (const write of writes) {
      if (this.written.length >= this.failAfter) throw new Error('no memory');
      super.write([write]);
      this.written.push(write);
    }
  }

  /** What became of an apply: the writes in order, or the message. */
  async outcome(apply: () => Promise<unknown>, failAfter: number): Promise<unknown> {
    this.written = [];
    this.failAfter = failAfter;
    try {
      await apply();
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      return [error instanceof CapacityError ? 'capacity' : 'failure', error.message];
    }
    return this.written;
  }

  content(): unknown {
    const frontends = new Map(
      Array.from(this.frontends(), ([key, { firstSlot, slotCount, ...rest }]) => {
        return [key, { ...rest, slots: this.slots(firstSlot, slotCount) }] as const;
      }),
    );
    return [frontends, new Map(this.backends()), new Set(this.ranges()), this.isEnabled()];
  }
}

const arbitraryChange: fc.Arbitrary<ServiceChange> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.tuple(fc.nat(5), fc.uniqueArray(fc.nat(9), { maxLength: 6 })).map(([i, pods]) => sliceOf(i, pods)),
  },
  {
    weight: 3,
    arbitrary: fc.record({ i: fc.nat(5), vip: fc.nat(3), more: fc.boolean(), other: fc.boolean() }).map(serviceOf),
  },
  { weight: 1, arbitrary: fc.nat(5).map((i) => deleteService(`x/s${i}`)) },
  { weight: 1, arbitrary: fc.nat(5).map((i) => deleteSlice(`x/s${i}-1`)) },
);

function sliceOf(i: number, pods: readonly number[]): ServiceChange {
  const ports = [slicePort(8080, { name: 'a' }), slicePort(8443, { name: 'b' })];
  const endpoints = pods.map((pod) => endpoint(`10.1.0.${pod}`));
  return setSlice(makeSlice(`x/s${i}-1`, `s${i}`, { ports, endpoints }));
}

function serviceOf({ i, vip, more, other }: { i: number; vip: number; more: boolean; other: boolean }): ServiceChange {
  const ports = [servicePort(80 + i, { name: 'a' }), ...(more ? [servicePort(443, { name: 'b' })] : [])];
  const named = other ? { proxyName: 'other' } : {};
  return setService(makeService(`x/s${i}`, { clusterIPs: [`10.96.0.${vip}`], ports, ...named }));
}

const arbitraryStep = fc.record({
  changes: fc.array(arbitraryChange, { minLength: 1, maxLength: 4 }),
  /** Now and then the store fails after so many writes, of both alike. */
  failAfter: fc.oneof({ weight: 9, arbitrary: fc.constant(Infinity) }, { weight: 1, arbitrary: fc.nat(5) }),
});

test('a delta writes what whole tables would, also after what did not fit or failed', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(arbitraryStep, { minLength: 1, maxLength: 12 }), async (steps) => {
      const resolver = new ServiceResolver({ location: HERE });
      const whole = new Side();
      const delta = new Side();
      for (const [index, { changes, failAfter }] of steps.entries()) {
        for (const change of changes) resolver.update(change);
        const resolution = resolver.resolve();
        const tables = makeServiceTables(resolution, RANGES);
        const wanted = index === 0 ? tables : makeServiceDelta(resolution);
        const expected = await whole.outcome(() => whole.keeper.apply(tables), failAfter);
        expect(await delta.outcome(() => delta.keeper.apply(wanted), failAfter)).toEqual(expected);
        expect(delta.content()).toEqual(whole.content());
      }
    }),
    { numRuns: RUNS },
  );
});
