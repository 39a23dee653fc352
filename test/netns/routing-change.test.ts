/** Nodes that come, go and move; what somebody removes; what belongs to others. */
import { afterEach, describe, expect, test } from 'vitest';
import { CommandError, type CommandRunner } from '../../src/agent/routing/iptables-command.ts';
import { removeNodeRouting } from '../../src/agent/routing/remove-routing.ts';
import { SILENCE_MS } from '../support/probe.ts';
import { all, ask, BOTH, stateOf, watchChanges } from '../support/routed-probe.ts';
import { podRanges, RoutedWorld, segmentAddresses, UPLINK, type WorldOptions } from '../support/routed-world.ts';
import { waitUntil } from '../support/wait-until.ts';

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

describe('nodes that come, go and move', () => {
  test('only their own routes change', async () => {
    const here = await start({ settings: { mode: 'vxlan' } });
    const [a, b, c] = [here.node(0), here.node(1), here.node(2)];
    const object = here.objects.get('node-c')!;
    const before = await stateOf(here, 0);
    here.objects.delete('node-c');
    await here.settle();
    expect(await ask(a.pod, c.pod, BOTH, SILENCE_MS)).not.toContain('pod-c');
    expect(await ask(a.pod, b.pod)).toEqual(all(b.pod));
    here.objects.set('node-c', object);
    await here.settle();
    expect(await ask(a.pod, c.pod)).toEqual(all(c.pod));
    expect(await stateOf(here, 0)).toEqual(before);
  });

  test('a node that gets another address is reached at that one', async () => {
    const here = await start({ settings: { mode: 'vxlan' } });
    const [a, c] = [here.node(0), here.node(2)];
    const moved = segmentAddresses(2, 77);
    const old = c.addresses;
    c.netns.exec('ip', 'address', 'del', `${old.ipv4}/24`, 'dev', UPLINK);
    c.netns.exec('ip', 'address', 'del', `${old.ipv6}/64`, 'dev', UPLINK);
    c.netns.exec('ip', 'address', 'add', `${moved.ipv4}/24`, 'dev', UPLINK);
    c.netns.exec('ip', 'address', 'add', `${moved.ipv6}/64`, 'dev', UPLINK, 'nodad');
    c.netns.exec('ip', 'route', 'replace', 'default', 'via', segmentAddresses(2, 254).ipv4);
    here.objects.set('node-c', { name: 'node-c', podCIDRs: podRanges(2), addresses: [moved.ipv4, moved.ipv6] });
    await here.settle();
    expect(await ask(a.pod, c.pod)).toEqual(all(c.pod));
    expect(await ask(c.pod, a.pod)).toEqual(all(a.pod));
    expect(await ask(a, c.pod)).toEqual(all(c.pod));
    expect(c.netns.exec('ip', 'address')).not.toContain(old.ipv4);
  });
});

describe('what is in the kernel', () => {
  test('is not written again when nothing differs, by this process or the next', async () => {
    const here = await start();
    const a = here.node(0);
    const before = await stateOf(here, 0);
    using monitor = watchChanges(a.netns);
    await here.settle();
    await here.routing(a).close();
    expect(await ask(a.pod, here.node(2).pod)).toEqual(all(here.node(2).pod));
    here.open(a);
    await here.settle();
    expect(await stateOf(here, 0)).toEqual(before);
    expect(monitor.seen()).toEqual([]);
  });

  test('comes back when somebody removes it: at once for routes, tunnels, rules and neighbours', async () => {
    const here = await start();
    const [a, c] = [here.node(0), here.node(2)];
    const before = await stateOf(here, 0);
    const tunnel = here.routing(a).status().tunnels[0]!.interface;
    const attacks: (readonly string[])[] = [
      ['ip', 'route', 'del', '10.244.2.0/24'],
      ['ip', '-6', 'route', 'del', 'fd00:10:244:3::/64'],
      ['ip', 'route', 'flush', 'table', '8483'],
      ['ip', 'rule', 'del', 'priority', '8483'],
      ['ip', 'neighbour', 'del', '10.244.3.0', 'dev', tunnel],
      ['bridge', 'fdb', 'del', '02:53:ac:1e:02:03', 'dev', tunnel, 'dst', c.addresses.ipv4],
      ['ip', 'address', 'flush', 'dev', tunnel],
      ['ip', 'link', 'set', tunnel, 'down'],
      ['ip', 'link', 'del', tunnel],
      ['ip', 'link', 'set', tunnel, 'mtu', '1300'],
    ];
    for (const [program, ...args] of attacks) {
      a.netns.exec(program!, ...args);
      await waitUntil(async () => (await stateOf(here, 0)).join() === before.join());
    }
    expect(await ask(a.pod, c.pod)).toEqual(all(c.pod));
    expect(await ask(c.pod, a.pod)).toEqual(all(a.pod));
  });

  test('comes back with the next look for iptables, whatever was removed or put between', async () => {
    const here = await start();
    const a = here.node(0);
    const before = await stateOf(here, 0);
    const chains = (await a.run('iptables-nft-save', [])).stdout.match(/^:SLUICE-\S+/gm)!.map((line) => line.slice(1));
    await a.run('iptables-nft', ['-D', 'FORWARD', '-j', chains.find((chain) => /^SLUICE-[^-]+$/.test(chain))!]);
    await a.run('iptables-nft', ['-t', 'nat', '-F', chains.find((chain) => chain.endsWith('MASQ'))!]);
    await a.run('iptables-nft', ['-I', chains.find((chain) => chain.endsWith('VX'))!, '-j', 'ACCEPT']);
    await a.run('ip6tables-nft', ['-t', 'nat', '-F', 'POSTROUTING']);
    await a.run('ip6tables-nft', ['-t', 'nat', '-A', 'POSTROUTING', '-j', 'KUBE-POSTROUTING']);
    await a.run('ip6tables-nft', [
      '-t',
      'nat',
      '-A',
      'POSTROUTING',
      '-s',
      'fd00:d0c::/64',
      '!',
      '-o',
      'docker0',
      '-j',
      'MASQUERADE',
    ]);
    expect(await stateOf(here, 0)).not.toEqual(before);
    await here.settle();
    expect(await stateOf(here, 0)).toEqual(before);
  });
});

