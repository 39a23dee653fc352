/** Tunnel devices, their forwarding entries, and marked rules, as iproute2 sees them. */
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { withNetns } from '../../src/kernel/namespace.ts';
import {
  deleteForwardingEntry,
  listForwardingEntries,
  replaceForwardingEntry,
} from '../../src/kernel/netlink/forwarding-entry.ts';
import { deleteLink, getLink, listLinks, setLink } from '../../src/kernel/netlink/link.ts';
import { Monitor } from '../../src/kernel/netlink/monitor.ts';
import { replaceNeighbour } from '../../src/kernel/netlink/neighbour.ts';
import { Netlink } from '../../src/kernel/netlink/netlink.ts';
import { tolerating } from '../../src/kernel/netlink/request.ts';
import { addRule, deleteRule, listRules } from '../../src/kernel/netlink/rule.ts';
import { createVxlan, listVxlans, type VxlanSpec } from '../../src/kernel/netlink/vxlan.ts';
import { makeNetns, removeAll, type TestNetns } from '../support/netns.ts';

const MAC = '02:00:00:00:00:01';
const FAR = '02:00:00:00:00:02';
const SPEC: VxlanSpec = { name: 'sv4', mac: MAC, mtu: 1450, vni: 83, port: 8483, local: '10.0.0.1' };

let node: TestNetns;
let netlink: Netlink;

beforeAll(() => {
  node = makeNetns('node');
  netlink = withNetns(node.fd, () => Netlink.open());
});

afterEach(() => {
  for (const { name, index } of netlink.dump(listLinks())) {
    if (name !== 'lo') netlink.run(tolerating(deleteLink(index), 'ENODEV'));
  }
});

afterAll(() => {
  netlink?.close();
  removeAll();
});

function make(spec: VxlanSpec = SPEC): number {
  netlink.run(createVxlan(spec));
  return netlink.run(getLink(spec.name)).index;
}

test.each<[string, VxlanSpec, object]>([
  ['IPv4', SPEC, { local: '10.0.0.1', port: 8483, id: 83, learning: false, udp_csum: false }],
  ['IPv6', { ...SPEC, local: 'fd00::1' }, { local6: 'fd00::1', port: 8483, id: 83, learning: false, udp_csum: true }],
])('a tunnel over %s is made as asked, and read as iproute2 reads it', (_, spec, data) => {
  const index = make(spec);
  expect(node.ip('link', 'show', 'sv4')).toMatchObject([
    { ifindex: index, address: MAC, mtu: 1450, linkinfo: { info_kind: 'vxlan', info_data: data } },
  ]);
  expect(netlink.dump(listVxlans())).toMatchObject([
    { index, kind: 'vxlan', vni: 83, port: 8483, local: spec.local, learning: false, mac: MAC, mtu: 1450, up: false },
  ]);
});

test('its MTU may be larger than what Ethernet carries', () => {
  make({ ...SPEC, mtu: 8950 });
  expect(netlink.run(getLink('sv4')).mtu).toBe(8950);
});

test('a second one with the same identifier and port is refused', () => {
  make();
  expect(() => make({ ...SPEC, name: 'sv5' })).toThrow('EEXIST');
});

test.each([
  [{ vni: 0 }, 'vxlan network identifier 0: use 1 to 16777215'],
  [{ vni: 16_777_216 }, 'vxlan network identifier 16777216: use 1 to 16777215'],
  [{ port: 65_536 }, 'vxlan port 65536: use 1 to 65535'],
  [{ local: '10.0.0' }, '"10.0.0" is no IP address'],
])('%j is refused before anything is sent', (wrong, message) => {
  expect(() => createVxlan({ ...SPEC, ...wrong })).toThrow(message);
});

test('its alias is set and read', () => {
  const index = make();
  expect(netlink.run(getLink(index)).alias).toBeUndefined();
  netlink.run(setLink(index, { alias: 'sluice x: für Menschen' }));
  expect(netlink.run(getLink(index)).alias).toBe('sluice x: für Menschen');
  expect(node.ip('link', 'show', 'sv4')).toMatchObject([{ ifalias: 'sluice x: für Menschen' }]);
});

test('forwarding entries are made, replaced, listed and removed', () => {
  const index = make();
  netlink.run(replaceForwardingEntry({ index, mac: FAR }, '10.0.0.2'));
  netlink.run(replaceForwardingEntry({ index, mac: FAR }, '10.0.0.3'));
  expect(netlink.dump(listForwardingEntries(index))).toEqual([
    { index, mac: FAR, remote: '10.0.0.3', permanent: true },
  ]);
  expect(node.exec('bridge', 'fdb', 'show', 'dev', 'sv4')).toContain(`${FAR} dst 10.0.0.3 self permanent`);
  netlink.run(deleteForwardingEntry({ index, mac: FAR }));
  expect(netlink.dump(listForwardingEntries(index))).toEqual([]);
  expect(() => netlink.run(deleteForwardingEntry({ index, mac: FAR }))).toThrow('ENOENT');
});

test('those of a tunnel over IPv6 have IPv6 ends', () => {
  const index = make({ ...SPEC, local: 'fd00::1' });
  netlink.run(replaceForwardingEntry({ index, mac: FAR }, 'fd00::2'));
  expect(netlink.dump(listForwardingEntries(index))).toEqual([{ index, mac: FAR, remote: 'fd00::2', permanent: true }]);
});

test('rules have a mark of who made them', () => {
  const rule = { family: 4, priority: 8483, table: 8483, source: '10.1.0.0/24', protocol: 84 } as const;
  netlink.run(addRule(rule));
  expect(node.exec('ip', 'rule', 'show', 'priority', '8483')).toContain('from 10.1.0.0/24 lookup 8483 proto 84');
  expect(netlink.dump(listRules()).filter(({ protocol }) => protocol === 84)).toMatchObject([rule]);
  netlink.run(deleteRule(rule));
  expect(netlink.dump(listRules()).filter(({ protocol }) => protocol === 84)).toEqual([]);
});

test('a monitor tells of neighbours, forwarding entries and rules', () => {
  const index = make();
  netlink.run(setLink(index, { up: true }));
  using monitor = withNetns(node.fd, () => Monitor.open(['neighbour', 'rule']));
  const rule = { family: 6, priority: 8483, table: 8483, source: 'fd00:1::/64', protocol: 84 } as const;
  netlink.execute([
    replaceNeighbour({ index, address: '10.1.0.0' }, FAR),
    replaceForwardingEntry({ index, mac: FAR }, '10.0.0.2'),
    deleteForwardingEntry({ index, mac: FAR }),
    addRule(rule),
    deleteRule(rule),
  ]);
  expect(monitor.read().events).toMatchObject([
    { kind: 'neighbour', deleted: false, neighbour: { index, address: '10.1.0.0', mac: FAR, state: 'permanent' } },
    { kind: 'forwarding', deleted: false, entry: { index, mac: FAR, remote: '10.0.0.2' } },
    { kind: 'forwarding', deleted: true, entry: { index, mac: FAR } },
    { kind: 'rule', deleted: false, rule },
    { kind: 'rule', deleted: true, rule },
  ]);
});
