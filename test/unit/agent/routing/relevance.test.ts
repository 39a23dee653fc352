import { expect, test } from 'vitest';
import { type Concerns, isRelevant } from '../../../../src/agent/routing/relevance.ts';
import type { InterfaceAddress } from '../../../../src/kernel/netlink/address.ts';
import type { Link } from '../../../../src/kernel/netlink/link.ts';
import type { NetlinkEvent } from '../../../../src/kernel/netlink/monitor.ts';
import type { Neighbour } from '../../../../src/kernel/netlink/neighbour.ts';
import type { Route } from '../../../../src/kernel/netlink/route.ts';
import type { Rule } from '../../../../src/kernel/netlink/rule.ts';

const UPLINK = 2;
const TUNNEL = 7;
const POD = 9;
const CONCERNS: Concerns = {
  tunnels: new Set(['svabc4', 'svabc6']),
  interfaces: new Set([UPLINK, TUNNEL]),
  destinations: new Set(['10.2.0.0/24']),
  neighbours: new Set(['10.2.0.0']),
  ownAddresses: new Set(['172.30.0.1']),
};

const link = (index: number, name: string): NetlinkEvent => ({
  kind: 'link',
  deleted: false,
  link: { index, name } as Link,
});
const address = (index: number, text: string): NetlinkEvent => ({
  kind: 'address',
  deleted: true,
  address: { index, address: text } as InterfaceAddress,
});
const route = (destination: string, protocol: number, deleted: boolean): NetlinkEvent => ({
  kind: 'route',
  deleted,
  route: { destination, protocol } as Route,
});
const neighbour = (index: number, text: string, deleted: boolean, state: Neighbour['state']): NetlinkEvent => ({
  kind: 'neighbour',
  deleted,
  neighbour: { index, address: text, state } as Neighbour,
});
const rule = (protocol: number, deleted: boolean): NetlinkEvent => ({
  kind: 'rule',
  deleted,
  rule: { protocol } as Rule,
});
const entry = (index: number, deleted: boolean): NetlinkEvent => ({
  kind: 'forwarding',
  deleted,
  entry: { index, mac: '02:00:00:00:00:01', remote: undefined, permanent: true },
});

test.each<[string, NetlinkEvent, boolean]>([
  ['the uplink', link(UPLINK, 'eth0'), true],
  ['a tunnel that is made', link(99, 'svabc4'), true],
  ['an interface of a pod', link(POD, 'slabcdefghijklm'), false],
  ['an address of the uplink', address(UPLINK, '172.30.0.9'), true],
  ['the own node address, wherever', address(POD, '172.30.0.1'), true],
  ['an address of a pod’s interface', address(POD, 'fe80::1'), false],
  ['a route of ours that is gone', route('10.9.0.0/24', 84, true), true],
  ['a route of ours that is made', route('10.2.0.0/24', 84, false), false],
  ['a route of others to a podCIDR', route('10.2.0.0/24', 3, false), true],
  ['a route to a pod', route('10.1.0.5/32', 83, true), false],
  ['a neighbour of a tunnel that is gone', neighbour(TUNNEL, '10.2.0.0', true, 'permanent'), true],
  ['a neighbour of a tunnel that is no longer permanent', neighbour(TUNNEL, '10.2.0.0', false, 'stale'), true],
  ['a neighbour of a tunnel that is made', neighbour(TUNNEL, '10.2.0.0', false, 'permanent'), false],
  ['a neighbour of the uplink', neighbour(UPLINK, '172.30.0.7', true, 'stale'), false],
  ['an end of a tunnel that is gone', entry(TUNNEL, true), true],
  ['an end of a tunnel that is made', entry(TUNNEL, false), false],
  ['an entry of a bridge', entry(POD, true), false],
  ['a rule of ours that is gone', rule(84, true), true],
  ['a rule of others', rule(0, true), false],
])('%s', (_, event, expected) => {
  expect(isRelevant(event, CONCERNS)).toBe(expected);
});
