/** What the node does to an agent while it runs: refused system calls, other ranges, addresses that go. */
import { afterEach, beforeEach, describe, expect, onTestFailed, test, vi } from 'vitest';
import type { TestNetns } from '../support/netns.ts';
import type { NodeRemains } from '../support/node-remains.ts';
import { AgentBench, type BenchAgent, NAMESPACE_YAML, NODE_YAML, podYaml } from './agent-bench.ts';
import { FaultPlan } from './fault-plan.ts';

let bench: AgentBench;
let agent: BenchAgent;
let faults: FaultPlan;
let a: TestNetns;
let b: TestNetns;

beforeEach(async () => {
  bench = new AgentBench();
  bench.apply('node.yaml', NODE_YAML);
  bench.apply('objects.yaml', [NAMESPACE_YAML, podYaml('a'), podYaml('b')].join('---'));
  [a, b] = [bench.ledger.makeNetns('a'), bench.ledger.makeNetns('b')];
  faults = new FaultPlan(bench);
  agent = await faults.start();
  await bench.add('a', a);
  onTestFailed(() => console.error(agent.text()));
});

afterEach(() => {
  bench[Symbol.dispose]();
});

async function reachesA(from: TestNetns): Promise<boolean> {
  const [address = ''] = (await agent.endpoint('a'))?.addresses ?? [];
  return from.succeeds('ping', '-c1', '-W1', '-q', address);
}

async function routes(kind: RegExp): Promise<string[]> {
  return (await bench.remains()).routes.filter((route) => kind.test(route));
}

/** Without the last id, which only grows. */
async function podRemains(): Promise<NodeRemains> {
  const remains = await bench.remains();
  return { ...remains, files: remains.files.filter((file) => file !== 'endpoints/last-id') };
}

/** Everything is in force; an agent that could not go on (without a way back to its own namespace) has a successor. */
async function settle(): Promise<void> {
  try {
    await agent.client.sync();
  } catch {
    await vi.waitFor(() => expect(agent.isRunning).toBe(false), { timeout: 10_000 });
    agent = await faults.start();
  }
}

describe('a system call that is refused', () => {
  test('CNI-23: makes the ADD fail that needs it, whichever it is, and leaves nothing of the pod', async () => {
    const pod = { name: 'b', netns: b.path };
    const before = await podRemains();
    const calls = await faults.count(() => bench.add('b', b));
    expect(calls).toBeGreaterThan(20);
    await bench.cni('DEL', pod);
    for (let call = 1; call <= calls; call++) {
      faults.set(`throw ${call}`);
      const { exitCode, stdout } = await bench.cni('ADD', pod);
      faults.set(undefined);
      // What is only looked at may fail without harm.
      if (exitCode === 0) await bench.cni('DEL', pod);
      else expect(stdout, `call ${call}`).toMatch(/ENOMEM|its log has the reason|closed the connection/);
      await settle();
      expect(await podRemains(), `call ${call}`).toEqual(before);
      expect(b.succeeds('ip', 'link', 'show', 'eth0'), `call ${call}`).toBe(false);
    }
    await bench.add('b', b);
    expect(await reachesA(b)).toBe(true);
  });
});

describe('the node', () => {
  test('may lose an address: pods keep their routes', async () => {
    b.exec('ip', 'link', 'add', 'pair', 'type', 'veth', 'peer', 'name', 'uplink', 'netns', bench.node.name);
    bench.node.exec('ip', 'addr', 'add', '192.0.2.1/24', 'dev', 'uplink');
    bench.node.exec('ip', 'link', 'set', 'uplink', 'up');
    await bench.add('b', b);
    const before = await routes(/ dev sl\S+ proto 83/);
    expect(before).toHaveLength(4);
    bench.node.exec('ip', 'addr', 'del', '192.0.2.1/24', 'dev', 'uplink');
    expect(await routes(/ dev sl\S+ proto 83/)).toEqual(before);
  });

  test('may get other podCIDRs: the old ones lead nowhere no more, and pods keep what they have', async () => {
    await bench.add('b', b);
    bench.apply('node.yaml', NODE_YAML.replaceAll('244', '245'));
    await bench.sluice('sync');
    const unreachable = (await routes(/^unreachable/)).map((route) => route.split(' ')[1]);
    expect(unreachable).toEqual(['10.245.1.0/24', 'fd00:245:1::/64']);
    expect(await reachesA(b)).toBe(true);
  });
});
