/** An agent that ends, in whatever way, and the next one: what stays in force, what is taken over, what is undone. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, onTestFailed, test, vi } from 'vitest';
import { NameServer } from '../support/name-server.ts';
import { PATIENCE_MS, SILENCE_MS } from '../support/probe.ts';
import { TcpFlow } from '../support/flow.ts';
import type { TestNetns } from '../support/netns.ts';
import type { NodeRemains } from '../support/node-remains.ts';
import { AgentBench, type BenchAgent, denyYaml, NAMESPACE_YAML, NODE_YAML, podYaml } from './agent-bench.ts';
import { FaultPlan } from './fault-plan.ts';

/** Points of an ADD at which the agent is killed, spread over all of its native calls. */
const KILLS = 10;
const PING_INTERVAL_SECONDS = '0.005';

let bench: AgentBench;
let agent: BenchAgent;
let a: TestNetns;
let b: TestNetns;

beforeEach(async () => {
  bench = new AgentBench();
  bench.apply('objects.yaml', [NODE_YAML, NAMESPACE_YAML, podYaml('a'), podYaml('b'), podYaml('c')].join('---'));
  [a, b] = [bench.ledger.makeNetns('a'), bench.ledger.makeNetns('b')];
  agent = await bench.start();
  await bench.add('a', a);
  await bench.add('b', b);
  onTestFailed(() => console.error(agent.text()));
});

afterEach(() => {
  bench[Symbol.dispose]();
});

async function addressOf(pod: string): Promise<string> {
  const [address = ''] = (await agent.endpoint(pod))?.addresses ?? [];
  return address;
}

const answers = async (): Promise<boolean> =>
  agent.status().then(
    () => true,
    () => false,
  );

const reaches = (from: TestNetns, address: string): boolean => from.succeeds('ping', '-c1', '-W1', '-q', address);

async function restart(): Promise<void> {
  agent = await bench.start();
}

/** What there is of pods, without the socket, which a killed agent leaves, and the last id, which only grows. */
async function podRemains(): Promise<NodeRemains> {
  const remains = await bench.remains();
  return { ...remains, files: remains.files.filter((file) => !/^(agent\.sock|endpoints\/last-id)$/.test(file)) };
}

function startPing(from: TestNetns, address: string): ChildProcess {
  const ping = spawn('ip', ['netns', 'exec', from.name, 'ping', '-q', '-i', PING_INTERVAL_SECONDS, address]);
  bench.ledger.addProcess('ping', ping.pid ?? 0, () => ping.exitCode === null && ping.signalCode === null);
  return ping;
}

/** Requests and answers. */
async function endPing(ping: ChildProcess): Promise<{ sent: number; answered: number }> {
  const output = ping.stdout === null ? '' : text(ping.stdout);
  ping.kill('SIGINT');
  await once(ping, 'close');
  const [, sent, answered] = /(\d+) packets transmitted, (\d+) received/.exec(await output) ?? [];
  return { sent: Number(sent), answered: Number(answered) };
}

