import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { setFaultHook } from '../../src/kernel/fault.ts';
import { withNetns } from '../../src/kernel/namespace.ts';
import { addAddress, deleteAddress, listAddresses } from '../../src/kernel/netlink/address.ts';
import { deleteLink, getLink, setLink } from '../../src/kernel/netlink/link.ts';
import { addNeighbour, deleteNeighbour, listNeighbours, replaceNeighbour } from '../../src/kernel/netlink/neighbour.ts';
import { Netlink } from '../../src/kernel/netlink/netlink.ts';
import { addRoute, deleteRoute, listRoutes, replaceRoute, type RouteSpec } from '../../src/kernel/netlink/route.ts';
import { addRule, deleteRule, listRules, type RuleSpec } from '../../src/kernel/netlink/rule.ts';
import { createVeth } from '../../src/kernel/netlink/veth.ts';
import { makeNetns, removeAll, type TestNetns } from '../support/netns.ts';

const MAC = '02:00:00:00:00:0a';
const OTHER_MAC = '02:00:00:00:00:0b';

let node: TestNetns;
let pod: TestNetns;
let netlink: Netlink;
let index: number;

beforeAll(() => {
  node = makeNetns('node');
  pod = makeNetns('pod');
  netlink = withNetns(node.fd, () => Netlink.open());
});

beforeEach(() => {
  const ends = { end: { name: 'sl0', mac: MAC }, peer: { name: 'eth0', mac: OTHER_MAC, netnsFd: pod.fd }, mtu: 1500 };
  index = netlink.execute([createVeth(ends), setLink('sl0', { up: true }), getLink('sl0')])[2].index;
  pod.exec('ip', 'link', 'set', 'eth0', 'up');
});

afterEach(() => netlink.run(deleteLink(index)));

afterAll(() => {
  netlink?.close();
  removeAll();
});

test.each([
  { address: '10.1.2.3', prefixLength: 24, family: 4 },
  { address: 'fd00::3', prefixLength: 64, family: 6 },
] as const)('address $address is added, listed and deleted', ({ address, prefixLength, family }) => {
  netlink.run(addAddress({ index, address, prefixLength, noDad: true }));
  const shown = node.ip(`-${family}`, 'addr', 'show', 'dev', 'sl0')[0]!['addr_info'];
  expect(shown).toContainEqual(expect.objectContaining({ local: address, prefixlen: prefixLength, scope: 'global' }));
  expect(netlink.dump(listAddresses({ index, family }))).toContainEqual({
    index,
    family,
    address,
    prefixLength,
    scope: 'global',
    noDad: family === 6,
    tentative: false,
  });
  expect(() => netlink.run(addAddress({ index, address, prefixLength }))).toThrow('EEXIST');
  netlink.run(deleteAddress({ index, address, prefixLength }));
  expect(() => netlink.run(deleteAddress({ index, address, prefixLength }))).toThrow('EADDRNOTAVAIL');
  expect(JSON.stringify(node.ip('addr', 'show', 'dev', 'sl0'))).not.toContain(`"${address}"`);
});

test('without duplicate address detection an IPv6 address is usable at once, with it it is tentative', () => {
  netlink.execute([addAddress({ index, address: 'fd00::1', noDad: true }), addAddress({ index, address: 'fd00::2' })]);
  const tentative = new Map(netlink.dump(listAddresses({ index, family: 6 })).map((a) => [a.address, a.tentative]));
  expect(tentative.get('fd00::1')).toBe(false);
  expect(tentative.get('fd00::2')).toBe(true);
});

test('addresses have the scope that is asked for, and lists keep to their interface', () => {
  netlink.run(addAddress({ index, address: '169.254.7.7', scope: 'link' }));
  expect(node.ip('-4', 'addr', 'show', 'dev', 'sl0')[0]!['addr_info']).toMatchObject([{ scope: 'link' }]);
  expect(netlink.dump(listAddresses({ index, family: 4 }))).toMatchObject([{ address: '169.254.7.7', scope: 'link' }]);
  expect(netlink.dump(listAddresses({ index: 999 }))).toEqual([]);
});

