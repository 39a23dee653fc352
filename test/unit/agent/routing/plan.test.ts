import { describe, expect, test } from 'vitest';
import { NODES_MAX } from '../../../../src/agent/routing/limits.ts';
import { planRouting, type RoutingPlan } from '../../../../src/agent/routing/plan.ts';
import { ROUTING_DEFAULTS, type RoutingSettings } from '../../../../src/agent/routing/settings.ts';
import { tunnelMac, tunnelName } from '../../../../src/agent/routing/tunnel-name.ts';
import type { UnderlayView } from '../../../../src/agent/routing/underlay.ts';
import type { Node } from '../../../../src/policy/model.ts';

const INSTANCE = 'default';
const TUNNEL4 = tunnelName(INSTANCE, 4);
const TUNNEL6 = tunnelName(INSTANCE, 6);

const VIEW: UnderlayView = {
  links: [
    { index: 1, name: 'lo', mtu: 65_536 },
    { index: 2, name: 'eth0', mtu: 1500 },
    { index: 3, name: 'docker0', mtu: 1500 },
  ],
  addresses: [
    { index: 1, family: 4, address: '127.0.0.1', prefixLength: 8 },
    { index: 2, family: 4, address: '172.30.0.1', prefixLength: 24 },
    { index: 2, family: 6, address: 'fd30::1', prefixLength: 64 },
    { index: 2, family: 6, address: 'fe80::1:2', prefixLength: 64 },
    { index: 3, family: 4, address: '172.17.0.1', prefixLength: 16 },
  ],
  defaultRoutes: { 4: 2, 6: 2 },
};

function node(number: number, addresses: readonly string[], podCIDRs?: readonly string[]): Node {
  const ranges = [`10.244.${number}.0/24`, `fd00:244:${number}::/64`];
  return { name: `n${number}`, podCIDRs: podCIDRs ?? ranges, addresses };
}

const OWN = node(1, ['172.30.0.1', 'fd30::1']);

function plan(others: readonly Node[], settings: Partial<RoutingSettings> = {}, own: Node | null = OWN): RoutingPlan {
  const all = own === null ? others : [own, ...others];
  return planRouting({
    instance: INSTANCE,
    ownName: 'n1',
    nodes: new Map(all.map((each) => [each.name, each])),
    view: VIEW,
    settings: { ...ROUTING_DEFAULTS, ...settings },
  });
}

const kinds = ({ nodes }: RoutingPlan): string[] => nodes.map(({ podCIDR, kind }) => `${podCIDR} ${kind}`);
const messages = ({ problems }: RoutingPlan): string[] => problems.map(({ message }) => message);

describe('auto', () => {
  test('goes directly to a node whose address is in a network of the uplink, with the own address as source', () => {
    const result = plan([node(2, ['172.30.0.2', 'fd30::2'])]);
    expect(result.routes).toEqual([
      { destination: '10.244.2.0/24', gateway: '172.30.0.2', device: 'eth0', source: '172.30.0.1' },
      { destination: 'fd00:244:2::/64', gateway: 'fd30::2', device: 'eth0', source: 'fd30::1' },
    ]);
    expect(result.tunnels).toEqual([]);
    expect(result.podSources).toEqual([]);
    expect(result.problems).toEqual([]);
  });

  test('goes in a tunnel to any other, whose end is known from its address alone', () => {
    const result = plan([node(2, ['10.9.0.2', 'fd39::2'])]);
    expect(kinds(result)).toEqual(['10.244.2.0/24 vxlan', 'fd00:244:2::/64 vxlan']);
    expect(result.tunnels).toMatchObject([
      {
        name: TUNNEL4,
        underlay: 4,
        local: '172.30.0.1',
        mac: tunnelMac('172.30.0.1'),
        mtu: 1450,
        addresses: ['172.30.0.1', 'fd30::1'],
        ends: new Map([['02:53:0a:09:00:02', '10.9.0.2']]),
        neighbours: new Map([
          ['10.244.2.0', '02:53:0a:09:00:02'],
          ['fe80::253:a09:2', '02:53:0a:09:00:02'],
        ]),
      },
    ]);
    expect(result.routes).toMatchObject([
      { destination: '10.244.2.0/24', gateway: '10.244.2.0', device: TUNNEL4, source: '172.30.0.1' },
      { destination: 'fd00:244:2::/64', gateway: 'fe80::253:a09:2', device: TUNNEL4, source: 'fd30::1' },
    ]);
  });

  test('sends what pods say to a node behind a tunnel through it too', () => {
    const result = plan([node(2, ['10.9.0.2', 'fd39::2']), node(3, ['172.30.0.3'], ['10.244.3.0/24'])]);
    expect(result.podRoutes).toEqual([
      { destination: '10.9.0.2/32', gateway: '10.244.2.0', device: TUNNEL4, source: undefined },
      { destination: 'fd39::2/128', gateway: 'fe80::253:a09:2', device: TUNNEL4, source: undefined },
    ]);
    expect(result.podSources).toEqual(['10.244.1.0/24', 'fd00:244:1::/64']);
  });

  test('decides for each family: a neighbour in one may be none in the other', () => {
    expect(kinds(plan([node(2, ['172.30.0.2', 'fd39::2'])]))).toEqual([
      '10.244.2.0/24 direct',
      'fd00:244:2::/64 vxlan',
    ]);
  });

  test.each([
    ['172.17.0.9', 'a network of another interface'],
    ['127.0.0.9', 'the loopback interface'],
  ])('%s, in %s, is no neighbour', (address) => {
    expect(kinds(plan([node(2, [address], ['10.244.2.0/24'])]))).toEqual(['10.244.2.0/24 vxlan']);
  });

  test('link-local networks make nobody a neighbour', () => {
    expect(kinds(plan([node(2, ['fe80::9'], ['fd00:244:2::/64'])]))).toEqual(['fd00:244:2::/64 vxlan']);
  });
});