describe('an agent that is killed', () => {
  test('leaves in force what was; the next one takes it over without a packet lost', async () => {
    const server = await NameServer.open(b, 'x/b', [{ protocol: 'TCP', port: 80 }]);
    bench.ledger.add('server', () => server.close());
    const address = await addressOf('b');
    using flow = await TcpFlow.open(a, { protocol: 'TCP', address, port: 80 }, PATIENCE_MS);
    const c = bench.ledger.makeNetns('c');
    await bench.add('c', c);
    bench.apply('deny.yaml', denyYaml('c'));
    await bench.sluice('sync');
    const before = await agent.status();
    const ping = startPing(a, address);

    expect(await agent.end('SIGKILL')).toBeNull();
    expect(reaches(c, address)).toBe(false);
    expect(await flow.exchange(1000, SILENCE_MS)).toBe(true);
    await restart();
    expect(await flow.exchange(1000, SILENCE_MS)).toBe(true);
    const { sent, answered } = await endPing(ping);
    expect(sent).toBeGreaterThan(50);
    expect(sent - answered).toBe(0);

    const after = await agent.status();
    expect(after.endpoints).toEqual(before.endpoints);
    expect(after.tables.generation).toBeGreaterThanOrEqual(before.tables.generation);
    expect(reaches(c, address)).toBe(false);
    expect(agent.messages('error')).toEqual([]);
  });

  test('does not stop pods from going; the next one forgets those that are gone, and nothing of them stays', async () => {
    const c = bench.ledger.makeNetns('c');
    const before = await podRemains();
    await bench.add('c', c);
    const { id } = (await agent.endpoint('c')) ?? { id: 0 };
    await agent.end('SIGKILL');
    c.remove();
    await vi.waitFor(async () => expect((await bench.remains()).links).toEqual(before.links));
    await restart();
    expect(await podRemains()).toEqual(before);
    expect(agent.messages('warn')).toContain('pod is gone and is forgotten');
    expect((await agent.status()).endpoints.map(({ pod }) => pod)).toEqual(['x/a', 'x/b']);
    // Its id does not come back.
    await bench.add('c', bench.ledger.makeNetns('c2'));
    expect((await agent.endpoint('c'))?.id).toBeGreaterThan(id);
  });

  test('finds the DELs that came meanwhile', async () => {
    const c = bench.ledger.makeNetns('c');
    const before = await podRemains();
    await bench.add('c', c);
    await agent.end('SIGKILL');
    const { exitCode, stdout, stderr } = await bench.cni('DEL', { name: 'c', netns: c.path });
    expect({ exitCode, stdout }).toEqual({ exitCode: 0, stdout: '' });
    expect(stderr).toContain('the DEL is journalled for the agent');
    await restart();
    expect(await podRemains()).toEqual(before);
    expect(agent.messages('info')).toContain('journalled DEL carried out');
    expect(readdirSync(bench.path('state', bench.instance, 'del-journal'))).toEqual([]);
  });

  test('in the middle of an ADD, at whatever point, leaves nothing that the next one does not undo', async () => {
    await agent.client.sync();
    await agent.end('SIGTERM');
    const before = await podRemains();
    const c = bench.ledger.makeNetns('c');
    const pod = { name: 'c', netns: c.path };
    const faults = new FaultPlan(bench);
    agent = await faults.start();
    const calls = await faults.count(() => bench.add('c', c));
    expect(calls).toBeGreaterThan(KILLS);
    await bench.cni('DEL', pod);
    let killed = 0;
    for (let kill = 0; kill < KILLS; kill++) {
      faults.set(`kill ${1 + Math.floor((kill * (calls - 1)) / (KILLS - 1))}`);
      const { exitCode } = await bench.cni('ADD', pod);
      faults.set(undefined);
      // The number of calls varies a little: the last one may come behind the answer, or not at all.
      const isKilled = exitCode !== 0 || !(await answers());
      if (isKilled) {
        killed += 1;
        await vi.waitFor(() => expect(agent.isRunning).toBe(false), { timeout: 10_000 });
        agent = await faults.start();
      }
      // It was whole and only its answer was lost: a runtime DELs what it has no answer for.
      if ((await agent.endpoint('c')) !== undefined) await bench.cni('DEL', pod);
      expect(await podRemains()).toEqual(before);
      expect(c.succeeds('ip', 'link', 'show', 'eth0')).toBe(false);
    }
    expect(killed).toBeGreaterThanOrEqual(KILLS - 2);
    await bench.add('c', c);
    expect(reaches(c, await addressOf('b'))).toBe(true);
  });

  test('with a record that cannot be read: it is reported and kept, and its pod is cut off', async () => {
    const { id, hostInterface } = (await agent.endpoint('a')) ?? { id: 0, hostInterface: '' };
    await agent.end('SIGKILL');
    const file = bench.path('run', bench.instance, 'endpoints', `${id}.json`);
    writeFileSync(file, '{');
    await restart();
    expect(agent.log.find(({ level }) => level === 'error')).toMatchObject({
      msg: 'endpoint record cannot be read; its pod is not known',
      file,
    });
    expect(readFileSync(file, 'utf8')).toBe('{');
    expect((await bench.remains()).links).not.toContain(expect.stringContaining(hostInterface));
    expect((await agent.status()).endpoints.map(({ pod }) => pod)).toEqual(['x/b']);
  });
});

describe('an agent that is told to stop', () => {
  test.each(['SIGTERM', 'SIGINT'] as const)(
    'by %s ends with 0; its socket is gone and the rest stays in force',
    async (signal) => {
      bench.apply('deny.yaml', denyYaml('b'));
      await bench.sluice('sync');
      const address = await addressOf('a');
      const before = await bench.remains();
      expect(await agent.end(signal)).toBe(0);
      expect(agent.noise).toEqual([]);
      expect(existsSync(bench.path('run', bench.instance, 'agent.sock'))).toBe(false);
      expect(await bench.remains()).toEqual({ ...before, files: before.files.filter((file) => file !== 'agent.sock') });
      expect(reaches(b, address)).toBe(false);
      bench.delete('deny.yaml');
      await restart();
      expect(reaches(b, address)).toBe(true);
    },
  );
});
