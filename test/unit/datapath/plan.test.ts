import { describe, expect, test } from 'vitest';
import { AddressLayers } from '../../../src/datapath/address-layers.ts';
import { DEFAULT_LIMITS, TableCapacityError } from '../../../src/datapath/capacity.ts';
import { ClassUse } from '../../../src/datapath/class-use.ts';
import { compareTables } from '../../../src/datapath/compare.ts';
import { MemoryDatapath } from '../../../src/datapath/memory/datapath.ts';
import { EMPTY_TABLES, type KernelImage } from '../../../src/datapath/image.ts';
import { planTransition, type Target } from '../../../src/datapath/plan.ts';
import { rowsBySet } from '../../../src/datapath/plan-rows.ts';
import type { TableWrite } from '../../../src/datapath/store.ts';
import { CapacityError } from '../../../src/lib/errors.ts';
import { doAtOnce } from '../../../src/lib/work.ts';
import type { VerdictTables } from '../../../src/policy/tables.ts';
import { wire } from './contract.ts';
import { ObservedStore } from './observed-store.ts';
import { ANY_PEER, type World, WorldCompiler } from './table-world.ts';

const HTTP = { protocol: 0, first: 80, last: 80 };
const BASE: World = {
  addresses: { '10.0.0.1': 1 },
  prefixes: { '10.0.0.0/8': 'unknown' },
  portTerms: [HTTP],
  endpoints: { 1: { ingress: [[0, 0]], egress: 'open' } },
};

function imageOf(tables: VerdictTables, generation = 1): KernelImage {
  const { id, ingress, egress } = tables.endpoints;
  const endpoints = Array.from(id, (endpoint, index) => ({
    wiring: wire(endpoint, 100 + endpoint, []),
    ruleSets: { ingress: ingress[index]!, egress: egress[index]! },
    isFresh: false,
  }));
  const { revision, addresses, prefixes, ports, rows } = tables;
  return {
    revision,
    addresses: AddressLayers.of(addresses),
    prefixes,
    classes: ClassUse.of(addresses.classes, prefixes.classes),
    ports,
    rows: rowsBySet(rows),
    named: new Map(endpoints.map(({ wiring, ruleSets }) => [wiring.id, ruleSets])),
    generation,
    portTable: 0,
    endpoints: new Map(endpoints.map((endpoint) => [endpoint.wiring.id, endpoint])),
    ownAddresses: new Map(),
  };
}

/** With its lists as arrays. */
function planned(
  image: KernelImage,
  target: Target,
): { prepare: TableWrite[]; commit: unknown; cleanup: TableWrite[] } {
  const { prepare, commit, cleanup } = doAtOnce(planTransition(image, target, DEFAULT_LIMITS));
  return { prepare: [...prepare], commit, cleanup: [...cleanup] };
}

function planWhole(image: KernelImage, whole: VerdictTables): ReturnType<typeof planned> {
  return planned(image, { delta: doAtOnce(compareTables(image, whole)), whole });
}

function transition(from: World, to: World): ReturnType<typeof planned> {
  const compiler = new WorldCompiler();
  return planWhole(imageOf(compiler.compile(from)), compiler.compile(to));
}

function tablesOf(writes: readonly TableWrite[]): string[] {
  return [...new Set(writes.map(({ table }) => table))];
}

describe('what is written when', () => {
  test('a removed address waits for the generation and is deleted after the grace', () => {
    const plan = transition(BASE, { ...BASE, addresses: {} });
    expect(plan.commit).toEqual({ generation: 2, portTable: 0 });
    expect(plan.prepare).toMatchObject([
      { table: 'addresses', value: { generation: 2, classOld: 3, classNew: 0xffff_ffff } },
    ]);
    expect(plan.cleanup).toMatchObject([
      { table: 'rows', value: undefined },
      { table: 'addresses', value: undefined },
    ]);
  });

  test('an added address whose class was that of an unknown pod is in force at once', () => {
    const plan = transition(BASE, { ...BASE, addresses: { ...BASE.addresses, '10.0.0.2': 1 } });
    expect(plan.commit).toBeUndefined();
    expect(plan.prepare).toMatchObject([{ table: 'addresses', value: { generation: 1, classOld: 3, classNew: 3 } }]);
    expect(plan.cleanup).toEqual([]);
  });

  test('an added address inside an ipBlock takes the versioned way: the block may have allowed more', () => {
    const from: World = { ...BASE, prefixes: { '10.0.0.0/8': 1 } };
    const plan = transition(from, { ...from, addresses: { ...BASE.addresses, '10.0.0.2': 2 } });
    expect(plan.commit).toBeDefined();
  });

  test('NP-60: a prefix that comes or goes has the class around it on its other side, nested ones included', () => {
    const from: World = { ...BASE, prefixes: { '10.0.0.0/8': 1, '10.1.0.0/16': 2, '10.1.1.0/24': 3 } };
    const to: World = { ...BASE, prefixes: { '10.0.0.0/8': 4, '10.1.1.0/26': 5, '10.1.0.0/20': 6 } };
    const compiler = new WorldCompiler();
    const before = compiler.compile(from);
    const after = compiler.compile(to);
    const plan = planWhole(imageOf(before), after);
    const [one, two, three] = before.prefixes.classes;
    const [four, six, five] = after.prefixes.classes;
    const written = plan.prepare.flatMap((write) =>
      write.table === 'prefixes'
        ? [[write.key.length, write.key.address[2], write.value?.classOld, write.value?.classNew]]
        : [],
    );
    expect(written).toEqual([
      [8, 0, one, four],
      [16, 0, two, four],
      [20, 0, two, six],
      [24, 1, three, six],
      [26, 1, three, five],
    ]);
    const removed = plan.cleanup.flatMap((write) => (write.table === 'prefixes' ? [write.key.length] : []));
    expect(removed).toEqual([16, 24]);
  });

  test('a port change moves to the other port table; rows in force gain bits, and keep those in use until the grace', () => {
    const to: World = { ...BASE, portTerms: [HTTP, { protocol: 0, first: 1, last: 1023 }] };
    const plan = transition(
      { ...BASE, endpoints: { 1: { ingress: [[ANY_PEER, 0]], egress: 'open' } } },
      {
        ...to,
        endpoints: { 1: { ingress: [[ANY_PEER, 0]], egress: 'open' } },
      },
    );
    expect(plan.commit).toEqual({ generation: 2, portTable: 1 });
    expect(tablesOf(plan.prepare)).toEqual(['rows', 'ports']);
    expect(tablesOf(plan.cleanup)).toEqual(['rows']);
  });

  test('a bit of a rule set and class in use that changes at a port class in use is an internal error', () => {
    const compiler = new WorldCompiler();
    const tables = compiler.compile(BASE);
    const wrong = { ...tables, rows: { ...tables.rows, allow: tables.rows.allow.map((byte) => byte ^ 0xff) } };
    expect(() => planWhole(imageOf(tables), wrong)).toThrow(/internal: rule set 2, peer class/);
  });
});

