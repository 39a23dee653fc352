import { describe, expect, test } from 'vitest';
import {
  CommandError,
  type CommandRunner,
  defaultFlavour,
  installedIptables,
} from '../../../../src/agent/routing/iptables-command.ts';
import { findFlavour, type FoundFlavour } from '../../../../src/agent/routing/iptables-flavour.ts';
import { ConfigError } from '../../../../src/lib/errors.ts';

const NFT = 'iptables v1.8.9 (nf_tables)\n';
const LEGACY = 'iptables v1.8.9 (legacy)\n';

/** Programs that print this; others are not there. */
function machine(printed: Readonly<Record<string, string>>): CommandRunner {
  return (program, args) => {
    const stdout = printed[args[0] === '-V' ? program : `${program} `];
    if (stdout !== undefined) return Promise.resolve({ stdout });
    return Promise.reject(new CommandError(`${program}: not there`, true, undefined));
  };
}

async function find(
  printed: Readonly<Record<string, string>>,
): Promise<Pick<FoundFlavour, 'by'> & { flavour: string }> {
  const run = machine(printed);
  const { iptables, by } = await findFlavour(await installedIptables(run), [4, 6], run);
  return { flavour: iptables.flavour, by };
}

const BOTH = { 'iptables-nft': NFT, 'iptables-legacy': LEGACY, iptables: NFT };
const saves = (nft: string, legacy: string): Record<string, string> => ({
  'iptables-nft-save ': nft,
  'ip6tables-nft-save ': '',
  'iptables-legacy-save ': legacy,
  'ip6tables-legacy-save ': '',
});
const HINT = '*mangle\n:KUBE-IPTABLES-HINT - [0:0]\nCOMMIT\n';
const CANARY = '*mangle\n:KUBE-KUBELET-CANARY - [0:0]\nCOMMIT\n';
const RULES = '*filter\n-A INPUT -j ACCEPT\n-A INPUT -j ACCEPT\nCOMMIT\n';

describe('with both flavours installed', () => {
  test.each([
    ['the hint of kubelet', HINT, '', 'nft', 'kubelet'],
    ['the hint of kubelet in the other', RULES, HINT, 'legacy', 'kubelet'],
    ['the canary of an older kubelet', '', CANARY, 'legacy', 'kubelet'],
    ['more rules', '', RULES, 'legacy', 'rules'],
    ['no rules at all', '', '', 'nft', 'default'],
    ['as many rules in each', RULES, RULES, 'nft', 'default'],
  ])('%s decides', async (_, nft, legacy, flavour, by) => {
    expect(await find({ ...BOTH, ...saves(nft, legacy) })).toEqual({ flavour, by });
  });

  test('the default of the machine decides when nothing else does', async () => {
    expect(await find({ ...BOTH, ...saves('', ''), iptables: LEGACY })).toEqual({ flavour: 'legacy', by: 'default' });
  });
});

test('a single one is taken without a look', async () => {
  expect(await find({ 'iptables-legacy': LEGACY })).toEqual({ flavour: 'legacy', by: 'only' });
});

test('programs without a suffix are of the flavour that they say', async () => {
  expect(await find({ iptables: NFT })).toEqual({ flavour: 'nft', by: 'only' });
  expect(await defaultFlavour(machine({ iptables: 'iptables v1.6.1\n' }))).toBe('legacy');
});

test('without iptables the message names the package', async () => {
  await expect(installedIptables(machine({}))).rejects.toThrow(ConfigError);
  await expect(installedIptables(machine({}))).rejects.toThrow("Debian's package iptables");
});
