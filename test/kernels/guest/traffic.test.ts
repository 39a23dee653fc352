/** Real pods, sockets and packets on this kernel: programs attached as the agent attaches them, judged and forwarded. */
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startPod, type WiredPod, wirePod } from '../../../src/agent/wiring.ts';
import { hostInterfaceName, randomMac } from '../../../src/agent/wiring/name.ts';
import { ensureForwarding, type NodeNetwork, openNodeNetwork } from '../../../src/agent/wiring/node.ts';
import type { EbpfDatapath } from '../../../src/datapath/ebpf/datapath.ts';
import { hasTcx } from '../../../src/kernel/bpf-link.ts';
import { TcpFlow } from '../../support/flow.ts';
import { NameServer, type ServedPort } from '../../support/name-server.ts';
import { makeNetns, type TestNetns } from '../../support/netns.ts';
import { describeResult, PATIENCE_MS, probe, SILENCE_MS } from '../../support/probe.ts';
import { DatapathHost } from '../../kernel/datapath-host.ts';
import { type Rules, type World, WorldCompiler } from '../../unit/datapath/table-world.ts';

interface Pod {
  readonly id: number;
  readonly netns: TestNetns;
  readonly wired: WiredPod;
}

const NODE_ADDRESSES = ['192.0.2.1', '2001:db8::1'];
const PORTS: readonly ServedPort[] = [80, 81].flatMap((port) => [
  { protocol: 'TCP', port },
  { protocol: 'UDP', port },
]);
/** Peer term 0 is pod 1; the port terms are port 80 of TCP and of UDP. */
const FROM_FIRST_AT_80: Rules = [
  [0, 0],
  [0, 1],
];

let host: DatapathHost;
let datapath: EbpfDatapath;
let node: NodeNetwork;
let first: Pod;
let second: Pod;
const servers: NameServer[] = [];
const compiler = new WorldCompiler();

beforeAll(async () => {
  host = new DatapathHost();
  host.netns.exec('ip', 'link', 'set', 'lo', 'up');
  for (const address of NODE_ADDRESSES) host.netns.exec('ip', 'address', 'add', address, 'dev', 'lo');
  node = openNodeNetwork(host.netns.fd);
  ensureForwarding(node);
  datapath = await host.open();
  first = await addPod(1);
  second = await addPod(2);
});

afterAll(async () => {
  for (const server of servers) server.close();
  node[Symbol.dispose]();
  for (const pod of [first, second]) pod.netns.remove();
  await host.cleanUp();
});

async function addPod(id: number): Promise<Pod> {
  const netns = makeNetns(`pod${id}`);
  const [mac, hostMac] = [randomMac(randomBytes), randomMac(randomBytes)];
  const wired = wirePod(node, {
    hostName: hostInterfaceName('test', `container${id}`, 'eth0', 'net'),
    ifname: 'eth0',
    netnsFd: netns.fd,
    addresses: [`10.1.0.${id}`, `fd00:1::${id}`],
    mac,
    hostMac,
    mtu: 1500,
    nodeAddresses: NODE_ADDRESSES,
  });
  await datapath.attachEndpoint({
    id,
    ifindex: wired.hostIndex,
    addresses: wired.addresses,
    mac,
    hostMac,
    noPeer: false,
  });
  startPod(node, wired);
  servers.push(await NameServer.open(netns, `pod${id}`, PORTS));
  return { id, netns, wired };
}

async function applyRules(ingressOfSecond: Rules | 'open'): Promise<void> {
  const world: World = {
    addresses: Object.fromEntries([first, second].flatMap(({ id, wired }) => wired.addresses.map((a) => [a, id]))),
    prefixes: {},
    portTerms: [0, 1].map((protocol) => ({ protocol, first: 80, last: 80 })),
    endpoints: { 1: { ingress: 'open', egress: 'open' }, 2: { ingress: ingressOfSecond, egress: 'open' } },
  };
  await datapath.apply(compiler.compile(world));
}

