import { once } from 'node:events';
import { statSync } from 'node:fs';
import { chmod, readdir } from 'node:fs/promises';
import { request, type IncomingMessage } from 'node:http';
import { json } from 'node:stream/consumers';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { CniCode, CniError } from '../../src/cni/error.ts';
import { fstatId } from '../../src/kernel/system.ts';
import { makeNetns, type TestNetns } from '../support/netns.ts';
import { ADD_ENVIRONMENT, encodeBody } from '../unit/cni/cni-body.ts';
import { errorOf, eventually, FakeAgent, LauncherBench, outcomeOf } from './launcher-harness.ts';

let bench: LauncherBench;
let agent: FakeAgent;
let netns: TestNetns;
let add: Readonly<Record<string, string>>;
let del: Readonly<Record<string, string>>;

beforeAll(async () => {
  bench = await LauncherBench.build();
  netns = makeNetns();
  add = { ...ADD_ENVIRONMENT, CNI_NETNS: netns.path };
  del = { ...add, CNI_COMMAND: 'DEL' };
});

afterAll(async () => {
  netns.remove();
  await bench[Symbol.asyncDispose]();
});

beforeEach(async () => {
  await bench.reset();
  agent = await FakeAgent.listen(bench);
});

afterEach(async () => {
  await agent[Symbol.asyncDispose]();
});

describe('ADD', () => {
  test('CNI-20: prints one result and ends with 0', async () => {
    const outcome = await bench.run(add);
    expect(outcome).toMatchObject({ exitCode: 0, stderr: '' });
    expect(JSON.parse(outcome.stdout)).toMatchObject({
      cniVersion: '1.0.0',
      interfaces: [{}, { name: 'eth0', sandbox: netns.path }],
      ips: [{ address: '10.244.1.7/32', interface: 1 }, {}],
    });
    expect([...agent.network.attached]).toEqual(['c0ffee:eth0']);
  });

  test('hands over the very namespace of CNI_NETNS, the pod and the configuration', async () => {
    const { inode } = fstatId(netns.fd);
    agent.network.beforeAdd = (request) => {
      expect(fstatId(request.netnsHandle.fd).inode).toBe(inode);
      return Promise.resolve();
    };
    expect((await bench.run(add)).exitCode).toBe(0);
    expect(agent.network.adds).toMatchObject([{ pod: { namespace: 'shop', name: 'web-0' }, netnsHandle: { inode } }]);
  });

  test.each(['0.3.0', '0.3.1', '0.4.0', '1.0.0', '1.1.0'])(
    'CNI-3: %s is answered in its version',
    async (cniVersion) => {
      const outcome = await bench.run(add, { ...bench.config, cniVersion });
      expect(JSON.parse(outcome.stdout)).toMatchObject({ cniVersion });
    },
  );

  test('CNI-12: carries a configuration of a megabyte and forty kilobytes of arguments', async () => {
    const config = { ...bench.config, args: 'x'.repeat(1_000_000) };
    const environment = { ...add, CNI_ARGS: `IgnoreUnknown=1;K8S_POD_NAME=${'y'.repeat(40_000)}` };
    expect((await bench.run(environment, config)).exitCode).toBe(0);
    expect(agent.network.adds[0]?.pod.name).toHaveLength(40_000);
  });

  test.each([CniCode.unknownContainer, CniCode.ioFailure, CniCode.tryAgain, CniCode.notAvailable])(
    'CNI-61: prints the code %i that the network gives',
    async (code) => {
      agent.network.beforeAdd = () => Promise.reject(new CniError(code, 'a "quoted" reason', 'do this'));
      const outcome = await bench.run(add);
      expect(errorOf(outcome)).toEqual({ cniVersion: '1.0.0', code, msg: 'a "quoted" reason', details: 'do this' });
    },
  );

  test('CNI-61: an unforeseen error is code 999 without a stack', async () => {
    agent.network.beforeAdd = () => Promise.reject(new TypeError('x is not a function'));
    const outcome = await bench.run(add);
    expect(errorOf(outcome).code).toBe(999);
    expect(`${outcome.stdout}${outcome.stderr}`).not.toMatch(/x is not a function|\.ts:/);
  });

  test('CNI-22: with prevResult is refused with code 2', async () => {
    expect(errorOf(await bench.run(add, { ...bench.config, prevResult: { ips: [] } })).code).toBe(2);
  });

  test('CNI-25: a hundred of them at once are carried out side by side', async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    agent.network.beforeAdd = () => promise;
    const runs = Array.from({ length: 100 }, (_, i) => bench.run({ ...add, CNI_CONTAINERID: `c${i}` }));
    await eventually('all have come', () => agent.handler.load.running === 100);
    resolve();
    for (const outcome of await Promise.all(runs)) expect(outcome.exitCode).toBe(0);
    expect(agent.network.attached.size).toBe(100);
  });
});