describe('a family that the nodes themselves do not have', () => {
  const own = node(1, ['172.30.0.1']);
  const other = node(2, ['172.30.0.2']);

  test('goes in a tunnel over the one that they have', () => {
    const result = plan([other], {}, own);
    expect(kinds(result)).toEqual(['10.244.2.0/24 direct', 'fd00:244:2::/64 vxlan']);
    expect(result.routes[1]).toMatchObject({ device: TUNNEL4, source: undefined });
    expect(result.podRoutes).toEqual([]);
  });

  test('has no route with routing direct, and the problem says what would help', () => {
    const result = plan([other], { mode: 'direct' }, own);
    expect(kinds(result)).toEqual(['10.244.2.0/24 direct', 'fd00:244:2::/64 none']);
    expect(result.problems).toMatchObject([{ severity: 'error', object: { name: 'n2' }, path: 'spec.podCIDRs' }]);
    expect(messages(result)[0]).toMatch(/that node has no IPv6 InternalIP: only vxlan leads there/);
  });
});

test('a tunnel is over IPv4 where both nodes have it, else over IPv6', () => {
  const result = plan([node(2, ['10.9.0.2', 'fd39::2']), node(3, ['fd39::3'])]);
  expect(result.tunnels.map(({ name, mtu, ends }) => [name, mtu, [...ends.values()]])).toEqual([
    [TUNNEL4, 1450, ['10.9.0.2']],
    [TUNNEL6, 1430, ['fd39::3']],
  ]);
});

test('nodes without an address of a common family are told of', () => {
  const result = plan([node(2, ['fd39::2'], ['10.244.2.0/24'])], {}, node(1, ['172.30.0.1']));
  expect(kinds(result)).toEqual(['10.244.2.0/24 none']);
  expect(messages(result)).toEqual([
    'no route to 10.244.2.0/24: this node and that one have no InternalIP of a common family',
  ]);
});

test('vxlan goes in a tunnel to neighbours too', () => {
  expect(kinds(plan([node(2, ['172.30.0.2'])], { mode: 'vxlan' }))).toEqual([
    '10.244.2.0/24 vxlan',
    'fd00:244:2::/64 vxlan',
  ]);
});

test('none routes nothing, and still says whose addresses are whose', () => {
  const result = plan([node(2, ['10.9.0.2'])], { mode: 'none' });
  expect(result).toMatchObject({ routes: [], tunnels: [], podRoutes: [], podSources: [], nodes: [], problems: [] });
  expect(result.clusterRanges).toHaveLength(4);
  expect(result.nodeAddresses).toEqual(['172.30.0.1', 'fd30::1', '10.9.0.2']);
});

describe('the own node', () => {
  test('without its object nothing is planned, and that is said', () => {
    expect(plan([node(2, ['172.30.0.2'])], {}, null)).toMatchObject({ isKnown: false, routes: [], tunnels: [] });
  });

  test('with an InternalIP that no interface has is told of', () => {
    const result = plan([node(2, ['172.30.0.2'])], {}, node(1, ['172.30.0.99']));
    expect(messages(result)[0]).toBe('no interface of this node has its InternalIP 172.30.0.99');
    expect(kinds(result)).toEqual(['10.244.2.0/24 none', 'fd00:244:2::/64 none']);
  });

  test('without any InternalIP is told of', () => {
    expect(messages(plan([node(2, ['172.30.0.2'])], {}, node(1, [])))[0]).toBe(
      'there is no InternalIP: no route to other nodes can be made',
    );
  });

  test('may be as it likes while there is no other', () => {
    expect(messages(plan([], {}, node(1, [])))).toEqual([]);
    expect(messages(plan([], {}, node(1, ['172.30.0.99'])))).toEqual([]);
  });

  test('is not reached by the InternalIP of another that is the same', () => {
    const result = plan([node(2, ['172.30.0.1'])], { mode: 'vxlan' });
    expect(messages(result)[0]).toMatch('172.30.0.1 cannot be told from this node');
  });
});

test('external addresses do not count where internal ones are known', () => {
  const other: Node = { ...node(2, ['172.30.0.2', '10.9.0.2'], ['10.244.2.0/24']), internalAddresses: ['10.9.0.2'] };
  expect(plan([other]).nodes).toMatchObject([{ kind: 'vxlan', via: '10.9.0.2' }]);
});

test('of overlapping podCIDRs that of the first node by name is reached; the other is named', () => {
  const result = plan([node(3, ['172.30.0.3'], ['10.244.2.128/25']), node(2, ['172.30.0.2'], ['10.244.2.0/24'])]);
  expect(kinds(result)).toEqual(['10.244.2.0/24 direct']);
  expect(result.problems).toMatchObject([
    { object: { name: 'n3' }, message: '10.244.2.128/25 overlaps 10.244.2.0/24 of node n2 and gets no route' },
  ]);
});

test('nodes past NODES_MAX get no route, the own node among them always has its place', () => {
  const others = Array.from({ length: NODES_MAX }, (_, i) => ({
    name: `a${`${i}`.padStart(5, '0')}`,
    podCIDRs: [`10.${128 + (i >> 8)}.${i & 255}.0/24`],
    addresses: [`172.30.0.${(i % 200) + 10}`],
  }));
  const result = plan([...others, node(9, ['172.30.0.9'], ['10.1.9.0/24'])]);
  expect(result.ownRanges).toHaveLength(2);
  expect(messages(result)).toEqual([`no routes: there are more than NODES_MAX, ${NODES_MAX}, nodes`]);
  expect(result.nodes.some(({ node: name }) => name === 'n9')).toBe(false);
});