/** Who answers at a port of the second pod: one text for each protocol and family. */
async function answersOfSecond(from: TestNetns, port: number, timeoutMs: number): Promise<string[]> {
  const targets = second.wired.addresses.flatMap((address) =>
    (['TCP', 'UDP'] as const).map((protocol) => ({ protocol, address, port })),
  );
  const results = await Promise.all(targets.map((target) => probe(from, target, { timeoutMs })));
  return results.map(describeResult);
}

function counted(reason: string): bigint {
  return datapath.counters().reduce((sum, one) => (one.reason === reason ? sum + one.packets : sum), 0n);
}

const ANSWERED = Array.from({ length: 4 }, () => 'connected to pod2');
const SILENT = Array.from({ length: 4 }, () => 'timeout');

test('programs are attached by tcx where the kernel has it, by clsact elsewhere', () => {
  expect(datapath.attachMode).toBe(hasTcx() ? 'tcx' : 'clsact');
});

test('before tables were applied nothing passes between pods', async () => {
  expect(await answersOfSecond(first.netns, 80, SILENCE_MS)).toEqual(SILENT);
});

describe('with tables', () => {
  test('open pods talk straight into one another, in both families', async () => {
    await applyRules('open');
    const before = { peer: counted('forwarded_peer'), stack: counted('forwarded_stack') };
    expect(await answersOfSecond(first.netns, 81, PATIENCE_MS)).toEqual(ANSWERED);
    expect(counted('forwarded_peer')).toBeGreaterThan(before.peer);
  });

  test('a megabyte comes back as it was sent', async () => {
    using flow = await TcpFlow.open(
      first.netns,
      { protocol: 'TCP', address: second.wired.addresses[0]!, port: 80 },
      PATIENCE_MS,
    );
    expect(await flow.exchange(1024 * 1024, PATIENCE_MS * 4)).toBe(true);
  });

  test('an isolated pod is reached at the ports that its rules allow and no others', async () => {
    await applyRules(FROM_FIRST_AT_80);
    expect(await answersOfSecond(first.netns, 80, PATIENCE_MS)).toEqual(ANSWERED);
    expect(await answersOfSecond(first.netns, 81, SILENCE_MS)).toEqual(SILENT);
  });

  test('NP-80: the node reaches its isolated pod', async () => {
    await applyRules([]);
    expect(await answersOfSecond(host.netns, 81, PATIENCE_MS)).toEqual(ANSWERED);
    expect(await answersOfSecond(first.netns, 80, SILENCE_MS)).toEqual(SILENT);
  });

  test('NP-102, NP-103: a new denial cuts a live flow, and a later permission lets it go on', async () => {
    await applyRules('open');
    using flow = await TcpFlow.open(
      first.netns,
      { protocol: 'TCP', address: second.wired.addresses[1]!, port: 80 },
      PATIENCE_MS,
    );
    expect(await flow.exchange(1000, PATIENCE_MS)).toBe(true);
    await applyRules([]);
    expect(await flow.exchange(1000, SILENCE_MS)).toBe(false);
    await applyRules('open');
    expect(await flow.exchange(1000, PATIENCE_MS * 4)).toBe(true);
  });

  test('a restarted datapath goes on with what its predecessor left, live flows included', async () => {
    await applyRules(FROM_FIRST_AT_80);
    using flow = await TcpFlow.open(
      first.netns,
      { protocol: 'TCP', address: second.wired.addresses[0]!, port: 80 },
      PATIENCE_MS,
    );
    await datapath.close();
    expect(await flow.exchange(1000, PATIENCE_MS)).toBe(true);
    expect(await answersOfSecond(first.netns, 81, SILENCE_MS)).toEqual(SILENT);
    datapath = await host.open();
    expect(new Set(datapath.endpoints().keys())).toEqual(new Set([1, 2]));
    expect(await flow.exchange(1000, PATIENCE_MS)).toBe(true);
    expect(await answersOfSecond(first.netns, 81, SILENCE_MS)).toEqual(SILENT);
  });
});