describe('an early death of the launcher', () => {
  test('while the pod is wired undoes the ADD', async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    let signal: AbortSignal | undefined;
    agent.network.beforeAdd = (_, caller) => {
      signal = caller;
      return promise;
    };
    const child = bench.start(add);
    const outcome = outcomeOf(child);
    await eventually('the ADD begins', () => signal !== undefined);
    child.kill('SIGKILL');
    await outcome;
    await eventually('the agent notices', () => signal?.aborted === true);
    resolve();
    await eventually('the ADD is undone', () => agent.network.calls.length === 2);
    expect(agent.network.calls).toEqual(['ADD c0ffee:eth0', 'DEL c0ffee:eth0']);
    expect(agent.network.attached.size).toBe(0);
  });

  test('with a stdout that nobody reads undoes the ADD', async () => {
    const child = bench.startCommand(['sh', '-c', 'exec "$0" >&-; exit 1', bench.binary], add);
    // The launcher puts /dev/null in place of a closed stdout, so the result counts as taken.
    expect(await outcomeOf(child)).toMatchObject({ exitCode: 0, stdout: '' });
    const broken = bench.startCommand(['sh', '-c', 'exec "$0" >/dev/full', bench.binary], {
      ...add,
      CNI_CONTAINERID: 'full',
    });
    expect(await outcomeOf(broken)).toMatchObject({ exitCode: 1, stderr: 'sluice-cni: stdout is not writable\n' });
    await eventually('the ADD is undone', () => !agent.network.attached.has('full:eth0'));
    expect(agent.network.calls.slice(-2)).toEqual(['ADD full:eth0', 'DEL full:eth0']);
  });

  test('at any moment leaves a pod attached whose result was printed, and none else', async () => {
    agent.network.beforeAdd = () => new Promise((resolve) => setTimeout(resolve, 3));
    const runs = Array.from({ length: 60 }, async (_, i) => {
      const id = `k${i}`;
      const child = bench.start({ ...add, CNI_CONTAINERID: id });
      const timer = setTimeout(() => child.kill('SIGKILL'), i * 3);
      const outcome = await outcomeOf(child);
      clearTimeout(timer);
      return { key: `${id}:eth0`, outcome };
    });
    const ended = await Promise.all(runs);
    await eventually('everything is settled', () => agent.handler.load.running + agent.handler.load.waiting === 0);
    for (const { key, outcome } of ended) {
      if (outcome.exitCode === 0) expect(agent.network.attached).toContain(key);
      if (outcome.stdout === '') expect(agent.network.attached).not.toContain(key);
    }
  });
});

