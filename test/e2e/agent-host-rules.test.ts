/** The accept rules of a node in real namespaces, with both flavours of iptables. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { makeNetns, type TestNetns } from '../support/netns.ts';

const HOST_RULES = join(import.meta.dirname, '../../src/agent/host-rules.ts');
const PREFIX = 'slabc';
const FLAVOURS = { nft: '/usr/sbin/xtables-nft-multi', legacy: '/usr/sbin/xtables-legacy-multi' };
const TOOLS = ['iptables', 'ip6tables'] as const;
const OURS = [
  `-A FORWARD -j SLUICE-${PREFIX}`,
  `-A SLUICE-${PREFIX} -i ${PREFIX}+ -j ACCEPT`,
  `-A SLUICE-${PREFIX} -o ${PREFIX}+ -j ACCEPT`,
  `-N SLUICE-${PREFIX}`,
];

describe.each(Object.entries(FLAVOURS))('with iptables-%s', (_, program) => {
  let tools: string;
  let node: TestNetns;
  let pod: TestNetns;
  let outside: TestNetns;

  beforeAll(() => {
    tools = mkdtempSync(join(tmpdir(), 'sluice-iptables-'));
    for (const tool of TOOLS) {
      for (const name of [tool, `${tool}-restore`]) symlinkSync(program, join(tools, name));
    }
  });

  afterAll(() => {
    rmSync(tools, { recursive: true });
  });

  /** As docker leaves a node: what is not accepted is dropped, beside rules of others. */
  beforeEach(() => {
    [node, pod, outside] = [makeNetns('node'), makeNetns('pod'), makeNetns('outside')];
    for (const tool of TOOLS) {
      node.exec(join(tools, tool), '-P', 'FORWARD', 'DROP');
      node.exec(join(tools, tool), '-N', 'OTHERS');
      node.exec(join(tools, tool), '-A', 'OTHERS', '-p', 'tcp', '--dport', '23', '-j', 'DROP');
      node.exec(join(tools, tool), '-A', 'FORWARD', '-j', 'OTHERS');
    }
  });

  afterEach(() => {
    for (const netns of [node, pod, outside]) netns.remove();
  });

  /** Calls it in the namespace, as an agent that finds these tools. */
  function call(work: 'ensureForwardRules' | 'removeForwardRules'): void {
    const script = `const rules = await import(${JSON.stringify(HOST_RULES)}); await rules.${work}('${PREFIX}');`;
    execFileSync('nsenter', [`--net=${node.path}`, process.execPath, '--input-type=module', '-e', script], {
      env: { PATH: `${tools}:${process.env['PATH'] ?? ''}` },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  }

  const rulesOf = (tool: (typeof TOOLS)[number]): string[] => node.exec(join(tools, tool), '-S').trim().split('\n');

  test('they are there once, last, and alone', () => {
    const before = TOOLS.map(rulesOf);
    call('ensureForwardRules');
    call('ensureForwardRules');
    for (const [i, tool] of TOOLS.entries()) {
      const rules = rulesOf(tool);
      expect(rules.filter((rule) => rule.includes('SLUICE')).toSorted()).toEqual(OURS);
      expect(rules.filter((rule) => !rule.includes('SLUICE'))).toEqual(before[i]);
      expect(rules.filter((rule) => rule.startsWith('-A FORWARD')).at(-1)).toBe(OURS[0]);
    }
  });

  test('what somebody put into the chain is gone, and a jump that somebody removed comes back', () => {
    call('ensureForwardRules');
    const whole = TOOLS.map(rulesOf);
    for (const tool of TOOLS) {
      node.exec(join(tools, tool), '-D', 'FORWARD', '-j', `SLUICE-${PREFIX}`);
      node.exec(join(tools, tool), '-A', `SLUICE-${PREFIX}`, '-j', 'ACCEPT');
    }
    call('ensureForwardRules');
    expect(TOOLS.map(rulesOf)).toEqual(whole);
  });

  test('nothing is left once they are removed, also when they were doubled or are not there', () => {
    const before = TOOLS.map(rulesOf);
    call('removeForwardRules');
    call('ensureForwardRules');
    for (const tool of TOOLS) node.exec(join(tools, tool), '-A', 'FORWARD', '-j', `SLUICE-${PREFIX}`);
    call('removeForwardRules');
    call('removeForwardRules');
    expect(TOOLS.map(rulesOf)).toEqual(before);
  });

  test('pods are forwarded in spite of the policy DROP, and what others drop stays dropped', () => {
    connect(node, pod, `${PREFIX}pod`, 1);
    connect(node, outside, 'uplink', 2);
    node.exec('sysctl', '-q', '-w', 'net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1');
    const reaches = (): boolean[] =>
      ['10.9.2.2', 'fd09:2::2'].map((address) => pod.succeeds('ping', '-c1', '-W1', '-q', address));
    expect(reaches()).toEqual([false, false]);
    call('ensureForwardRules');
    expect(reaches()).toEqual([true, true]);
    for (const [tool, protocol] of [
      ['iptables', 'icmp'],
      ['ip6tables', 'ipv6-icmp'],
    ] as const) {
      node.exec(join(tools, tool), '-A', 'OTHERS', '-p', protocol, '-j', 'DROP');
    }
    expect(reaches()).toEqual([false, false]);
  });
});

test('without iptables the message names the package', () => {
  const script = `const rules = await import(${JSON.stringify(HOST_RULES)}); await rules.ensureForwardRules('${PREFIX}');`;
  expect(() =>
    execFileSync(process.execPath, ['--input-type=module', '-e', script], { env: { PATH: '/nowhere' }, stdio: 'pipe' }),
  ).toThrow("ConfigError: iptables-restore is not installed; it is in Debian's package iptables");
});

/** 10.9.<n>.0/24 and fd09:<n>::/64: the node is 1, the host 2. */
function connect(node: TestNetns, host: TestNetns, name: string, n: number): void {
  node.exec('ip', 'link', 'add', name, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', host.name);
  for (const [netns, device, last] of [
    [node, name, 1],
    [host, 'eth0', 2],
  ] as const) {
    netns.exec('ip', 'link', 'set', device, 'up');
    netns.exec('ip', 'addr', 'add', `10.9.${n}.${last}/24`, 'dev', device);
    netns.exec('ip', 'addr', 'add', `fd09:${n}::${last}/64`, 'dev', device, 'nodad');
  }
  host.exec('ip', 'route', 'add', 'default', 'via', `10.9.${n}.1`);
  host.exec('ip', 'route', 'add', 'default', 'via', `fd09:${n}::1`);
}
