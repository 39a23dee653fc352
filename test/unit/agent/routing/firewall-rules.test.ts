import { describe, expect, test } from 'vitest';
import { firewallRules, isOwnChain, ownChain } from '../../../../src/agent/routing/firewall-rules.ts';
import { planRouting, type RoutingPlan } from '../../../../src/agent/routing/plan.ts';
import { ROUTING_DEFAULTS, type RoutingSettings } from '../../../../src/agent/routing/settings.ts';
import { fingerprint, isAsPlanned, readTable, restoreInput } from '../../../../src/agent/routing/table-diff.ts';
import { interfacePrefix } from '../../../../src/agent/wiring/name.ts';
import { parseCidr } from '../../../../src/net/cidr.ts';

/** XT_EXTENSION_MAXNAMELEN without the NUL. */
const CHAIN_BYTES_MAX = 28;
const PREFIX = 'slabc';
const CHAIN = 'SLUICE-slabc';

function planWith(mode: RoutingSettings['mode'], others: number): RoutingPlan {
  const nodes = Array.from({ length: others + 1 }, (_, i) => ({
    name: `n${i}`,
    podCIDRs: [`10.${i >> 8}.${i & 255}.0/24`],
    addresses: [`172.30.${(i * 7) >> 8}.${(i * 7) & 255}`],
  }));
  return planRouting({
    instance: 'default',
    ownName: 'n0',
    nodes: new Map(nodes.map((node) => [node.name, node])),
    view: {
      links: [{ index: 2, name: 'eth0', mtu: 1500 }],
      addresses: [{ index: 2, family: 4, address: '172.30.0.0', prefixLength: 16 }],
      defaultRoutes: {},
    },
    settings: { ...ROUTING_DEFAULTS, mode },
  });
}

const settings: RoutingSettings = {
  ...ROUTING_DEFAULTS,
  nonMasqueradeCidrs: [parseCidr('192.168.0.0/16')!],
  serviceRanges: [parseCidr('10.96.0.0/16')!],
};

test('pods are accepted in FORWARD, in a chain of the instance', () => {
  const { filter } = firewallRules(PREFIX, 4, planWith('direct', 2), settings, true);
  expect(filter).toEqual({
    chains: [{ name: CHAIN, rules: ['-i slabc+ -j ACCEPT', '-o slabc+ -j ACCEPT'] }],
    jumps: [{ chain: 'FORWARD', rule: `-j ${CHAIN}`, place: 'last' }],
  });
});

test('the port of a tunnel takes nodes only, and nothing that comes from a pod', () => {
  const plan = planWith('vxlan', 2);
  const { filter } = firewallRules(PREFIX, 4, plan, settings, true);
  const tunnel = plan.tunnels[0]!.name.slice(0, -1);
  expect(filter.chains.slice(1)).toEqual([
    { name: `${CHAIN}-VX`, rules: ['-i slabc+ -j DROP', `-i ${tunnel}+ -j DROP`, `-g ${CHAIN}-VX-S`] },
    {
      name: `${CHAIN}-VX-S`,
      rules: ['-s 172.30.0.0/32 -j ACCEPT', '-s 172.30.0.7/32 -j ACCEPT', '-s 172.30.0.14/32 -j ACCEPT', '-j DROP'],
    },
  ]);
  expect(filter.jumps[1]).toEqual({
    chain: 'INPUT',
    rule: `-p udp -m udp --dport 8483 -j ${CHAIN}-VX`,
    place: 'first',
  });
  expect(firewallRules(PREFIX, 6, plan, settings, true).filter.jumps).toHaveLength(1);
});

test('what own pods send is masqueraded unless it stays in the cluster or is excepted', () => {
  const { nat } = firewallRules(PREFIX, 4, planWith('direct', 1), settings, true);
  expect(nat.jumps).toEqual([{ chain: 'POSTROUTING', rule: `-j ${CHAIN}-MASQ`, place: 'last' }]);
  expect(nat.chains).toEqual([
    { name: `${CHAIN}-MASQ`, rules: [`-s 10.0.0.0/24 -g ${CHAIN}-MASQ-D`, '-j RETURN'] },
    {
      name: `${CHAIN}-MASQ-D`,
      rules: [
        '-d 10.0.0.0/23 -j RETURN',
        '-d 10.96.0.0/16 -j RETURN',
        '-d 169.254.0.0/16 -j RETURN',
        '-d 172.30.0.0/32 -j RETURN',
        '-d 172.30.0.7/32 -j RETURN',
        '-d 192.168.0.0/16 -j RETURN',
        '-d 224.0.0.0/4 -j RETURN',
        '-d 255.255.255.255/32 -j RETURN',
        '-j MASQUERADE --random-fully',
      ],
    },
  ]);
});

