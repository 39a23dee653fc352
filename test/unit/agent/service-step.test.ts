import { expect, test } from 'vitest';
import type { ResolvedServices } from '../../../src/agent/compiler-worker.ts';
import { ServiceStep } from '../../../src/agent/service-step.ts';
import type { RealizedServices } from '../../../src/datapath/datapath.ts';
import { CapacityError } from '../../../src/lib/errors.ts';
import type { Log } from '../../../src/lib/log.ts';
import type { ServiceDelta } from '../../../src/service/delta.ts';
import { largestServices, makeServiceTables, type ServiceTables } from '../../../src/service/tables.ts';
import {
  endpoint,
  makeService,
  makeSlice,
  ServiceScenario,
  setService,
  setSlice,
} from '../../support/service-builders.ts';

function resolved(fields: Partial<ResolvedServices> = {}): ResolvedServices {
  const scenario = new ServiceScenario(
    [3, 1].flatMap((pods, i) => [
      setService(makeService(`shop/s${i}`, { clusterIPs: [`10.96.0.${i + 1}`] })),
      setSlice(
        makeSlice(`shop/s${i}-1`, `s${i}`, {
          endpoints: Array.from({ length: pods }, (_, n) => endpoint(`10.244.${i}.${n + 1}`)),
        }),
      ),
    ]),
  );
  const tables = makeServiceTables(scenario.last, []);
  const largest = largestServices(scenario.last.frontends);
  return { tables, problems: [], largest, ...fields };
}

const ignore = (): void => undefined;
const silentLog: Log = { debug: ignore, info: ignore, warn: ignore, error: ignore };

/** outcomes: what becomes of each apply; undefined succeeds. */
function stepWith(outcomes: readonly (Error | undefined)[]): {
  readonly step: ServiceStep;
  readonly applied: number[];
} {
  const left = [...outcomes];
  const applied: number[] = [];
  const applyServices = async (tables: ServiceTables | ServiceDelta): Promise<RealizedServices> => {
    const error = left.shift();
    if (error !== undefined) throw error;
    applied.push(tables.revision);
    return { revision: tables.revision, writes: 1, frontends: 2, backends: 4, slots: 62 };
  };
  return { step: new ServiceStep({ datapath: { applyServices }, log: silentLog }), applied };
}

test('what does not fit is said with the largest Services, is not tried again, and holds nothing else up', async () => {
  const { step, applied } = stepWith([new CapacityError('slots', 61, 10, 'frontend 10.96.0.1:80')]);
  step.take(resolved());
  await step.run();
  expect(step.state().failure).toBe(
    'frontend 10.96.0.1:80 needs 61 of slots, which holds 10; what was asked for is not in force; the largest Services: shop/s0, shop/s1',
  );
  await step.run();
  expect(applied).toEqual([]);
  step.take(resolved());
  await step.run();
  expect([applied, step.state().failure]).toEqual([[1], '']);
});

test('another failure leaves them pending', async () => {
  const { step, applied } = stepWith([new Error('the kernel says no')]);
  step.take(resolved());
  await expect(step.run()).rejects.toThrow('the kernel says no');
  await step.run();
  expect(applied).toEqual([1]);
});

test('a delta waits behind whole tables, and is one with the delta before it', async () => {
  const entry = (key: string, id: number): ServiceDelta['changed'][number] => ({
    key,
    id,
    flags: 2,
    affinitySeconds: 0,
    backends: [],
    slots: new Uint32Array(),
  });
  const deltas: readonly ServiceDelta[] = [
    { revision: 2, changed: [entry('a', 1), entry('b', 2)], removed: ['c'] },
    { revision: 3, changed: [entry('b', 3), entry('c', 4)], removed: ['a'] },
  ];
  const taken: (ServiceTables | ServiceDelta)[] = [];
  const applyServices = async (tables: ServiceTables | ServiceDelta): Promise<RealizedServices> => {
    taken.push(tables);
    return { revision: tables.revision, writes: 1, frontends: 2, backends: 4, slots: 62 };
  };
  const step = new ServiceStep({ datapath: { applyServices }, log: silentLog });
  const whole = resolved();
  step.take(whole);
  for (const tables of deltas) step.take(resolved({ tables }));
  await step.run();
  expect(taken).toEqual([whole.tables, { revision: 3, changed: [entry('b', 3), entry('c', 4)], removed: ['a'] }]);
});
