import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { withNetns } from '../../src/kernel/namespace.ts';
import { NetlinkError } from '../../src/kernel/netlink/failure.ts';
import { createLink, deleteLink, getLink, listLinks, setAddrGenMode, setLink } from '../../src/kernel/netlink/link.ts';
import { Netlink } from '../../src/kernel/netlink/netlink.ts';
import { tolerating } from '../../src/kernel/netlink/request.ts';
import { createVeth } from '../../src/kernel/netlink/veth.ts';
import { SysError } from '../../src/lib/errors.ts';
import { makeNetns, removeAll, type TestNetns } from '../support/netns.ts';

const HOST_MAC = '02:00:00:00:00:01';
const POD_MAC = '02:00:00:00:00:02';

let node: TestNetns;
let pod: TestNetns;
let netlink: Netlink;

beforeAll(() => {
  node = makeNetns('node');
  pod = makeNetns('pod');
  netlink = withNetns(node.fd, () => Netlink.open());
});

afterEach(() => {
  for (const link of netlink.dump(listLinks())) {
    if (link.name !== 'lo') netlink.run(tolerating(deleteLink(link.index), 'ENODEV'));
  }
});

afterAll(() => {
  netlink?.close();
  removeAll();
});

function veth(name: string, mtu = 1400): ReturnType<typeof createVeth> {
  return createVeth({ end: { name, mac: HOST_MAC }, peer: { name: 'eth0', mac: POD_MAC, netnsFd: pod.fd }, mtu });
}

function bridge(name: string): ReturnType<typeof createLink> {
  return createLink({ name, kind: 'bridge' });
}

test('one message makes a veth with its other end in another namespace, with names, MACs and MTU', () => {
  netlink.run(veth('sl0'));
  expect(node.ip('link', 'show', 'sl0')).toMatchObject([
    { ifname: 'sl0', address: HOST_MAC, mtu: 1400, operstate: 'DOWN', linkinfo: { info_kind: 'veth' } },
  ]);
  expect(pod.ip('link', 'show', 'eth0')).toMatchObject([{ ifname: 'eth0', address: POD_MAC, mtu: 1400 }]);
});

test('a link is read as iproute2 reads it', () => {
  const [, link] = netlink.execute([veth('sl0'), getLink('sl0')]);
  const [expected] = node.ip('link', 'show', 'sl0');
  const [peer] = pod.ip('link', 'show', 'eth0');
  expect(link).toEqual({
    index: expected!['ifindex'],
    name: 'sl0',
    kind: 'veth',
    up: false,
    carrier: false,
    operState: 'down',
    mtu: 1400,
    mac: HOST_MAC,
    qdisc: 'noop',
    peerIndex: peer!['ifindex'],
    peerNetnsId: expected!['link_netnsid'],
    masterIndex: undefined,
  });
  expect(netlink.run(getLink(link.index))).toEqual(link);
  expect(netlink.run(getLink(link.peerIndex!, link.peerNetnsId)).name).toBe('eth0');
});

test('links are listed completely', () => {
  for (let i = 0; i < 20; i++) node.exec('ip', 'link', 'add', `br${i}`, 'type', 'bridge');
  const names = netlink
    .dump(listLinks())
    .map(({ index, name, mac }) => ({ ifindex: index, ifname: name, address: mac }));
  expect(names).toEqual(node.ip('link').map(({ ifindex, ifname, address }) => ({ ifindex, ifname, address })));
  expect(names.length).toBe(21);
});

test('an interface is taken up and down, and gets another MAC and MTU', () => {
  netlink.execute([createLink({ name: 'br0', kind: 'bridge' }), setLink('br0', { up: true, mac: POD_MAC, mtu: 1300 })]);
  const [shown] = node.ip('link', 'show', 'br0');
  expect(shown).toMatchObject({ address: POD_MAC, mtu: 1300, linkinfo: { info_kind: 'bridge' } });
  expect(shown!['flags']).toContain('UP');
  netlink.run(setLink('br0', { up: false }));
  expect(node.ip('link', 'show', 'br0')[0]!['flags']).not.toContain('UP');
});

