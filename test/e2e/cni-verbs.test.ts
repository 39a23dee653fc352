/** CHECK, STATUS and GC through the real launcher and a real agent, and the rules that ADD and DEL share with them. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { TestNetns } from '../support/netns.ts';
import type { CommandResult } from '../support/run-command.ts';
import { AgentBench, type BenchAgent, NAMESPACE_YAML, NODE, NODE_YAML, podYaml, refusalOf } from './agent-bench.ts';

const TEST_MS = 60_000;
const VERSION = { cniVersion: '1.1.0' };
const VALID = 'cni.dev/valid-attachments';
const GATEWAY_MAC = '02:00:00:00:00:99';

interface Result {
  readonly cniVersion: string;
  readonly interfaces: readonly { readonly name: string; readonly mac: string; readonly mtu?: number }[];
  readonly ips: readonly { readonly address: string; readonly version?: string }[];
}

let bench: AgentBench;
let agent: BenchAgent;
let a: TestNetns;
let b: TestNetns;

beforeAll(async () => {
  bench = new AgentBench();
  bench.apply('node.yaml', NODE_YAML);
  bench.apply('pods.yaml', [NAMESPACE_YAML, podYaml('a'), podYaml('b')].join('---'));
  agent = await bench.start('--pod-wait', '0');
}, TEST_MS);
afterAll(() => bench[Symbol.dispose]());

beforeEach(() => {
  a = bench.ledger.makeNetns('a');
  b = bench.ledger.makeNetns('b');
});
afterEach(async () => {
  for (const name of ['a', 'b']) await bench.cni('DEL', { name, netns: '' });
  await agent.client.sync();
});

async function add(name: string, netns: TestNetns, conf: object = {}): Promise<Result> {
  const { exitCode, stdout } = await bench.cni('ADD', { name, netns: netns.path }, { conf: { ...conf } });
  expect(exitCode, stdout).toBe(0);
  return JSON.parse(stdout) as Result;
}

async function check(name: string, netns: TestNetns, prevResult: unknown, conf: object = {}): Promise<CommandResult> {
  return bench.cni('CHECK', { name, netns: netns.path }, { conf: { prevResult, ...conf } });
}

async function gc(conf: object): Promise<CommandResult> {
  const env = { CNI_CONTAINERID: '', CNI_NETNS: '', CNI_IFNAME: '', CNI_ARGS: '' };
  return bench.cni('GC', { name: 'none', netns: '' }, { env, conf: { ...VERSION, ...conf } });
}

async function status(): Promise<CommandResult> {
  return bench.cni('STATUS', { name: 'none', netns: '' }, { conf: VERSION });
}

async function attached(): Promise<string[]> {
  return (await agent.status()).endpoints.map(({ pod }) => pod).toSorted();
}

const SILENT = { exitCode: 0, stdout: '' };

describe('CHECK', () => {
  test.each(['0.4.0', '1.0.0', '1.1.0'])(
    'CNI-41, CNI-81: in %s succeeds right after ADD, any number of times, and when the pod has its lasting programs',
    async (cniVersion) => {
      const result = await add('a', a, { cniVersion });
      expect(result.cniVersion).toBe(cniVersion);
      for (let i = 0; i < 3; i++) expect(await check('a', a, result, { cniVersion })).toMatchObject(SILENT);
      await agent.client.sync();
      expect(await check('a', a, result, { cniVersion })).toMatchObject(SILENT);
    },
    TEST_MS,
  );

  test('CNI-24: a result has the shape of its version', async () => {
    const old = await add('a', a, { cniVersion: '0.4.0' });
    const today = await add('b', b, VERSION);
    expect(old.ips.map(({ version }) => version)).toEqual(['4', '6']);
    expect(today.ips.map(({ version }) => version)).toEqual([undefined, undefined]);
    expect(old.interfaces[1]).not.toHaveProperty('mtu');
    expect(today.interfaces[1]).toHaveProperty('mtu');
  });

  test('CNI-41: tolerates what others have added', async () => {
    const result = await add('a', a);
    a.exec('ip', 'address', 'add', '192.0.2.7/24', 'dev', 'eth0');
    a.exec('ip', 'route', 'add', '198.51.100.0/24', 'via', '169.254.1.1', 'dev', 'eth0', 'onlink');
    const more = {
      ...result,
      interfaces: [...result.interfaces, { name: 'ifb0' }],
      ips: [...result.ips, { address: '192.0.2.7/24' }],
    };
    expect(await check('a', a, more)).toMatchObject(SILENT);
  });

  test.each<[string, (host: string) => void, string]>([
    [
      'an address',
      () => a.exec('ip', '-4', 'address', 'flush', 'dev', 'eth0'),
      'interface eth0 has no address 10.244.1.',
    ],
    [
      'a route',
      () => a.exec('ip', 'route', 'del', 'default'),
      'the pod has no route 0.0.0.0/0 by 169.254.1.1 over eth0',
    ],
    ['a neighbour', () => a.exec('ip', 'neigh', 'del', 'fe80::1', 'dev', 'eth0'), 'does not know fe80::1 as'],
    [
      'the MAC of the gateway',
      () => a.exec('ip', 'neigh', 'replace', '169.254.1.1', 'lladdr', GATEWAY_MAC, 'dev', 'eth0', 'nud', 'permanent'),
      'does not know 169.254.1.1 as',
    ],
    ['the pod interface being up', () => a.exec('ip', 'link', 'set', 'eth0', 'down'), 'interface eth0 is down'],
    [
      'the pod interface',
      () => a.exec('ip', 'link', 'set', 'eth0', 'down', 'name', 'eth9'),
      'the pod has no interface eth0',
    ],
    [
      'its MAC',
      () => a.exec('ip', 'link', 'set', 'eth0', 'address', GATEWAY_MAC),
      `interface eth0 has MAC ${GATEWAY_MAC}`,
    ],
    ['the host interface being up', (host) => bench.node.exec('ip', 'link', 'set', host, 'down'), 'is down'],
    ['the host interface', (host) => bench.node.exec('ip', 'link', 'del', host), 'is gone'],
    [
      'the route to the pod',
      (host) => bench.node.exec('ip', '-4', 'route', 'flush', 'dev', host),
      'no route to 10.244.1.',
    ],
  ])('CNI-42: misses %s', async (_, tamper, message) => {
    const result = await add('a', a);
    tamper(result.interfaces[0]?.name ?? '');
    const refusal = refusalOf(await check('a', a, result));
    expect(refusal).toMatchObject({ exitCode: 1, code: 100 });
    expect(refusal.msg).toContain('the network of pod x/a is not as ADD made it');
    expect(refusal.msg).toContain(message);
  });

  test('CNI-42: misses programs, before and after they are the lasting ones', async () => {
    const result = await add('a', a);
    const host = result.interfaces[0]?.name ?? '';
    bench.node.exec('tc', 'qdisc', 'del', 'dev', host, 'clsact');
    expect(refusalOf(await check('a', a, result)).msg).toContain('missing: programs on interface');
    await agent.client.sync();
    expect(await check('a', a, result)).toMatchObject(SILENT);
  });

  test('CNI-41: misses what prevResult says otherwise', async () => {
    const result = await add('a', a);
    const [host, pod] = result.interfaces;
    const others: readonly [object, string][] = [
      [{ ...result, interfaces: [host] }, 'prevResult has no interface eth0'],
      [{ ...result, interfaces: [pod] }, 'prevResult has no host interface'],
      [{ ...result, interfaces: [host, { ...pod, mac: GATEWAY_MAC }] }, `has MAC ${GATEWAY_MAC}`],
      [{ ...result, ips: result.ips.slice(1) }, 'prevResult has no address 10.244.1.'],
      [{}, 'prevResult has no interface eth0'],
    ];
    for (const [other, message] of others) {
      const refusal = refusalOf(await check('a', a, other));
      expect(refusal.code).toBe(100);
      expect(refusal.msg).toContain(message);
    }
  });

  test('CNI-40: needs prevResult, an attachment and a version that has it', async () => {
    expect(refusalOf(await check('a', a, {}))).toMatchObject({ code: 3 });
    const result = await add('a', a);
    expect(refusalOf(await check('a', a, undefined))).toMatchObject({ code: 7 });
    expect(refusalOf(await check('a', a, result, { cniVersion: '0.3.1' }))).toMatchObject({ code: 1 });
    expect(refusalOf(await check('a', b, result)).msg).toContain('the pod has no interface eth0');
  });
});

describe('STATUS', () => {
  test('CNI-50: succeeds, without output, when an ADD would', async () => {
    expect(await status()).toMatchObject(SILENT);
  });

  test.each([
    ['this node has no podCIDRs', '[]', 'no address range'],
    ['every address is given', '[10.244.9.1/32]', 'no free address in 10.244.9.1/32'],
  ])('CNI-50: fails with code 50 and why when %s', async (_, podCidrs, message) => {
    const node = `{apiVersion: v1, kind: Node, metadata: {name: ${NODE}}, spec: {podCIDRs: ${podCidrs}}}`;
    bench.apply('node.yaml', node);
    await agent.client.sync();
    if (podCidrs !== '[]') await add('a', a);
    const refusal = refusalOf(await status());
    bench.apply('node.yaml', NODE_YAML);
    await agent.client.sync();
    expect(refusal).toMatchObject({ exitCode: 1, code: 50 });
    expect(refusal.msg).toContain(message);
    expect(await status()).toMatchObject(SILENT);
  });

  test('CNI-50: does not exist before 1.1.0', async () => {
    const outcome = await bench.cni('STATUS', { name: 'none', netns: '' }, { conf: { cniVersion: '1.0.0' } });
    expect(refusalOf(outcome)).toMatchObject({ code: 1 });
  });
});

describe('GC', () => {
  test('CNI-51: removes what is not listed, of its own network only', async () => {
    await add('a', a, VERSION);
    await add('b', b, { ...VERSION, name: 'other' });
    const valid = [{ containerID: 'container-a', ifname: 'eth0' }];
    expect(await gc({ [VALID]: valid, 'cni.dev/attachments': valid })).toMatchObject(SILENT);
    expect(await attached()).toEqual(['x/a', 'x/b']);
    expect(await gc({ [VALID]: [{ containerID: 'container-a', ifname: 'eth1' }] })).toMatchObject(SILENT);
    expect(await attached()).toEqual(['x/b']);
    await agent.client.sync();
    expect(a.succeeds('ip', 'link', 'show', 'eth0')).toBe(false);
    expect(await gc({ [VALID]: [], name: 'other' })).toMatchObject(SILENT);
    expect(await attached()).toEqual([]);
  });

  test('CNI-51: without the list, or with one that is none, removes nothing', async () => {
    await add('a', a, VERSION);
    for (const list of [undefined, null, {}, 'x', [1], [{ containerID: 'container-a' }]]) {
      expect(refusalOf(await gc({ [VALID]: list }))).toMatchObject({ exitCode: 1, code: 7 });
    }
    expect(refusalOf(await gc({ ...VERSION, [VALID]: [], cniVersion: '1.0.0' }))).toMatchObject({ code: 1 });
    expect(await attached()).toEqual(['x/a']);
  });
});

describe('DEL', () => {
  test('CNI-30: succeeds again and again, without namespace, for what was never there', async () => {
    await add('a', a);
    for (const netns of [a.path, a.path, '', '/run/netns/gone']) {
      expect(await bench.cni('DEL', { name: 'a', netns })).toMatchObject(SILENT);
    }
    expect(await bench.cni('DEL', { name: 'never', netns: '' })).toMatchObject(SILENT);
  });

  test('CNI-31: is over when it answers: nothing passes, and the next ADD of the attachment has other addresses', async () => {
    const before = await bench.remains();
    const first = await add('a', a);
    expect(await bench.cni('DEL', { name: 'a', netns: a.path })).toMatchObject(SILENT);
    expect(await attached()).toEqual([]);
    expect(a.succeeds('ping', '-c', '1', '-W', '0.3', '169.254.1.1')).toBe(false);
    const second = await add('a', a);
    for (const { address } of second.ips) expect(first.ips.map((ip) => ip.address)).not.toContain(address);
    await bench.cni('DEL', { name: 'a', netns: a.path });
    const files = (list: readonly string[]): string[] => list.filter((file) => !file.endsWith('last-id'));
    const after = await bench.remains();
    expect({ ...after, files: files(after.files) }).toEqual({ ...before, files: files(before.files) });
  });

  test('CNI-30: a namespace that the runtime deletes at once is no trouble', async () => {
    await add('a', a);
    expect(await bench.cni('DEL', { name: 'a', netns: a.path })).toMatchObject(SILENT);
    a.remove();
    await agent.client.sync();
    expect(agent.messages('error')).not.toContain('what is left of a pod cannot be removed now');
  });
});

test('CNI-30: a namespace can be given to another container as soon as DEL has answered', async () => {
  for (const name of ['a', 'b', 'a', 'b']) {
    await add(name, a);
    expect(await bench.cni('DEL', { name, netns: a.path })).toMatchObject(SILENT);
  }
});

test('CNI-21: a second ADD is refused, and leaves the first as it is', async () => {
  const result = await add('a', a);
  expect(refusalOf(await bench.cni('ADD', { name: 'a', netns: a.path }))).toMatchObject({ exitCode: 1, code: 4 });
  expect(await check('a', a, result)).toMatchObject(SILENT);
});

test('CNI-72: a pod whose bandwidth is limited leaves room for an ingress qdisc on its interface', async () => {
  const runtimeConfig = { bandwidth: { ingressRate: 1_000_000, ingressBurst: 1_000_000 } };
  const result = await add('a', a, { runtimeConfig });
  const host = result.interfaces[0]?.name ?? '';
  bench.node.exec('tc', 'qdisc', 'add', 'dev', host, 'ingress');
  expect(await check('a', a, result)).toMatchObject(SILENT);
});