const routes = (): (RouteSpec & { destination: string })[] => [
  { destination: '10.9.0.1/32', index, metric: 5 },
  { destination: '10.9.1.0/24', index, gateway: '169.254.1.1', onlink: true },
  { destination: '0.0.0.0/0', index, gateway: '169.254.1.1', onlink: true, metric: 7, protocol: 83 },
  { destination: '10.9.2.0/24', type: 'unreachable', metric: 9 },
  { destination: '10.9.3.0/24', index, table: 1000 },
  { destination: 'fd00:9::1/128', index, metric: 5 },
  { destination: 'fd00:9:1::/48', index, gateway: 'fe80::1', onlink: true, metric: 6 },
  { destination: '::/0', index, gateway: 'fe80::1', metric: 7, protocol: 83 },
  { destination: 'fd00:9:2::/48', type: 'unreachable', metric: 9 },
  { destination: 'fd00:9:3::/48', index, table: 1000, metric: 3 },
];

test.each(routes().map(({ destination }, i) => ({ destination, i })))(
  'route $destination is added, listed and deleted',
  ({ i }) => {
    const spec = routes()[i]!;
    const family = spec.destination.includes(':') ? 6 : 4;
    const table = spec.table ?? 254;
    const listed = (): readonly Record<string, unknown>[] =>
      node.ip(`-${family}`, 'route', 'show', 'table', `${table}`);
    netlink.run(addRoute(spec));
    const dst = spec.destination.replace(/^(0\.0\.0\.0|::)\/0$/, 'default').replace(/\/(32|128)$/, '');
    expect(listed()).toContainEqual(
      expect.objectContaining({
        dst,
        type: spec.type ?? 'unicast',
        ...(spec.gateway && { gateway: spec.gateway }),
        ...(spec.type === undefined && { dev: 'sl0' }),
        ...(spec.metric && { metric: spec.metric }),
        flags: spec.onlink ? ['onlink'] : [],
      }),
    );
    const route = netlink.dump(listRoutes({ family, table })).find((r) => r.destination === spec.destination);
    expect(route).toMatchObject({
      family,
      type: spec.type ?? 'unicast',
      gateway: spec.gateway,
      onlink: spec.onlink ?? false,
      metric: spec.metric ?? 0,
      protocol: spec.protocol ?? 4,
      table,
      ...(spec.index && { index: spec.index }),
    });
    expect(() => netlink.run(addRoute(spec))).toThrow('EEXIST');
    netlink.run(deleteRoute(spec));
    expect(() => netlink.run(deleteRoute(spec))).toThrow('ESRCH');
    expect(JSON.stringify(listed())).not.toContain(`"${dst}"`);
  },
);

test('a route with the node address as source is listed with it, and replaced in place', () => {
  netlink.execute([
    addAddress({ index, address: '192.0.2.1' }),
    addRoute({ destination: '10.9.0.1/32', index }),
    replaceRoute({ destination: '10.9.0.1/32', index, source: '192.0.2.1' }),
  ]);
  expect(node.ip('-4', 'route', 'show', '10.9.0.1')).toMatchObject([{ prefsrc: '192.0.2.1', scope: 'link' }]);
  expect(netlink.dump(listRoutes({ family: 4, index }))).toMatchObject([{ source: '192.0.2.1', scope: 'link' }]);
});

test('routes of one interface and of both families are listed together', () => {
  const direct = routes().filter((spec) => spec.index !== undefined && spec.table === undefined);
  netlink.execute(direct.map(addRoute));
  const listed = netlink.dump(listRoutes({ index })).map(({ destination }) => destination);
  expect(listed).toEqual(expect.arrayContaining(direct.map(({ destination }) => destination)));
  expect(netlink.dump(listRoutes({ table: 4242 }))).toEqual([]);
});

test('a route that the kernel refuses says why', () => {
  const route = addRoute({ destination: '10.9.0.0/24', index, gateway: '192.0.2.99' });
  expect(() => netlink.run(route)).toThrow(/RTM_NEWROUTE .*ENETUNREACH.*: Nexthop has invalid gateway/);
});