test('an interface is renamed and moved', () => {
  const [, link] = netlink.execute([veth('sl0'), getLink('sl0')]);
  netlink.run(setLink(link.index, { name: 'sl1' }));
  expect(node.ip('link', 'show', 'sl1')).toHaveLength(1);
  netlink.run(setLink(link.index, { netnsFd: pod.fd, name: 'moved' }));
  expect(node.succeeds('ip', 'link', 'show', 'sl1')).toBe(false);
  expect(pod.ip('link', 'show', 'moved')).toMatchObject([{ address: HOST_MAC }]);
  pod.exec('ip', 'link', 'del', 'moved');
});

test('without address generation an interface that comes up has no link-local address', () => {
  netlink.execute([veth('sl0'), setAddrGenMode('sl0', 'none'), setLink('sl0', { up: true })]);
  pod.exec('ip', 'link', 'set', 'eth0', 'up');
  expect(node.ip('link', 'show', 'sl0')).toMatchObject([{ inet6_addr_gen_mode: 'none' }]);
  expect(node.ip('-6', 'addr', 'show', 'dev', 'sl0').flatMap((link) => link['addr_info'] ?? [])).toEqual([]);
});

test('deleting one end removes both', () => {
  netlink.execute([veth('sl0'), deleteLink('sl0')]);
  expect(node.ip('link')).toHaveLength(1);
  expect(pod.ip('link')).toHaveLength(1);
});

test('deleting on a thread of the pool gives the same, and meanwhile the handle refuses other work', async () => {
  using slow = withNetns(node.fd, () => Netlink.open());
  netlink.execute([veth('sl0'), createLink({ name: 'br0', kind: 'bridge' })]);
  const first = slow.executeAside([deleteLink('sl0')]);
  const second = slow.executeAside([deleteLink('nosuch'), deleteLink('br0')]);
  expect(() => slow.run(getLink('lo'))).toThrow('in use by executeAside');
  await first;
  await expect(second).rejects.toMatchObject({ code: 'ENODEV', index: 0, object: 'nosuch' });
  expect(node.ip('link')).toHaveLength(1);
  expect(slow.run(getLink('lo')).index).toBe(1);
});

test('a handle that is closed while it works aside ends its work first', async () => {
  const slow = withNetns(node.fd, () => Netlink.open());
  netlink.run(veth('sl0'));
  const done = slow.executeAside([deleteLink('sl0')]);
  slow.close();
  await done;
  expect(node.ip('link')).toHaveLength(1);
});

test('an error has call, object, errno and the text of the extended acknowledgement', () => {
  const unknown = createLink({ name: 'x0', kind: 'nosuchkind' });
  expect(() => netlink.run(unknown)).toThrow(/^RTM_NEWLINK nosuchkind x0: \w+ \(errno 95\): Unknown device type$/);
  const error = expect.objectContaining({ call: 'RTM_NEWLINK', object: 'nosuchkind x0', hint: 'Unknown device type' });
  expect(() => netlink.run(unknown)).toThrow(error);
});

test('an error of a batch names the failed request by its place, and later ones were tried', () => {
  let error: unknown;
  try {
    netlink.execute([bridge('br0'), bridge('br0'), bridge('br1'), deleteLink('nosuch')]);
  } catch (caught) {
    error = caught;
  }
  expect(error).toBeInstanceOf(NetlinkError);
  expect(error).toBeInstanceOf(SysError);
  expect(error).toMatchObject({ call: 'RTM_NEWLINK', object: 'bridge br0', code: 'EEXIST', index: 1, failed: [1, 3] });
  expect(node.ip('link', 'show', 'br1')).toHaveLength(1);
});

test('a tolerated error is no failure, its result is undefined', () => {
  expect(netlink.execute([tolerating(deleteLink('nosuch'), 'ENODEV'), getLink('lo')])[1].name).toBe('lo');
});

test('a batch longer than one send is done completely, and its error counts from its beginning', () => {
  const requests = Array.from({ length: 150 }, () => getLink('lo'));
  expect(netlink.execute(requests).map(({ name }) => name)).toEqual(requests.map(() => 'lo'));
  expect(() => netlink.execute([...requests, getLink('nosuch')])).toThrow(expect.objectContaining({ index: 150 }));
});

test('a handle into a namespace works from outside and after the namespace lost its name', () => {
  const other = makeNetns();
  using inside = withNetns(other.fd, () => Netlink.open());
  other.remove();
  inside.run(setLink('lo', { up: true }));
  expect(inside.run(getLink('lo')).up).toBe(true);
});