test.each<[string, Partial<RoutingSettings>, 4 | 6]>([
  ['when it is switched off', { masquerade: false }, 4],
  ['in a family that the node has no podCIDR of', {}, 6],
])('nothing is masqueraded %s', (_, changed, family) => {
  const { nat } = firewallRules(PREFIX, family, planWith('direct', 1), { ...settings, ...changed }, true);
  expect(nat).toEqual({ chains: [], jumps: [] });
});

test('chains have names that the kernel takes, with a thousand nodes and the longest instance', () => {
  const prefix = interfacePrefix('x'.repeat(32));
  const { filter, nat } = firewallRules(prefix, 4, planWith('vxlan', 1000), settings, true);
  for (const { name } of [...filter.chains, ...nat.chains]) expect(name.length).toBeLessThanOrEqual(CHAIN_BYTES_MAX);
});

test('chains of another instance are not its own', () => {
  expect(
    ['SLUICE-slabc', 'SLUICE-slabc-MASQ', 'SLUICE-slabd', 'SLUICE-slabcd', 'KUBE-FORWARD'].map((chain) =>
      isOwnChain(PREFIX, chain),
    ),
  ).toEqual([true, true, false, false, false]);
  expect(ownChain(PREFIX)).toBe(CHAIN);
});

describe('a saved table', () => {
  const { filter } = firewallRules(PREFIX, 4, planWith('direct', 0), settings, true);
  const others = [
    ':INPUT ACCEPT [0:0]',
    ':FORWARD DROP [12:3456]',
    ':KUBE-FORWARD - [0:0]',
    '-A FORWARD -j KUBE-FORWARD',
  ];
  const table = (...lines: string[]): string => ['# Generated', '*filter', ...lines, 'COMMIT', ''].join('\n');
  const own = [
    `:${CHAIN} - [0:0]`,
    `-A FORWARD -j ${CHAIN}`,
    `-A ${CHAIN} -i slabc+ -j ACCEPT`,
    `-A ${CHAIN} -o slabc+ -j ACCEPT`,
  ];

  test('without our rules gets them, and no other is named', () => {
    const saved = readTable(table(...others), PREFIX);
    expect(saved.policies.get('FORWARD')).toBe('DROP');
    expect(restoreInput('filter', saved, filter)).toBe(
      [
        '*filter',
        `:${CHAIN} - [0:0]`,
        `-A ${CHAIN} -i slabc+ -j ACCEPT`,
        `-A ${CHAIN} -o slabc+ -j ACCEPT`,
        `-A FORWARD -j ${CHAIN}`,
        'COMMIT',
        '',
      ].join('\n'),
    );
  });

  test('with our rules is as planned', () => {
    expect(isAsPlanned(readTable(table(...others, ...own), PREFIX), filter)).toBe(true);
    expect(isAsPlanned(readTable(table(...others, ...own.slice(0, 3)), PREFIX), filter)).toBe(false);
  });

  test('loses chains and jumps that are no longer planned, doubled ones too', () => {
    const stale = [
      `:${CHAIN}-OLD - [0:0]`,
      `-A INPUT -p udp -m udp --dport 9 -j ${CHAIN}-OLD`,
      `-A FORWARD -j ${CHAIN}`,
    ];
    const input = restoreInput('filter', readTable(table(...others, ...own, ...stale), PREFIX), filter);
    expect(input?.split('\n').filter((line) => /^-[DX]/.test(line))).toEqual([
      `-D INPUT -p udp -m udp --dport 9 -j ${CHAIN}-OLD`,
      `-D FORWARD -j ${CHAIN}`,
      `-X ${CHAIN}-OLD`,
    ]);
    expect(input).not.toContain('KUBE');
  });

  test('of others alone needs nothing when nothing is planned', () => {
    const saved = readTable(table(...others), PREFIX);
    expect(restoreInput('filter', saved, { chains: [], jumps: [] })).toBeUndefined();
    expect(fingerprint(saved)).toBe(fingerprint(readTable('', PREFIX)));
  });
});
