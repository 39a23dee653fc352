/** `sluice uninstall` on nodes in states that no agent would leave them in; container.test.ts has the usual one. */
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { interfacePrefix } from '../../src/agent/wiring/name.ts';
import { Ledger } from '../support/ledger.ts';
import type { TestNetns } from '../support/netns.ts';
import { type CommandResult, tryCommand } from '../support/run-command.ts';

const MAIN = join(import.meta.dirname, '../../src/main.ts');
const INSTANCE = 'gone';
const PREFIX = interfacePrefix(INSTANCE);

let ledger: Ledger;
let folder: string;
let node: TestNetns;

beforeEach(() => {
  ledger = new Ledger();
  folder = ledger.makeDirectory('sluice-uninstall');
  for (const name of ['run/sluice', 'state/sluice', 'conf', 'bin', 'bpf']) mkdirSync(at(name), { recursive: true });
  ledger.mountBpf(at('bpf'));
  node = ledger.makeNetns('node');
});

afterEach(() => {
  ledger.removeAll();
});

function at(...path: readonly string[]): string {
  return join(folder, ...path);
}

async function uninstall(...more: readonly string[]): Promise<CommandResult> {
  const places = {
    '--instance': INSTANCE,
    '--run-dir': at('run/sluice'),
    '--state-dir': at('state/sluice'),
    '--bpf-root': at('bpf'),
    '--cni-conf': at('conf'),
    '--cni-bin': at('bin'),
  };
  return tryCommand(process.execPath, [MAIN, 'uninstall', ...Object.entries(places).flat(), ...more], { netns: node });
}

test('a node that has nothing of it is left as it is', async () => {
  for (const name of ['run', 'state']) rmSync(at(name), { recursive: true });
  writeFileSync(at('conf/10-other.conflist'), '{}');
  const { exitCode, stdout } = await uninstall();
  expect(exitCode).toBe(0);
  expect(stdout).not.toMatch(/^(removed|NOT GONE)/m);
  expect(readdirSync(at('conf'))).toEqual(['10-other.conflist']);
  expect(existsSync(at('bpf'))).toBe(true);
});

test('what is left of an agent that lost its records is found all the same', async () => {
  node.exec('ip', 'link', 'add', `${PREFIX}aaaaaaaaaa`, 'type', 'veth', 'peer', 'name', 'peer');
  node.exec('ip', 'route', 'add', 'unreachable', '10.1.0.0/24', 'proto', '83');
  node.exec('ip', '-6', 'route', 'add', 'unreachable', 'fd01::/64', 'proto', '83', 'metric', '1000000');
  for (const tool of ['iptables-nft', 'ip6tables-nft', 'iptables-legacy', 'ip6tables-legacy']) {
    node.exec(tool, '-t', 'nat', '-N', `SLUICE-${PREFIX}-X`);
    node.exec(tool, '-t', 'nat', '-A', 'POSTROUTING', '-j', `SLUICE-${PREFIX}-X`);
    node.exec(tool, '-t', 'nat', '-A', 'POSTROUTING', '-j', 'MASQUERADE');
  }
  expect((await uninstall()).stderr).toContain(`1 pods of this node use its network (${PREFIX}aaaaaaaaaa)`);
  expect(await uninstall('--force')).toMatchObject({ exitCode: 0, stderr: '' });
  expect(node.ip('link', 'show').map(({ ifname }) => ifname)).toEqual(['lo']);
  expect(node.exec('ip', 'route') + node.exec('ip', '-6', 'route')).not.toContain('unreachable');
  for (const tool of ['iptables-nft', 'ip6tables-nft', 'iptables-legacy', 'ip6tables-legacy']) {
    const saved = node.exec(`${tool}-save`);
    expect(saved).not.toContain('SLUICE');
    expect(saved).toContain('-A POSTROUTING -j MASQUERADE');
  }
});

test('what all instances share stays while there is another one', async () => {
  mkdirSync(at('run/sluice/other'));
  writeFileSync(at('run/sluice/other/agent.lock'), '');
  writeFileSync(at('bin/sluice-cni'), '');
  writeFileSync(at('conf/10-sluice-other.conflist'), '{}');
  writeFileSync(at(`conf/10-sluice-${INSTANCE}.conflist`), '{}');
  writeFileSync(at('conf/05-theirs.conflist.before-sluice'), '{}');
  node.exec('ip', 'route', 'add', 'unreachable', '10.1.0.0/24', 'proto', '83');
  expect(await uninstall()).toMatchObject({ exitCode: 0 });
  expect(readdirSync(at('conf'))).toEqual(['05-theirs.conflist.before-sluice', '10-sluice-other.conflist']);
  expect(existsSync(at('bin/sluice-cni'))).toBe(true);
  expect(node.exec('ip', 'route')).toContain('unreachable 10.1.0.0/24');
});

test('what cannot be removed is named, the rest goes, and it ends with 1', async () => {
  mkdirSync(at(`conf/10-sluice-${INSTANCE}.conflist/kept`), { recursive: true });
  writeFileSync(at('bin/sluice-cni'), '');
  const { exitCode, stdout, stderr } = await uninstall();
  expect(exitCode).toBe(1);
  expect(stdout).toMatch(/^NOT GONE CNI configuration .*\n +10-sluice-gone\.conflist\n +failed: .*EISDIR/m);
  expect(stdout).toMatch(/^removed +launcher/m);
  expect(stderr).toMatch(/1 of \d+ kinds of things are not gone/);
  expect(existsSync(at('bin/sluice-cni'))).toBe(false);
});

test('folders that were the last of their kind go with those above them', async () => {
  mkdirSync(at('run/sluice', INSTANCE));
  mkdirSync(at('state/sluice', INSTANCE));
  expect(await uninstall()).toMatchObject({ exitCode: 0 });
  expect([existsSync(at('run/sluice')), existsSync(at('state/sluice'))]).toEqual([false, false]);
});
