/** Service tables brought in force write by write: what packets find on the way, what is kept, what is refused. */
import { describe, expect, test } from 'vitest';
import { MemoryServiceStore } from '../../../src/datapath/memory/service-store.ts';
import { ServiceKeeper } from '../../../src/datapath/service-keeper.ts';
import type { ServiceWrite } from '../../../src/datapath/service-store.ts';
import { SlotRuns } from '../../../src/datapath/slot-runs.ts';
import { CapacityError } from '../../../src/lib/errors.ts';
import { parseCidr } from '../../../src/net/cidr.ts';
import { backendKey, formatKey, toAddress } from '../../../src/service/key.ts';
import { ServiceResolver } from '../../../src/service/resolve.ts';
import { makeServiceTables, type ServiceTables } from '../../../src/service/tables.ts';
import {
  endpoint,
  HERE,
  makeService,
  makeSlice,
  servicePort,
  setService,
  setSlice,
  slicePort,
} from '../../support/service-builders.ts';

const RANGES = [parseCidr('10.96.0.0/16')!];
const LIMITS = { frontends: 100, backends: 100, ranges: 4 };

/** Where each frontend's slots lead, by `address:port`; a slot whose backend is not there is `nowhere`. */
function reached(store: MemoryServiceStore): ReadonlyMap<string, ReadonlySet<string>> {
  const backends = new Map(store.backends());
  return new Map(
    [...store.frontends()]
      .filter(([, { id }]) => id > 0)
      .map(([key, { firstSlot, slotCount }]) => {
        const ids = [...store.slots(firstSlot, slotCount)];
        return [formatKey(key), new Set(ids.map((id) => formatKey(backends.get(id)?.key ?? 'nowhere')))];
      }),
  );
}

class WatchedStore extends MemoryServiceStore {
  readonly written: ServiceWrite[] = [];
  onWrite: (() => void) | undefined;

  override write(writes: readonly ServiceWrite[]): void {
    for (const write of writes) {
      super.write([write]);
      this.written.push(write);
      this.onWrite?.();
    }
  }
}

class World {
  readonly resolver: ServiceResolver;
  readonly store: WatchedStore;
  readonly keeper: ServiceKeeper;
  graces = 0;

  constructor(store: WatchedStore = new WatchedStore(1000)) {
    this.store = store;
    this.keeper = new ServiceKeeper(store, {
      grace: async () => void (this.graces += 1),
      limits: LIMITS,
      batchWrites: 1,
    });
    this.resolver = new ServiceResolver({ location: HERE, given: this.keeper.idsInUse() });
  }

  /** Sets a Service with these last bytes of its backends' addresses. */
  tables(services: Readonly<Record<string, readonly number[]>>): ServiceTables {
    for (const [i, [name, backends]] of Object.entries(services).entries()) {
      const key = `shop/${name}`;
      this.resolver.update(
        setService(makeService(key, { clusterIPs: [`10.96.0.${i + 1}`], ports: [servicePort(80)] })),
      );
      const endpoints = backends.map((last) => endpoint(`10.1.0.${last}`));
      this.resolver.update(setSlice(makeSlice(key, name, { ports: [slicePort(8080)], endpoints })));
    }
    return makeServiceTables(this.resolver.resolve(), RANGES);
  }

  async apply(services: Readonly<Record<string, readonly number[]>>): Promise<void> {
    await this.keeper.apply(this.tables(services));
  }
}

const ends = (...last: number[]): ReadonlySet<string> => new Set(last.map((n) => `10.1.0.${n}:8080`));

