import { spawnSync } from 'node:child_process';
import { resolve } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { withNetns } from '../../src/kernel/namespace.ts';
import { addAddress } from '../../src/kernel/netlink/address.ts';
import { addClsact, deleteClsact } from '../../src/kernel/netlink/filter.ts';
import { createLink, deleteLink, getLink, setLink } from '../../src/kernel/netlink/link.ts';
import { Monitor, type NetlinkEvent } from '../../src/kernel/netlink/monitor.ts';
import { Netlink } from '../../src/kernel/netlink/netlink.ts';
import { addRoute } from '../../src/kernel/netlink/route.ts';
import { makeNetns, removeAll, type TestNetns } from '../support/netns.ts';

let node: TestNetns;
let netlink: Netlink;

beforeAll(() => {
  node = makeNetns('node');
  netlink = withNetns(node.fd, () => Netlink.open());
});

afterAll(() => {
  netlink?.close();
  removeAll();
});

const kinds = (events: readonly NetlinkEvent[]): string[] =>
  events.map((event) => `${event.deleted ? 'deleted' : 'new'} ${event.kind}`);

test('a monitor reads what happened in its namespace since the last reading, without waiting', () => {
  using monitor = withNetns(node.fd, () => Monitor.open(['link', 'address', 'route', 'filter']));
  expect(monitor.read()).toEqual({ events: [], resync: false, more: false });

  const index = netlink.execute([createLink({ name: 'br0', kind: 'bridge' }), getLink('br0')])[1].index;
  netlink.execute([
    setLink(index, { up: true }),
    addAddress({ index, address: '192.0.2.1' }),
    addRoute({ destination: 'fd00:1::/64', index }),
    addClsact(index),
    deleteClsact(index),
    deleteLink(index),
  ]);
  const { events } = monitor.read();
  expect(new Set(kinds(events))).toEqual(
    new Set([
      'new link',
      'deleted link',
      'new address',
      'deleted address',
      'new route',
      'deleted route',
      'new qdisc',
      'deleted qdisc',
    ]),
  );
  expect(events.filter((e) => e.kind === 'link' && e.deleted)).toMatchObject([{ link: { name: 'br0', index } }]);
  expect(events).toContainEqual(
    expect.objectContaining({ kind: 'address', address: expect.objectContaining({ address: '192.0.2.1', index }) }),
  );
  expect(events).toContainEqual(
    expect.objectContaining({ kind: 'route', route: expect.objectContaining({ destination: 'fd00:1::/64' }) }),
  );
});

test('a monitor hears only the groups that it asked for', () => {
  using monitor = withNetns(node.fd, () => Monitor.open(['link']));
  node.exec('ip', 'address', 'add', '192.0.2.7/32', 'dev', 'lo');
  expect(monitor.read().events).toEqual([]);
});

test('a reader that was too slow is told to read the state anew, and hears what comes after', () => {
  using monitor = withNetns(node.fd, () => Monitor.open(['link'], 4096));
  netlink.run(createLink({ name: 'br0', kind: 'bridge' }));
  for (let mtu = 1300; mtu < 1400; mtu++) netlink.run(setLink('br0', { mtu }));
  expect(monitor.read().resync).toBe(true);
  netlink.run(deleteLink('br0'));
  const { events, resync } = monitor.read();
  expect(resync).toBe(false);
  expect(kinds(events)).toContain('deleted link');
});

test('the event loop tells when there is something to read', async () => {
  using monitor = withNetns(node.fd, () => Monitor.open(['link']));
  const seen = new Promise<readonly NetlinkEvent[]>((fulfil) => {
    monitor.onReadable(() => fulfil(monitor.read().events));
  });
  node.exec('ip', 'link', 'add', 'br1', 'type', 'bridge');
  expect(await seen).toContainEqual(expect.objectContaining({ kind: 'link', deleted: false }));
});

test('what a listener throws is an uncaught exception of the process', () => {
  const source = resolve(import.meta.dirname, '../../src/kernel/netlink/monitor.ts');
  const script = `
    import { execFileSync } from 'node:child_process';
    import { Monitor } from '${source}';
    const monitor = Monitor.open(['link']);
    monitor.onReadable(() => { throw new Error('from the listener'); });
    process.on('uncaughtException', (error) => { console.log(error.message); process.exit(3); });
    execFileSync('ip', ['link', 'add', 'br2', 'type', 'bridge']);
  `;
  const program = resolve(import.meta.dirname, '../../node_modules/.bin/node');
  const args = ['netns', 'exec', node.name, program, '--input-type=module-typescript', '--eval', script];
  const { status, stdout } = spawnSync('ip', args, { encoding: 'utf8' });
  expect({ status, stdout }).toEqual({ status: 3, stdout: 'from the listener\n' });
});
