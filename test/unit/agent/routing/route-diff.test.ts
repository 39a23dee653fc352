import { describe, expect, test } from 'vitest';
import type { PlannedRoute } from '../../../../src/agent/routing/plan.ts';
import { diffRoutes } from '../../../../src/agent/routing/route-diff.ts';
import type { Route } from '../../../../src/kernel/netlink/route.ts';

const INDEX = new Map([
  ['eth0', 2],
  ['sv0004', 7],
]);
const indexOf = (name: string): number | undefined => INDEX.get(name);

const PLANNED: PlannedRoute = {
  destination: '10.1.0.0/24',
  gateway: '172.30.0.2',
  device: 'eth0',
  source: '172.30.0.1',
};
const ROUTE: Route = {
  family: 4,
  destination: '10.1.0.0/24',
  type: 'unicast',
  index: 2,
  gateway: '172.30.0.2',
  onlink: true,
  source: '172.30.0.1',
  scope: 'global',
  table: 254,
  metric: 0,
  protocol: 84,
};
const EMPTY = { add: [], replace: [], remove: [], yielded: [], shadowed: [] };

test('what is as planned is left alone', () => {
  expect(diffRoutes([PLANNED], [ROUTE], [], indexOf)).toEqual(EMPTY);
});

test('what is missing is added, what is no longer planned is removed', () => {
  const other = { ...ROUTE, destination: '10.2.0.0/24' };
  expect(diffRoutes([PLANNED], [other], [], indexOf)).toEqual({ ...EMPTY, add: [PLANNED], remove: [other] });
});

test.each<[string, Partial<Route>]>([
  ['gateway', { gateway: '172.30.0.9' }],
  ['interface', { index: 7 }],
  ['source', { source: undefined }],
])('one with another %s is replaced', (_, changed) => {
  expect(diffRoutes([PLANNED], [{ ...ROUTE, ...changed }], [], indexOf)).toEqual({ ...EMPTY, replace: [PLANNED] });
});

test('over an interface that is not there nothing is written', () => {
  expect(diffRoutes([{ ...PLANNED, device: 'gone' }], [], [], indexOf)).toEqual(EMPTY);
});

describe('a route of others', () => {
  const foreign = { ...ROUTE, protocol: 3, metric: 100 };

  test('to the same destination is yielded to, whatever its metric; ours goes', () => {
    const yielded = [{ planned: PLANNED, foreign }];
    expect(diffRoutes([PLANNED], [], [foreign], indexOf)).toEqual({ ...EMPTY, yielded });
    expect(diffRoutes([PLANNED], [ROUTE], [foreign], indexOf)).toEqual({ ...EMPTY, yielded, remove: [ROUTE] });
  });

  test('to a part of it is told of', () => {
    const part = { ...foreign, destination: '10.1.0.128/25' };
    expect(diffRoutes([PLANNED], [ROUTE], [part], indexOf)).toEqual({
      ...EMPTY,
      shadowed: [{ planned: PLANNED, foreign: part }],
    });
  });

  test('to more than it, or elsewhere, is nobody’s concern', () => {
    const others = ['0.0.0.0/0', '10.0.0.0/8', '10.2.0.0/24'].map((destination) => ({ ...foreign, destination }));
    expect(diffRoutes([PLANNED], [ROUTE], others, indexOf)).toEqual(EMPTY);
  });
});
