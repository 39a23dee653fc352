/** What a transition leaves to be removed, and who waits for it. */
import { beforeEach, expect, test } from 'vitest';
import { StaleDeltaError } from '../../../src/datapath/stale-delta.ts';
import { TableKeeper } from '../../../src/datapath/table-keeper.ts';
import type { TableDelta } from '../../../src/policy/table-delta.ts';
import { wire } from './contract.ts';
import { ObservedStore } from './observed-store.ts';
import { contentsOf } from './store-contents.ts';
import { type World, WorldCompiler } from './table-world.ts';
import { fromScratch, LOCAL } from './world-steps.ts';

/** Every class stays in use, so that no row comes or goes where addresses move. */
const BASE: World = {
  addresses: { '10.0.0.1': 0, '10.0.0.4': 1, '10.0.0.5': 2, '10.9.0.1': 1, '10.9.0.2': 2, '10.9.0.3': 3 },
  prefixes: {},
  portTerms: [{ protocol: 0, first: 80, last: 80 }],
  endpoints: { 1: { ingress: [[0, 0]], egress: 'open' } },
};

const withAddresses = (addresses: World['addresses']): World => ({
  ...BASE,
  addresses: { ...BASE.addresses, ...addresses },
});

let store: ObservedStore;
let keeper: TableKeeper;
let compiler: WorldCompiler;
/** Graces that are under way, once they are held. */
let graces: PromiseWithResolvers<void>[];
let isHeld: boolean;

beforeEach(async () => {
  store = new ObservedStore();
  graces = [];
  isHeld = false;
  const grace = async (): Promise<void> => {
    if (!isHeld) return;
    const held = Promise.withResolvers<void>();
    graces.push(held);
    await held.promise;
  };
  keeper = await TableKeeper.open(store, { grace });
  compiler = new WorldCompiler();
  await keeper.attach(wire(1, 101, LOCAL[1]!), () => undefined);
  await keeper.apply(compiler.compile(BASE));
  compiler.release();
  isHeld = true;
});

/** More than one transition takes. */
const TURNS = 20;

async function turn(): Promise<void> {
  for (let count = 0; count < TURNS; count++) await new Promise((resolve) => setImmediate(resolve));
}

/** What has happened of an apply. */
function follow(world: World): { readonly states: string[]; readonly end: Promise<unknown> } {
  const states: string[] = [];
  const end = keeper
    .apply(compiler.compile(world), () => states.push('in force'))
    .then(
      () => states.push('cleaned'),
      (error: unknown) => states.push(String(error)),
    );
  return { states, end };
}

test('a transition of other elements is in force while the one before waits for its grace; they share the next one', async () => {
  const first = follow(withAddresses({ '10.0.0.4': 2 }));
  await turn();
  const second = follow(withAddresses({ '10.0.0.4': 2, '10.0.0.5': 1 }));
  await turn();
  const third = follow(withAddresses({ '10.0.0.4': 2, '10.0.0.5': 1, '10.0.0.6': 3 }));
  await turn();
  expect([first, second, third].map(({ states }) => states)).toEqual([['in force'], ['in force'], ['in force']]);
  expect(graces).toHaveLength(1);
  graces[0]!.resolve();
  await turn();
  expect(first.states).toEqual(['in force', 'cleaned']);
  expect(graces).toHaveLength(2);
  graces[1]!.resolve();
  await Promise.all([second.end, third.end]);
  expect(graces).toHaveLength(2);
});

test('a transition of an element that the one before changed waits for it', async () => {
  const first = follow(withAddresses({ '10.0.0.4': 2 }));
  await turn();
  const second = follow(withAddresses({ '10.0.0.4': 3 }));
  await turn();
  expect([first.states, second.states]).toEqual([['in force'], []]);
  graces[0]!.resolve();
  await turn();
  expect([first.states, second.states]).toEqual([['in force', 'cleaned'], ['in force']]);
  graces[1]!.resolve();
  await second.end;
});

test('a pod starts while a transition waits for its grace', async () => {
  const first = follow(withAddresses({ '10.0.0.4': 2 }));
  await turn();
  await keeper.attach(wire(2, 102, ['10.0.0.2']), () => undefined);
  expect(first.states).toEqual(['in force']);
  graces[0]!.resolve();
  await first.end;
});

test('a clean-up that fails is told to its caller, and the next operation reads the store anew', async () => {
  const first = follow(withAddresses({ '10.0.0.4': 2 }));
  await turn();
  graces[0]!.reject(new Error('no grace'));
  await first.end;
  expect(first.states).toEqual(['in force', 'Error: no grace']);
  isHeld = false;
  const world = withAddresses({ '10.0.0.4': 3 });
  const tables = compiler.compile(world);
  const delta: TableDelta = {
    ...tables,
    base: tables.revision - 1,
    ruleSets: new Uint32Array(),
    goneEndpoints: new Uint32Array(),
  };
  await expect(keeper.apply(delta)).rejects.toThrow(StaleDeltaError);
  await keeper.apply(tables);
  expect(contentsOf(store)).toEqual(contentsOf(await fromScratch([1], tables)));
});

test('nothing is changed upon an element whose clean-up has failed', async () => {
  const first = follow(withAddresses({ '10.0.0.4': 2 }));
  await turn();
  const second = follow(withAddresses({ '10.0.0.4': 3 }));
  await turn();
  const { generation } = store.commit();
  graces[0]!.reject(new Error('no grace'));
  await Promise.all([first.end, second.end]);
  expect(second.states).toEqual(['Error: no grace']);
  expect(store.commit().generation).toBe(generation);
});

test('idle waits for what is left', async () => {
  const first = follow(withAddresses({ '10.0.0.4': 2 }));
  await turn();
  let isIdle = false;
  const idle = keeper.idle().then(() => {
    isIdle = true;
  });
  await turn();
  expect(isIdle).toBe(false);
  graces[0]!.resolve();
  await Promise.all([first.end, idle]);
});
