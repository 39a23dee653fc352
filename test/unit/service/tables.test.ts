import { expect, test } from 'vitest';
import { type Cidr, parseCidr } from '../../../src/net/cidr.ts';
import { FRONTENDS_MAX, SLOTS_MAX } from '../../../src/service/limits.ts';
import {
  exceededLimits,
  FRONTEND_DROP,
  FRONTEND_REJECT,
  givenIds,
  makeServiceTables,
  type ServiceTables,
  totalsOf,
} from '../../../src/service/tables.ts';
import {
  deleteService,
  endpoint,
  makeService,
  makeSlice,
  servicePort,
  ServiceScenario,
  setService,
  setSlice,
} from '../../support/service-builders.ts';

const RANGES = ['fd96::/112', '10.96.0.0/16', '10.96.0.0/16']
  .map((text) => parseCidr(text))
  .filter((c): c is Cidr => c !== undefined);

const CHANGES = [
  setService(makeService('shop/web', { clusterIPs: ['10.96.0.2', 'fd96::2'], affinityTimeoutSeconds: 60 })),
  setSlice(makeSlice('shop/web', 'web', { endpoints: [endpoint('10.0.0.2'), endpoint('10.0.0.1')] })),
  setService(
    makeService('shop/one', {
      ports: [servicePort(80, { name: 'a' }), servicePort(443, { name: 'b', protocol: 'UDP' })],
    }),
  ),
  setSlice(
    makeSlice('shop/one', 'one', {
      ports: [{ name: 'a', protocol: 'TCP', port: 8080 }],
      endpoints: [endpoint('10.0.0.1')],
    }),
  ),
  setService(makeService('shop/local', { clusterIPs: ['10.96.0.3'], internalTrafficPolicy: 'Local' })),
  setSlice(makeSlice('shop/local', 'local', { endpoints: [endpoint('10.0.0.3')] })),
];

function tablesOf(scenario: ServiceScenario): ServiceTables {
  return makeServiceTables(scenario.last, RANGES);
}

test('frontends are written in order of key, with flags, affinity and their runs of slots', () => {
  const { frontends, slots, revision, nextIds } = tablesOf(new ServiceScenario(CHANGES));
  const key = (...tail: number[]): number[] => [
    4,
    10,
    96,
    0,
    ...tail.slice(0, 1),
    ...Array<number>(12).fill(0),
    ...tail.slice(1),
  ];
  const six = [6, 0xfd, 0x96, ...Array<number>(13).fill(0), 2, 0, 80, 6];
  expect([...frontends.keys]).toEqual([
    ...key(1, 0, 80, 6),
    ...key(1, 1, 187, 17),
    ...key(2, 0, 80, 6),
    ...key(3, 0, 80, 6),
    ...six,
  ]);
  expect([...frontends.flags]).toEqual([0, FRONTEND_REJECT, 0, FRONTEND_DROP, FRONTEND_REJECT]);
  expect([...frontends.affinitySeconds]).toEqual([0, 0, 60, 0, 60]);
  expect([...frontends.firstSlot]).toEqual([0, 1, 1, 62, 62]);
  expect([...frontends.slotCount]).toEqual([1, 0, 61, 0, 0]);
  expect([slots.length, revision, nextIds]).toEqual([62, 1, { frontend: 6, backend: 4 }]);
});

test('backends are there once a frontend, in order of id, and every slot names one', () => {
  const { backends, slots } = tablesOf(new ServiceScenario(CHANGES));
  const pods = [1, 1, 2].map((last) => [4, 10, 0, 0, last, ...Array<number>(12).fill(0), 8080 >> 8, 8080 & 255]);
  expect([...backends.keys]).toEqual(pods.flat());
  expect([...backends.frontends]).toEqual([1, 3, 3]);
  expect(new Set(slots)).toEqual(new Set(backends.ids));
});

test('addresses of Services and their ranges are there once each, sorted', () => {
  const { addresses, ranges } = tablesOf(new ServiceScenario(CHANGES));
  expect([addresses.length / 17, addresses[17 * 3]]).toEqual([4, 6]);
  const rest = Array<number>(14).fill(0);
  expect([...ranges]).toEqual([4, 16, 10, 96, ...rest, 6, 112, 0xfd, 0x96, ...rest]);
});

test('a new agent keeps the ids that the kernel holds, and gives none of the old ones again', () => {
  const before = new ServiceScenario(CHANGES);
  before.change(setService(makeService('shop/last', { clusterIPs: ['10.96.0.9'] })));
  before.change(deleteService('shop/last'));
  const old = tablesOf(before);
  const after = new ServiceScenario(CHANGES.toReversed(), { given: givenIds(old) });
  expect({ ...tablesOf(after), revision: 0 }).toEqual({ ...old, revision: 0 });
  after.change(setService(makeService('shop/last', { clusterIPs: ['10.96.0.9'] })));
  expect(after.resolver.frontend('10.96.0.9', 80, 'TCP')?.id).toBe(7);
});

test('an id from before that nothing takes up is forgotten', () => {
  const old = tablesOf(new ServiceScenario(CHANGES));
  const after = new ServiceScenario([], { given: givenIds(old) });
  after.change(...CHANGES);
  expect(after.last.frontends.map(({ id }) => id)).toEqual([6, 7, 8, 9, 10]);
});

test('tables that do not fit say which limit they pass', () => {
  const totals = totalsOf(tablesOf(new ServiceScenario(CHANGES)));
  expect(exceededLimits(totals)).toEqual([]);
  expect(exceededLimits({ ...totals, frontends: FRONTENDS_MAX + 1, slots: SLOTS_MAX + 1 })).toEqual([
    { limit: 'FRONTENDS_MAX', needed: FRONTENDS_MAX + 1, available: FRONTENDS_MAX },
    { limit: 'SLOTS_MAX', needed: SLOTS_MAX + 1, available: SLOTS_MAX },
  ]);
});