describe('service tables', () => {
  test('lead from every frontend to its backends once applied', async () => {
    const world = new World();
    await world.apply({ web: [1, 2, 3], db: [4], none: [] });
    expect(reached(world.store)).toEqual(
      new Map([
        ['10.96.0.1:80', ends(1, 2, 3)],
        ['10.96.0.2:80', ends(4)],
        ['10.96.0.3:80', ends()],
      ]),
    );
    expect(world.store.isEnabled()).toBe(true);
    expect([...world.store.ranges()]).toHaveLength(1);
  });

  test('after every single write a frontend leads to its old backends or its new ones', async () => {
    const world = new World();
    await world.apply({ web: [1, 2], db: [4], gone: [9] });
    const allowed: Readonly<Record<string, ReadonlySet<string>>> = {
      '10.96.0.1:80': ends(1, 2, 5, 6, 7),
      '10.96.0.2:80': ends(4, 8),
      '10.96.0.3:80': ends(9, 1),
    };
    world.store.onWrite = () => {
      for (const [frontend, found] of reached(world.store)) expect(allowed[frontend]?.isSupersetOf(found)).toBe(true);
    };
    await world.apply({ web: [5, 6, 7], db: [8], gone: [1] });
    await world.apply({ web: [1, 2], db: [4], gone: [] });
  });

  test('of a frontend with as many slots as before only the slots that differ are written', async () => {
    const world = new World();
    await world.apply({ web: [1, 2, 3] });
    const before = [...world.store.frontends()];
    world.store.written.length = 0;
    await world.apply({ web: [1, 2, 4] });
    expect([...world.store.frontends()]).toEqual(before);
    const slots = world.store.written.flatMap((write) => (write.table === 'slots' ? [...write.backends] : []));
    expect(slots.length).toBeGreaterThan(0);
    expect(slots.length).toBeLessThan(61);
  });

  test('the same tables again write nothing and wait for nothing', async () => {
    const world = new World();
    await world.apply({ web: [1, 2] });
    const { graces } = world;
    world.store.written.length = 0;
    await world.apply({ web: [1, 2] });
    expect(world.store.written).toEqual([]);
    expect(world.graces).toBe(graces);
  });

  test('a restart finds what is there, keeps the ids and writes only what differs', async () => {
    const first = new World();
    await first.apply({ web: [1, 2], db: [4] });
    first.store.written.length = 0;
    const second = new World(first.store);
    await second.apply({ web: [1, 2], db: [4] });
    expect(first.store.written).toEqual([]);
    await second.apply({ web: [1, 2], db: [5] });
    const ids = new Map([...first.store.backends()].map(([id, { key }]) => [formatKey(key), id]));
    expect(ids.get('10.1.0.5:8080')).toBeGreaterThan(ids.get('10.1.0.2:8080')!);
  });

  test('an apply that failed half-way is mended by the next', async () => {
    const world = new World();
    await world.apply({ web: [1], db: [4] });
    let left = 3;
    world.store.onWrite = () => {
      left -= 1;
      if (left === 0) throw new Error('no memory');
    };
    await expect(world.apply({ web: [1, 2, 3], db: [5] })).rejects.toThrow('no memory');
    world.store.onWrite = undefined;
    await world.apply({ web: [1, 2, 3], db: [5] });
    expect(reached(world.store)).toEqual(
      new Map([
        ['10.96.0.1:80', ends(1, 2, 3)],
        ['10.96.0.2:80', ends(5)],
      ]),
    );
  });

  test('what does not fit is refused before anything is written, with the frontend named', async () => {
    const world = new World(new WatchedStore(70));
    await world.apply({ web: [1, 2] });
    world.store.written.length = 0;
    const refusal = world.apply({ web: [1, 2], db: [3, 4] });
    await expect(refusal).rejects.toThrow(CapacityError);
    await expect(refusal).rejects.toThrow('frontend 10.96.0.2:80 needs 61 of slots');
    expect(world.store.written).toEqual([]);
  });

  test('nothing left: packets do not look for services', async () => {
    const world = new World();
    await world.apply({ web: [1] });
    const empty = makeServiceTables(new ServiceResolver({ location: HERE }).resolve(), []);
    await world.keeper.apply(empty);
    expect(world.store.isEnabled()).toBe(false);
    expect([...world.store.frontends(), ...world.store.backends(), ...world.store.ranges()]).toEqual([]);
  });

  test('backends go after the grace', async () => {
    const world = new World();
    await world.apply({ web: [1] });
    const old = backendKey(toAddress('10.1.0.1'), 8080);
    const { graces } = world;
    let gracesAtEnd = -1;
    world.store.onWrite = () => {
      if (gracesAtEnd < 0 && ![...world.store.backends()].some(([, { key }]) => key === old))
        gracesAtEnd = world.graces;
    };
    await world.apply({ web: [2] });
    expect(gracesAtEnd).toBe(graces + 1);
  });
});

describe('runs of slots', () => {
  test('are cut from the first that is large enough, and never twice', () => {
    const runs = new SlotRuns(100, [
      [10, 20],
      [60, 10],
    ]);
    expect([runs.take(20), runs.take(10), runs.take(30), runs.take(11), runs.take(10)]).toEqual([
      30,
      0,
      70,
      undefined,
      50,
    ]);
    expect(runs.largest).toBe(0);
  });
});
