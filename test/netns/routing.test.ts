/** Routes and tunnels between nodes in real namespaces: what reaches what, and by which way. */
import { afterEach, describe, expect, test } from 'vitest';
import { all, ask, kindsAt } from '../support/routed-probe.ts';
import { RoutedWorld, UPLINK, type WorldOptions } from '../support/routed-world.ts';
import { waitUntil } from '../support/wait-until.ts';

/** Outer headers over IPv4. */
const OVERHEAD = 50;

let world: RoutedWorld | undefined;

afterEach(async () => {
  const fatal = world?.fatal ?? [];
  await world?.close();
  world = undefined;
  expect(fatal).toEqual([]);
});

async function start(options: WorldOptions = {}): Promise<RoutedWorld> {
  world = await RoutedWorld.start(options);
  return world;
}

describe.each([
  ['auto', ['node-b 4 direct', 'node-b 6 direct', 'node-c 4 vxlan', 'node-c 6 vxlan']],
  ['vxlan', ['node-b 4 vxlan', 'node-b 6 vxlan', 'node-c 4 vxlan', 'node-c 6 vxlan']],
] as const)('routing %s', (mode, expected) => {
  test('pods of all nodes reach one another and the other nodes, and are reached from them', async () => {
    const here = await start({ settings: { mode } });
    expect(kindsAt(here, 0)).toEqual(expected);
    for (const node of here.nodes) {
      for (const other of here.nodes) {
        if (other === node) continue;
        expect(await ask(node.pod, other.pod), `${node.pod.name} to ${other.pod.name}`).toEqual(all(other.pod));
        expect(await ask(node.pod, other), `${node.pod.name} to ${other.name}`).toEqual(all(other));
        expect(await ask(node, other.pod), `${node.name} to ${other.pod.name}`).toEqual(all(other.pod));
      }
    }
    for (const node of here.nodes) expect(here.routing(node).problems()).toEqual([]);
  });
});

test('routing direct reaches neighbours; a node behind a router gets no route, and the problem names it', async () => {
  const here = await start({ settings: { mode: 'direct' } });
  expect(kindsAt(here, 0)).toEqual(['node-b 4 direct', 'node-b 6 direct', 'node-c 4 none', 'node-c 6 none']);
  const [a, b] = [here.node(0), here.node(1)];
  expect(await ask(a.pod, b.pod)).toEqual(all(b.pod));
  expect(here.routing(a).problems()).toMatchObject([
    { severity: 'error', object: { kind: 'Node', name: 'node-c' }, message: expect.stringContaining('172.30.2.3') },
    { severity: 'error', object: { kind: 'Node', name: 'node-c' }, message: expect.stringContaining('fd30:2::3') },
  ]);
  expect(a.netns.exec('ip', '-d', 'link')).not.toContain('vxlan');
});

test('routing none makes no route and takes its own away', async () => {
  const here = await start({ settings: { mode: 'vxlan' } });
  const a = here.node(0);
  await here.routing(a).close();
  here.open(a, { mode: 'none' });
  await here.settle();
  expect(a.netns.exec('ip', 'route', 'show', 'table', 'all', 'proto', '84')).toBe('');
  expect(a.netns.exec('ip', '-d', 'link')).not.toContain('vxlan');
  expect(here.routing(a).status().nodes).toEqual([]);
});

describe.each([
  ['IPv4 alone', [4], [4]],
  ['IPv6 alone', [6], [6]],
  ['IPv6 pods over IPv4', [4], [4, 6]],
  ['IPv4 pods over IPv6', [6], [4, 6]],
] as const)('%s', (_, underlay, pods) => {
  test('pods of nodes on both segments reach one another', async () => {
    const here = await start({ underlay, pods });
    const [a, b, c] = [here.node(0), here.node(1), here.node(2)];
    for (const [from, to] of [
      [a, b],
      [b, c],
      [c, a],
    ] as const) {
      expect(await ask(from.pod, to.pod, pods), `${from.name} to ${to.name}`).toEqual(all(to.pod, pods));
    }
    const other = pods.find((family) => !(underlay as readonly number[]).includes(family));
    if (other !== undefined) expect(kindsAt(here, 0)).toContain(`node-b ${other} vxlan`);
    expect(here.routing(a).podMtu()).toBe(1500 - (underlay[0] === 4 ? OVERHEAD : 70));
  });
});

test('packets as large as the MTU of pods pass whole by tunnel, larger ones in fragments', async () => {
  const here = await start({ settings: { mode: 'vxlan' } });
  const [a, c] = [here.node(0), here.node(2)];
  const mtu = here.routing(a).podMtu();
  expect(mtu).toBe(1500 - OVERHEAD);
  for (const { pod } of [a, c]) pod.netns.exec('ip', 'link', 'set', 'eth0', 'mtu', `${mtu}`);
  const ping = (address: string, size: number, ...more: string[]): boolean =>
    a.pod.netns.succeeds('ping', '-q', '-c', '1', '-W', '1', '-s', `${size}`, ...more, address);
  expect(ping(c.pod.addresses.ipv4, mtu - 28, '-M', 'do')).toBe(true);
  expect(ping(c.pod.addresses.ipv4, mtu - 27, '-M', 'do')).toBe(false);
  expect(ping(c.pod.addresses.ipv6, mtu - 48, '-M', 'do')).toBe(true);
  expect(ping(c.pod.addresses.ipv4, 8_000)).toBe(true);
  expect(ping(c.pod.addresses.ipv6, 8_000)).toBe(true);
});

test('another MTU of the uplink is followed: by the tunnel at once, by new pods', async () => {
  const here = await start({ settings: { mode: 'vxlan' } });
  const a = here.node(0);
  a.netns.exec('ip', 'link', 'set', UPLINK, 'mtu', '1400');
  await waitUntil(() => here.routing(a).podMtu() === 1400 - OVERHEAD);
  const [tunnel] = here.routing(a).status().tunnels;
  expect(a.netns.ip('link', 'show', tunnel!.interface)).toMatchObject([{ mtu: 1400 - OVERHEAD }]);
});

test('a device with another port or identifier is made anew', async () => {
  const here = await start({ settings: { mode: 'vxlan' } });
  for (const node of here.nodes) await here.routing(node).close();
  for (const node of here.nodes) here.open(node, { mode: 'vxlan', vni: 99, vxlanPort: 14_789 });
  await here.settle();
  expect(await ask(here.node(0).pod, here.node(2).pod)).toEqual(all(here.node(2).pod));
  const [tunnel] = here.routing(here.node(0)).status().tunnels;
  expect(tunnel).toMatchObject({ port: 14_789, vni: 99 });
});