describe('DEL', () => {
  test('CNI-20: prints nothing and ends with 0', async () => {
    await bench.run(add);
    expect(await bench.run(del)).toEqual({ exitCode: 0, stdout: '', stderr: '' });
    expect(agent.network.attached.size).toBe(0);
  });

  test.each(['', '/run/netns/gone', '/etc/passwd', '/proc/self/ns/net', '/proc/self/ns/mnt'])(
    'CNI-30: succeeds with CNI_NETNS=%j, which is not handed over',
    async (path) => {
      expect((await bench.run({ ...del, CNI_NETNS: path })).exitCode).toBe(0);
      expect(agent.network.removes[0]?.netnsHandle).toBeUndefined();
    },
  );

  test('fails with the code of the network, and is not journalled', async () => {
    agent.network.beforeRemove = () => Promise.reject(new CniError(CniCode.tryAgain, 'busy'));
    expect(errorOf(await bench.run(del)).code).toBe(11);
    await expect(readdir(bench.journalDirectory)).rejects.toThrow('ENOENT');
  });
});

/** This process in the launcher's place: SO_PEERCRED leads to its descriptors. */
async function addWithStatement(statement: string): Promise<unknown> {
  const sending = request({
    socketPath: bench.socketPath,
    method: 'POST',
    path: '/v1/cni',
    headers: { 'Content-Type': 'application/x-sluice-cni', 'Sluice-Netns': statement },
    agent: false,
  });
  sending.end(encodeBody(add));
  const [response] = (await once(sending, 'response')) as [IncomingMessage];
  return await json(response);
}

describe('the statement of the namespace', () => {
  test('is held against the descriptor that is found: a swapped one is refused', async () => {
    const { device, inode } = fstatId(netns.fd);
    using other = makeNetns();
    expect(await addWithStatement(`${other.fd} ${device} ${inode}`)).toMatchObject({ code: 8 });
    expect(agent.network.calls).toEqual([]);
    expect(await addWithStatement(`${netns.fd} ${device} ${inode}`)).toMatchObject({
      cniVersion: '1.0.0',
      ips: [{}, {}],
    });
  });
});

describe('without anything on stdout when it succeeds:', () => {
  const silent = { exitCode: 0, stdout: '' };

  test('CNI-40: CHECK', async () => {
    await bench.run(add);
    const check = { ...add, CNI_COMMAND: 'CHECK' };
    expect(await bench.run(check, { ...bench.config, prevResult: {} })).toMatchObject(silent);
    expect(errorOf(await bench.run(check))).toMatchObject({ code: 7 });
  });

  test('CNI-50: STATUS', async () => {
    const status = { CNI_COMMAND: 'STATUS' };
    const config = { ...bench.config, cniVersion: '1.1.0' };
    expect(await bench.run(status, config)).toMatchObject(silent);
    agent.network.fault = new CniError(50, 'no addresses');
    expect(errorOf(await bench.run(status, config))).toMatchObject({ code: 50, msg: 'no addresses' });
  });

  test('CNI-51: GC', async () => {
    await bench.run(add);
    const gc = { CNI_COMMAND: 'GC', CNI_PATH: '/opt/cni/bin' };
    const config = { ...bench.config, cniVersion: '1.1.0', 'cni.dev/valid-attachments': [] };
    expect(await bench.run(gc, config)).toMatchObject(silent);
    expect(agent.network.attached.size).toBe(0);
  });
});

test('a caller that is not root is refused by its credentials', async () => {
  // Opens what file modes protect as well, so that SO_PEERCRED alone decides.
  await chmod(bench.root, 0o755);
  await chmod(bench.socketPath, 0o666);
  const command = ['setpriv', '--reuid', '65534', '--regid', '65534', '--clear-groups', bench.binary];
  const status = { CNI_COMMAND: 'STATUS', PATH: process.env['PATH'] ?? '' };
  const outcome = await outcomeOf(bench.startCommand(command, status, { ...bench.config, cniVersion: '1.1.0' }));
  expect(errorOf(outcome)).toMatchObject({ code: 102, msg: 'only root may use this socket, not uid 65534' });
});

test('is a static executable below a megabyte', () => {
  if (process.env['SLUICE_LAUNCHER_LINKING'] === undefined)
    expect(statSync(bench.binary).size).toBeLessThan(1024 * 1024);
});
