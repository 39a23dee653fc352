/** The iptables flavour of a node, found and used. */
import { afterEach, describe, expect, test } from 'vitest';
import { isEchoAnswered } from '../support/probe.ts';
import { all, ask, watchChanges } from '../support/routed-probe.ts';
import { RoutedWorld, type WorldOptions } from '../support/routed-world.ts';

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

describe.each(['nft', 'legacy'] as const)('a node that uses iptables-%s', (flavour) => {
  test('gets the rules there and only there; pods pass in spite of FORWARD DROP', async () => {
    const here = await start({ flavour });
    const a = here.node(0);
    expect(here.routing(a).status().iptables).toEqual({ flavour, by: 'kubelet', alsoIn: '' });
    expect(await ask(a.pod, here.node(2).pod)).toEqual(all(here.node(2).pod));
    expect(await ask(a.pod, here.outside)).toEqual(all(here.outside));
    const other = flavour === 'nft' ? 'legacy' : 'nft';
    for (const tool of ['iptables', 'ip6tables']) {
      expect((await a.run(`${tool}-${flavour}-save`, [])).stdout).toContain('SLUICE');
      expect((await a.run(`${tool}-${other}-save`, [])).stdout).not.toContain('SLUICE');
    }
  });
});

test('a FORWARD policy of DROP in the flavour that the node does not use is coped with too', async () => {
  const here = await start();
  const a = here.node(0);
  await a.run('iptables-legacy', ['-P', 'FORWARD', 'DROP']);
  expect(await isEchoAnswered(a.pod.netns, here.node(1).pod.addresses.ipv4)).toBe(false);
  await here.settle();
  expect(here.routing(a).status().iptables).toEqual({ flavour: 'nft', by: 'kubelet', alsoIn: 'legacy' });
  expect(await ask(a.pod, here.node(1).pod)).toEqual(all(here.node(1).pod));
  await a.run('iptables-legacy', ['-P', 'FORWARD', 'ACCEPT']);
  await here.settle();
  expect((await a.run('iptables-legacy-save', [])).stdout).not.toContain('SLUICE');
});

test.each(['nft', 'legacy'] as const)(
  'with hundreds of nodes the rules are a tree, and settle (%s)',
  async (flavour) => {
    const here = await start({ flavour, settings: { mode: 'vxlan' } });
    const a = here.node(0);
    for (let i = 0; i < 400; i++) {
      const name = `z${i}`;
      // No two are neighbours, so nothing can be joined.
      const addresses = [`172.31.${(i * 3) >> 8}.${(i * 3) & 255}`, `fd31::${(i * 3).toString(16)}`];
      here.objects.set(name, { name, podCIDRs: [`10.${100 + ((i * 2) >> 8)}.${(i * 2) & 255}.0/24`], addresses });
    }
    here.routing(a).setNodes(here.objects);
    await here.routing(a).check();
    expect(here.routing(a).problems()).toEqual([]);
    const chains = async (): Promise<string> =>
      (await a.run(`iptables-${flavour}-save`, [])).stdout.replaceAll(/^#.*$/gm, '');
    const own = (await chains()).split('\n').filter((line) => line.includes('SLUICE'));
    expect(own.filter((line) => line.includes(' -g SLUICE')).length).toBeGreaterThan(30);
    using monitor = watchChanges(a.netns);
    const before = (await a.run(`iptables-${flavour}-save`, ['-c'])).stdout.replaceAll(/^#.*$/gm, '');
    await here.routing(a).check();
    // Counters as they were: the chains were not written again.
    expect((await a.run(`iptables-${flavour}-save`, ['-c'])).stdout.replaceAll(/^#.*$/gm, '')).toBe(before);
    expect(monitor.seen()).toEqual([]);
    expect(await ask(a.pod, here.node(2).pod)).toEqual(all(here.node(2).pod));
    expect(await ask(a.pod, here.outside)).toEqual(all(here.outside));
  },
);
