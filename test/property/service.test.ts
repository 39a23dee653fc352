/** The resolver on random Services and slices: against the oracle, against itself from scratch, and change by change. */
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Frontend } from '../../src/service/frontend.ts';
import type { EndpointSlice, NodeLocation, Service, ServiceChange } from '../../src/service/model.ts';
import { type Resolution, ServiceResolver } from '../../src/service/resolve.ts';
import { givenIds, makeServiceTables } from '../../src/service/tables.ts';
import { locationArb, serviceChangeArb } from '../support/generator-service.ts';
import { oracleFrontends } from '../support/service-oracle.ts';

const changesArb = fc.array(serviceChangeArb, { maxLength: 40 });
const RUNS = { numRuns: 300 };

function resolverOf(location: NodeLocation, changes: Iterable<ServiceChange>): ServiceResolver {
  const resolver = new ServiceResolver({ location });
  for (const change of changes) resolver.update(change);
  return resolver;
}

/** All of it but the ids. */
function withoutIds({ frontends, problems }: Pick<Resolution, 'frontends' | 'problems'>): unknown {
  return {
    problems,
    frontends: frontends.map((frontend) => ({
      ...frontend,
      id: 0,
      backends: frontend.backends.map((backend) => ({ ...backend, id: 0 })),
      slots: Array.from(frontend.slots, (id) => frontend.backends.find((backend) => backend.id === id)?.key),
    })),
  };
}

/** The objects as they are after the changes. */
class Objects {
  readonly services = new Map<string, Service>();
  readonly slices = new Map<string, EndpointSlice>();

  apply(change: ServiceChange): void {
    const map: Map<string, Service | EndpointSlice> = change.kind === 'Service' ? this.services : this.slices;
    if (change.op === 'delete') map.delete(change.key);
    else map.set(`${change.object.namespace}/${change.object.name}`, change.object);
  }

  changes(): ServiceChange[] {
    return [
      ...Array.from(this.services.values(), (object): ServiceChange => ({ kind: 'Service', op: 'set', object })),
      ...Array.from(this.slices.values(), (object): ServiceChange => ({ kind: 'EndpointSlice', op: 'set', object })),
    ];
  }
}

function asOracleSays({ frontends }: Resolution): ReadonlyMap<string, string> {
  return new Map(
    frontends.map(({ address, port, protocol, service, state, backends }) => {
      const ends = backends.map((backend) => `${backend.address} ${backend.port}`).sort();
      return [`${address} ${port}/${protocol}`, `${service} ${state === 'backends' ? ends.join(' ') : state}`];
    }),
  );
}

test('SVC-1 to SVC-7, SVC-20 to SVC-22, SVC-30, SVC-31: the resolver says what the oracle says', () => {
  fc.assert(
    fc.property(changesArb, locationArb, (changes, location) => {
      const objects = new Objects();
      for (const change of changes) objects.apply(change);
      const expected = oracleFrontends(objects.services.values(), objects.slices.values(), location);
      expect(new Map(asOracleSays(resolverOf(location, changes).resolve()))).toEqual(expected);
    }),
    RUNS,
  );
});

test('change by change gives what the last state gives from scratch, in any order', () => {
  fc.assert(
    fc.property(changesArb, locationArb, locationArb, fc.boolean(), (changes, first, last, backwards) => {
      const resolver = new ServiceResolver({ location: first });
      const objects = new Objects();
      for (const change of changes) {
        resolver.update(change);
        resolver.resolve();
        objects.apply(change);
      }
      resolver.setLocation(last);
      const state = objects.changes();
      const scratch = resolverOf(last, backwards ? state.toReversed() : state).resolve();
      expect(withoutIds(resolver.resolve())).toEqual(withoutIds(scratch));
    }),
    RUNS,
  );
});

test('what is said to have changed, and only that, has', () => {
  fc.assert(
    fc.property(changesArb, locationArb, (changes, location) => {
      const resolver = new ServiceResolver({ location });
      let before = new Map<string, Frontend>();
      for (const change of changes) {
        const { frontends, changed, removed } = resolver.resolve();
        const now = new Map(frontends.map((frontend) => [frontend.key, frontend]));
        expect(changed).toEqual(frontends.filter(({ key }) => before.get(key) !== now.get(key)));
        expect(new Set(removed)).toEqual(new Set([...before.values()].filter(({ key }) => !now.has(key))));
        for (const { key, id } of changed) expect(before.get(key)?.id ?? id).toBe(id);
        before = now;
        resolver.update(change);
      }
    }),
    RUNS,
  );
});

test('an id has one meaning for ever, and a meaning that stays keeps its id', () => {
  fc.assert(
    fc.property(changesArb, locationArb, (changes, location) => {
      const resolver = new ServiceResolver({ location });
      const meaning = new Map<string, string>();
      let held = new Map<string, number>();
      for (const change of changes) {
        resolver.update(change);
        const { frontends } = resolver.resolve();
        const now = new Map<string, number>();
        for (const { key, id, backends } of frontends) {
          expect(meaning.get(`f${id}`) ?? key).toBe(key);
          meaning.set(`f${id}`, key);
          for (const backend of backends) {
            const behind = `${id} ${backend.key}`;
            expect(meaning.get(`b${backend.id}`) ?? behind).toBe(behind);
            meaning.set(`b${backend.id}`, behind);
            expect(held.get(behind) ?? backend.id).toBe(backend.id);
            now.set(behind, backend.id);
          }
        }
        held = now;
      }
    }),
    RUNS,
  );
});

test('a new resolver that is given the ids of the tables makes equal tables', () => {
  fc.assert(
    fc.property(changesArb, locationArb, (changes, location) => {
      const old = makeServiceTables(resolverOf(location, changes).resolve(), []);
      const objects = new Objects();
      for (const change of changes) objects.apply(change);
      const again = new ServiceResolver({ location, given: givenIds(old) });
      for (const change of objects.changes()) again.update(change);
      expect(makeServiceTables(again.resolve(), [])).toEqual(old);
    }),
    RUNS,
  );
});
