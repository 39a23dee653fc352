import { expect, test } from 'vitest';
import type { ResolvedServices } from '../../../src/agent/compiler-worker.ts';
import { ServiceStep } from '../../../src/agent/service-step.ts';
import type { RealizedServices } from '../../../src/datapath/datapath.ts';
import { CapacityError } from '../../../src/lib/errors.ts';
import type { Log } from '../../../src/lib/log.ts';
import { exceededLimits, largestServices, makeServiceTables, type ServiceTables } from '../../../src/service/tables.ts';
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
  return { tables, problems: [], exceeded: exceededLimits(tables), largest, ...fields };
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
  const applyServices = async (tables: ServiceTables): Promise<RealizedServices> => {
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

test('a limit that is passed is found before anything is written', async () => {
  const { step, applied } = stepWith([]);
  step.take(resolved({ exceeded: [{ limit: 'FRONTENDS_MAX', needed: 70_000, available: 65_536 }] }));
  await step.run();
  expect(applied).toEqual([]);
  expect(step.state().failure).toMatch(/^the Services needs 70000 of FRONTENDS_MAX/);
});

test('another failure leaves them pending', async () => {
  const { step, applied } = stepWith([new Error('the kernel says no')]);
  step.take(resolved());
  await expect(step.run()).rejects.toThrow('the kernel says no');
  await step.run();
  expect(applied).toEqual([1]);
});