describe('capacity', () => {
  test('old and new elements count together: what does not fit is not written', async () => {
    const store = new ObservedStore();
    const datapath = await MemoryDatapath.open({ store, limits: { ...DEFAULT_LIMITS, prefixes: 3 } });
    const compiler = new WorldCompiler();
    await datapath.apply(compiler.compile({ ...BASE, prefixes: { '10.0.0.0/8': 1, '10.1.0.0/16': 2 } }));
    const written: TableWrite[] = [];
    store.onWrite = (write) => written.push(write);
    const other = compiler.compile({ ...BASE, prefixes: { '10.2.0.0/16': 1, '10.3.0.0/16': 1 } });
    const error: unknown = await datapath.apply(other).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(TableCapacityError);
    expect(error).toBeInstanceOf(CapacityError);
    expect((error as Error).message).toBe(
      'revision 2 of the tables needs 4 of prefixes beside those in force, where 3 fit: the last state stays in force',
    );
    expect(written).toEqual([]);
    const fits = compiler.compile({ ...BASE, prefixes: { '10.0.0.0/8': 1, '10.2.0.0/16': 1 } });
    expect(await datapath.apply(fits)).toMatchObject({ revision: 3 });
  });

  test('addresses that go make room for those that come', async () => {
    const store = new ObservedStore();
    const datapath = await MemoryDatapath.open({ store, limits: { ...DEFAULT_LIMITS, addresses: 3 } });
    const compiler = new WorldCompiler();
    await datapath.apply(compiler.compile({ ...BASE, addresses: { '10.0.0.1': 1, '10.0.0.2': 1 } }));
    const other = compiler.compile({ ...BASE, addresses: { '10.0.0.3': 1, '10.0.0.4': 1 } });
    expect(await datapath.apply(other)).toMatchObject({ revision: 2 });
    expect([...store.addresses()]).toHaveLength(2);
  });

  test('an endpoint for which there is no room is refused before it is attached', async () => {
    const datapath = await MemoryDatapath.open({ limits: { ...DEFAULT_LIMITS, endpoints: 1 } });
    await datapath.attachEndpoint(wire(1, 101, ['10.0.0.1']));
    await expect(datapath.attachEndpoint(wire(2, 102, ['10.0.0.2']))).rejects.toThrow(
      'endpoint 2 needs 2 of endpoints',
    );
    await datapath.detachEndpoint(1);
    await datapath.attachEndpoint(wire(2, 102, ['10.0.0.2']));
  });
});

test('one change among 100,000 addresses and 20,000 rows is planned in milliseconds', () => {
  const count = 100_000;
  const keys = new Uint8Array(count * 17);
  for (let i = 0; i < count; i++) keys.set([4, 10, i >> 16, (i >> 8) & 255, i & 255], i * 17);
  const addresses = { keys, classes: new Uint32Array(count).fill(7), flags: new Uint32Array(count) };
  const rows = {
    ruleSet: new Uint32Array(20_000).fill(2),
    peerClass: Uint32Array.from({ length: 20_000 }, (_, i) => i),
    block: new Uint32Array(20_000),
    allow: new Uint8Array(20_000 * 32).fill(1),
    audit: new Uint8Array(20_000 * 32),
  };
  const image = imageOf({ ...EMPTY_TABLES, addresses, rows });
  const next = { ...EMPTY_TABLES, rows, addresses: { ...addresses, classes: addresses.classes.with(50_000, 8) } };
  const durations = Array.from({ length: 5 }, () => {
    const begin = performance.now();
    expect(planWhole(image, next).prepare).toHaveLength(1);
    return performance.now() - begin;
  });
  expect(Math.min(...durations)).toBeLessThan(50);
});