describe('what others made', () => {
  test('stays: a route to the same podCIDR is left alone and told of, and ours follows when it goes', async () => {
    const here = await start();
    const a = here.node(0);
    a.netns.exec('ip', 'route', 'del', '10.244.2.0/24');
    a.netns.exec('ip', 'route', 'add', '10.244.2.0/24', 'via', segmentAddresses(1, 254).ipv4, 'metric', '50');
    a.netns.exec('ip', 'route', 'add', 'blackhole', '10.244.3.128/25');
    const foreign = (): string => a.netns.exec('ip', 'route', 'show', 'proto', 'boot');
    const before = foreign();
    await here.settle();
    expect(foreign()).toBe(before);
    expect(a.netns.exec('ip', 'route', 'show', '10.244.2.0/24', 'proto', '84')).toBe('');
    expect(here.routing(a).status().nodes).toContainEqual(
      expect.objectContaining({
        node: 'node-b',
        podCIDR: '10.244.2.0/24',
        kind: 'none',
        why: expect.stringContaining('others'),
      }),
    );
    expect(here.routing(a).problems()).toMatchObject([
      {
        severity: 'warning',
        object: { name: 'node-b' },
        message: expect.stringContaining('via 172.30.1.254 over eth0'),
      },
      { severity: 'warning', object: { name: 'node-c' }, message: expect.stringContaining('10.244.3.128/25') },
    ]);
    a.netns.exec('ip', 'route', 'del', '10.244.2.0/24');
    await waitUntil(() => a.netns.exec('ip', 'route', 'show', '10.244.2.0/24').includes('proto 84'));
  });

  test('stays when all of ours is removed, and nothing of ours is left', async () => {
    const here = await start();
    const a = here.node(0);
    const others = async (): Promise<string> => (await stateOf(here, 0)).join('\n');
    await here.routing(a).close();
    const removed = await removeNodeRouting(a.network, a.instance, a.run);
    expect(removed).toEqual(expect.arrayContaining(['route 10.244.2.0/24', expect.stringMatching(/^interface sv/)]));
    const state = await others();
    expect(state).not.toMatch(/SLUICE|proto 84|8483|02:53:/);
    expect(state).toContain('KUBE-POSTROUTING');
    expect(await removeNodeRouting(a.network, a.instance, a.run)).toEqual([]);
  });
});

describe('what goes wrong', () => {
  test('in iptables is told of and tried again until it is right', async () => {
    const here = await start();
    const a = here.node(0);
    await here.routing(a).close();
    let isBroken = true;
    const run: CommandRunner = (program, args, input) =>
      isBroken && program.endsWith('-restore')
        ? Promise.reject(new CommandError(`${program}: Another app is holding the lock`, false, undefined))
        : a.run(program, args, input);
    await a.run('iptables-nft', ['-t', 'nat', '-F']);
    const routing = here.open({ ...a, run });
    await here.settle();
    const told = { severity: 'error', message: expect.stringContaining('holding the lock') };
    expect(routing.problems()).toMatchObject([told]);
    expect(routing.status().failure).toContain('holding the lock');
    isBroken = false;
    await waitUntil(() => routing.problems().length === 0);
    expect(await ask(a.pod, here.outside, [4])).toEqual(all(here.outside, [4]));
  });

  test('in the kernel is told of: another device has the port and the identifier', async () => {
    const here = await start({ settings: { mode: 'direct' } });
    const a = here.node(0);
    await here.routing(a).close();
    a.netns.exec(
      'ip',
      'link',
      'add',
      'theirs',
      'type',
      'vxlan',
      'id',
      '83',
      'dstport',
      '8483',
      'local',
      a.addresses.ipv4,
    );
    const routing = here.open(a, { mode: 'vxlan' });
    await here.settle();
    expect(routing.problems()).toMatchObject([{ severity: 'error', message: expect.stringContaining('EEXIST') }]);
    expect(a.netns.exec('ip', 'link', 'show', 'theirs')).toContain('theirs');
    a.netns.exec('ip', 'link', 'del', 'theirs');
    await waitUntil(() => routing.problems().length === 0);
  });

  test('with forwarding: off for all is put on, off for the uplink is told of', async () => {
    const here = await start();
    const a = here.node(0);
    a.netns.exec('sysctl', '-q', '-w', 'net.ipv4.ip_forward=0', 'net.ipv6.conf.all.forwarding=0');
    await here.settle();
    expect(await ask(a.pod, here.node(2).pod)).toEqual(all(here.node(2).pod));
    a.netns.exec('sysctl', '-q', '-w', 'net.ipv4.conf.eth0.forwarding=0');
    await here.settle();
    expect(here.routing(a).problems()).toMatchObject([
      { severity: 'error', hint: 'sysctl -w net/ipv4/conf/eth0/forwarding=1' },
    ]);
  });

  test('while the own Node object is away nothing is touched', async () => {
    const here = await start();
    const before = await stateOf(here, 0);
    here.objects.delete('node-a');
    await here.routing(here.node(0)).check();
    here.routing(here.node(0)).setNodes(here.objects);
    await here.routing(here.node(0)).check();
    expect(await stateOf(here, 0)).toEqual(before);
  });
});
