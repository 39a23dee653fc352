/** As whom pods are seen by others, and who may speak to the port of the tunnels. */
import { afterEach, describe, expect, test } from 'vitest';
import { probe, SILENCE_MS } from '../support/probe.ts';
import { all, ask, BOTH, sourcesSeen } from '../support/routed-probe.ts';
import { RoutedWorld, type WorldOptions } from '../support/routed-world.ts';

const VXLAN_PORT = 8483;

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

describe('out of the cluster', () => {
  test('pods are masqueraded as their node, and answered, in both families', async () => {
    const here = await start();
    const { pod } = here.node(0);
    expect(await ask(pod, here.outside)).toEqual(all(here.outside));
    // Nobody outside knows a way to pods: without the node's address there is no answer.
    await here.routing(here.node(0)).close();
    here.open(here.node(0), { masquerade: false });
    await here.settle();
    expect(await ask(pod, here.outside, BOTH, SILENCE_MS)).not.toContain('outside');
  });

  test('a range that is not to be masqueraded sees the addresses of pods', async () => {
    const here = await start({
      settings: { nonMasqueradeCidrs: [{ family: 4, bytes: Uint8Array.of(172, 30, 3, 0), length: 24 }] },
    });
    const { pod } = here.node(0);
    expect(await ask(pod, here.outside, [4], SILENCE_MS)).not.toContain('outside');
    expect(await ask(pod, here.outside, [6])).toEqual(all(here.outside, [6]));
  });

  test('pods and nodes of the cluster see who speaks', async () => {
    const here = await start();
    const [a, b, c] = [here.node(0), here.node(1), here.node(2)];
    for (const to of [b, c, b.pod, c.pod]) {
      const seen = sourcesSeen(to, () => ask(a.pod, to));
      expect(new Set(await seen), to.name).toEqual(new Set([a.pod.addresses.ipv4, a.pod.addresses.ipv6]));
    }
    for (const to of [b.pod, c.pod]) {
      const seen = sourcesSeen(to, () => ask(a, to));
      expect(new Set(await seen), to.name).toEqual(new Set([a.addresses.ipv4, a.addresses.ipv6]));
    }
  });

  test('what kube-proxy marks is still masqueraded by its rules', async () => {
    const here = await start();
    const [a, c] = [here.node(0), here.node(2)];
    await a.run('iptables-nft', ['-t', 'nat', '-A', 'PREROUTING', '-d', c.pod.addresses.ipv4, '-j', 'KUBE-MARK-MASQ']);
    const seen = await sourcesSeen(c.pod, () => ask(a.pod, c.pod, [4]));
    expect(new Set(seen)).toEqual(new Set([a.addresses.ipv4]));
  });
});

describe('the port of the tunnels', () => {
  test('takes packets of nodes only: not of pods, not of hosts outside', async () => {
    const here = await start({ settings: { mode: 'vxlan' } });
    const [a, c] = [here.node(0), here.node(2)];
    const dropped = async (): Promise<number> => {
      const { stdout } = await a.run('iptables-nft', ['-nvxL']);
      const lines = stdout.split('\n').filter((line) => line.includes('DROP') && !line.includes(' udp '));
      return lines.reduce((sum, line) => sum + Number(/^\s*(\d+)/.exec(line)?.[1] ?? 0), 0);
    };
    const before = await dropped();
    for (const from of [a.pod, c.pod, here.outside]) {
      const target = { protocol: 'UDP', port: VXLAN_PORT, address: a.addresses.ipv4 } as const;
      expect(await probe(from.netns, target, { timeoutMs: SILENCE_MS })).toEqual({ kind: 'timeout' });
    }
    expect((await dropped()) - before).toBeGreaterThanOrEqual(3);
    expect(await ask(c.pod, a.pod)).toEqual(all(a.pod));
  });
});