test.each(['10.1.1.1', 'fd00::11'])('permanent neighbour %s is added, replaced, listed and deleted', (address) => {
  netlink.run(addNeighbour({ index, address }, MAC));
  expect(() => netlink.run(addNeighbour({ index, address }, MAC))).toThrow('EEXIST');
  netlink.run(replaceNeighbour({ index, address }, OTHER_MAC));
  expect(node.ip('neigh', 'show', address, 'dev', 'sl0')).toMatchObject([
    { dst: address, lladdr: OTHER_MAC, state: ['PERMANENT'] },
  ]);
  const family = address.includes(':') ? 6 : 4;
  expect(netlink.dump(listNeighbours({ index, family }))).toContainEqual({
    index,
    family,
    address,
    mac: OTHER_MAC,
    state: 'permanent',
  });
  netlink.run(deleteNeighbour({ index, address }));
  expect(() => netlink.run(deleteNeighbour({ index, address }))).toThrow('ENOENT');
});

test.each<RuleSpec>([
  { family: 4, priority: 100, table: 1000, source: '10.1.0.0/16', mark: 0x10, markMask: 0xff0 },
  { family: 6, priority: 101, table: 1001, destination: 'fd00::/8', inputInterface: 'sl0' },
])('a rule of family $family is added, listed and deleted', (spec) => {
  netlink.run(addRule(spec));
  const shown = node.ip(`-${spec.family}`, 'rule').find((rule) => rule['priority'] === spec.priority);
  expect(shown).toMatchObject({ table: String(spec.table), ...(spec.mark && { fwmark: '0x10', fwmask: '0xff0' }) });
  expect(netlink.dump(listRules(spec.family)).find(({ priority }) => priority === spec.priority)).toMatchObject(spec);
  expect(() => netlink.run(addRule(spec))).toThrow('EEXIST');
  netlink.run(deleteRule(spec));
  expect(() => netlink.run(deleteRule(spec))).toThrow('ENOENT');
  expect(netlink.dump(listRules()).some(({ priority }) => priority === spec.priority)).toBe(false);
});

test('a list of many datagrams is read completely', () => {
  const specs = Array.from({ length: 600 }, (_, i) => ({ destination: `10.20.${i >> 8}.${i & 255}/32`, index }));
  netlink.execute(specs.map(addRoute));
  expect(
    netlink
      .dump(listRoutes({ family: 4, index }))
      .map(({ destination }) => destination)
      .toSorted(),
  ).toEqual(specs.map(({ destination }) => destination).toSorted());
});

function change(time: number): void {
  node.exec('ip', 'address', 'add', `10.40.0.${time}/32`, 'dev', 'sl0');
}

/** Lists addresses while `make` makes a change between the first and the second datagram of each of the first `times` dumps. */
function listDuringChanges(make: (time: number) => void, times: number): { listed: Set<string>; dumps: number } {
  let dumps = 0;
  let receives = 0;
  setFaultHook(({ call }) => {
    if (call === 'send') {
      dumps++;
      receives = 0;
    }
    if (call === 'recv' && ++receives === 2 && dumps <= times) make(dumps);
  });
  try {
    return { listed: new Set(netlink.dump(listAddresses({ index, family: 4 })).map(({ address }) => address)), dumps };
  } finally {
    setFaultHook(undefined);
  }
}

test('a list that changes while it is read is read anew; one that never rests is given up with a reason', () => {
  const stable = Array.from({ length: 1000 }, (_, i) => `10.30.${i >> 8}.${i & 255}`);
  netlink.execute(stable.map((address) => addAddress({ index, address })));

  const { listed, dumps } = listDuringChanges(change, 2);
  expect(dumps).toBe(3);
  expect(listed).toEqual(new Set([...stable, '10.40.0.1', '10.40.0.2']));

  const restless = (): unknown => listDuringChanges((time) => change(100 + time), 1000);
  expect(restless).toThrow(/RTM_GETADDR .*EINTR .*the table changed during each of 16 dumps/);
});
