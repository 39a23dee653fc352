import { closeSync, fstatSync, openSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { CniCode, CniError } from '../../../src/cni/error.ts';
import { CniHandler, type CniAnswer, type CniExchange } from '../../../src/cni/handler.ts';
import { DelJournal } from '../../../src/cni/journal.ts';
import { ADD_ENVIRONMENT, CONFIG, DEL_ENVIRONMENT, encodeBody } from './cni-body.ts';
import { FakePodNetwork } from './fake-pod-network.ts';
import { MemoryLog } from './memory-log.ts';

/** An exchange with a caller that takes the answer, unless `takes` says otherwise. */
class FakeExchange implements CniExchange {
  readonly body: Uint8Array;
  readonly callerPid: number = process.pid;
  netnsStatement: string | undefined;
  readonly caller: AbortController = new AbortController();
  readonly answers: CniAnswer[] = [];
  takes = true;

  constructor(environment: Readonly<Record<string, string>>, config: object | string = CONFIG) {
    this.body = encodeBody(environment, config);
    this.netnsStatement = netnsStatement;
  }

  get signal(): AbortSignal {
    return this.caller.signal;
  }

  deliver(answer: CniAnswer): Promise<boolean> {
    this.answers.push(answer);
    return Promise.resolve(this.takes);
  }

  /** The one answer's object. */
  get answer(): unknown {
    expect(this.answers).toHaveLength(1);
    return JSON.parse(this.answers[0]?.body ?? '');
  }
}

let root = '';
let netnsFd = -1;
let netnsStatement = '';
let network: FakePodNetwork;
let log: MemoryLog;
let handler: CniHandler;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'sluice-handler-'));
  netnsFd = openSync('/proc/self/ns/net', 'r');
  const { dev, ino } = fstatSync(netnsFd, { bigint: true });
  netnsStatement = `${netnsFd} ${dev} ${ino}`;
  network = new FakePodNetwork();
  log = new MemoryLog();
  const journal = new DelJournal({ directory: join(root, 'del-journal'), log, now: () => Date.now() });
  handler = new CniHandler({ network, journal, log });
});

afterEach(async () => {
  closeSync(netnsFd);
  await rm(root, { recursive: true });
});

async function handle(exchange: FakeExchange): Promise<FakeExchange> {
  await handler.handle(exchange);
  return exchange;
}

async function journalDel(): Promise<void> {
  await mkdir(join(root, 'del-journal'));
  await writeFile(join(root, 'del-journal/c0ffee:eth0'), encodeBody(DEL_ENVIRONMENT));
}

describe('ADD', () => {
  test('is answered with the result and leaves the pod attached', async () => {
    const exchange = await handle(new FakeExchange(ADD_ENVIRONMENT));
    expect(exchange.answers[0]?.status).toBe(200);
    expect(exchange.answer).toMatchObject({ cniVersion: '1.0.0', ips: [{ address: '10.244.1.7/32' }, {}] });
    expect([...network.attached]).toEqual(['c0ffee:eth0']);
  });

  test('has the namespace open while it runs and closes it after', async () => {
    let fd = -1;
    network.beforeAdd = ({ netnsHandle }) => {
      fd = netnsHandle.fd;
      expect(fstatSync(fd, { bigint: true }).ino).toBe(netnsHandle.inode);
      return Promise.resolve();
    };
    await handle(new FakeExchange(ADD_ENVIRONMENT));
    expect(() => fstatSync(fd)).toThrow('EBADF');
  });

  test('whose result does not reach the caller is undone', async () => {
    const exchange = new FakeExchange(ADD_ENVIRONMENT);
    exchange.takes = false;
    await handle(exchange);
    expect(network.calls).toEqual(['ADD c0ffee:eth0', 'DEL c0ffee:eth0']);
    expect(network.attached.size).toBe(0);
    expect(log.lines).toMatchObject([{ level: 'warn', fields: { container: 'c0ffee', interface: 'eth0' } }]);
  });

  test('whose caller goes while it runs is undone and not answered', async () => {
    const exchange = new FakeExchange(ADD_ENVIRONMENT);
    network.beforeAdd = () => {
      exchange.caller.abort();
      return Promise.resolve();
    };
    await handle(exchange);
    expect(network.calls).toEqual(['ADD c0ffee:eth0', 'DEL c0ffee:eth0']);
    expect(exchange.answers).toEqual([]);
  });

  test('whose caller goes while it waits is never begun', async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    network.beforeAdd = () => promise;
    const first = handle(new FakeExchange(ADD_ENVIRONMENT));
    const second = new FakeExchange(ADD_ENVIRONMENT);
    const secondDone = handle(second);
    second.caller.abort();
    resolve();
    await Promise.all([first, secondDone]);
    expect(network.calls).toEqual(['ADD c0ffee:eth0']);
    expect([...network.attached]).toEqual(['c0ffee:eth0']);
  });

  test('that cannot be undone says so in the log', async () => {
    const exchange = new FakeExchange(ADD_ENVIRONMENT);
    exchange.takes = false;
    network.beforeRemove = () => Promise.reject(new Error('busy'));
    await handle(exchange);
    expect(log.lines).toMatchObject([{ level: 'error', message: expect.stringContaining('cannot be undone') }]);
  });

  test('CNI-21: that fails because the pod is attached does not remove it', async () => {
    await handle(new FakeExchange(ADD_ENVIRONMENT));
    const again = await handle(new FakeExchange(ADD_ENVIRONMENT));
    expect(again.answer).toMatchObject({ code: 4 });
    expect([...network.attached]).toEqual(['c0ffee:eth0']);
  });

  test('without the statement of a namespace is refused', async () => {
    const exchange = new FakeExchange(ADD_ENVIRONMENT);
    exchange.netnsStatement = undefined;
    expect((await handle(exchange)).answer).toMatchObject({ code: 103 });
    expect(network.calls).toEqual([]);
  });

  test('whose descriptor is another file than stated is refused', async () => {
    const exchange = new FakeExchange(ADD_ENVIRONMENT);
    exchange.netnsStatement = `${netnsFd} 4 1`;
    expect((await handle(exchange)).answer).toMatchObject({ code: 8 });
    expect(network.calls).toEqual([]);
  });

  test('meets no older DEL that waits in the journal: that is carried out first', async () => {
    await journalDel();
    await handle(new FakeExchange(ADD_ENVIRONMENT));
    expect(network.calls).toEqual(['DEL c0ffee:eth0', 'ADD c0ffee:eth0']);
    expect(await handler.replayJournal()).toEqual({ replayed: 0, failed: 0, unreadable: 0 });
    expect([...network.attached]).toEqual(['c0ffee:eth0']);
  });
});

describe('DEL', () => {
  test('CNI-20: is answered with nothing on stdout', async () => {
    const exchange = await handle(new FakeExchange(DEL_ENVIRONMENT));
    expect(exchange.answers).toEqual([{ status: 200, body: '' }]);
    expect(network.removes[0]?.netnsHandle).toMatchObject({ inode: expect.any(BigInt) });
  });

  test.each([undefined, 'nonsense', '99999 4 1'])('CNI-30: goes on without a namespace (%j)', async (statement) => {
    const exchange = new FakeExchange(DEL_ENVIRONMENT);
    exchange.netnsStatement = statement;
    expect((await handle(exchange)).answers).toEqual([{ status: 200, body: '' }]);
    expect(network.removes[0]?.netnsHandle).toBeUndefined();
  });

  test('is finished when the caller goes while it waits', async () => {
    const exchange = new FakeExchange(DEL_ENVIRONMENT);
    exchange.caller.abort();
    await handle(exchange);
    expect(network.calls).toEqual(['DEL c0ffee:eth0']);
  });

  test('takes its entry out of the journal', async () => {
    await journalDel();
    await handle(new FakeExchange(DEL_ENVIRONMENT));
    expect(await readdir(join(root, 'del-journal'))).toEqual([]);
  });

  test('CNI-61: that fails for a reason the network knows has its code', async () => {
    network.beforeRemove = () => Promise.reject(new CniError(CniCode.tryAgain, 'the kernel is busy', 'wait'));
    const { answers, answer } = await handle(new FakeExchange(DEL_ENVIRONMENT));
    expect(answers[0]?.status).toBe(503);
    expect(answer).toEqual({ cniVersion: '1.0.0', code: 11, msg: 'the kernel is busy', details: 'wait' });
  });
});

test('CNI-61: an unforeseen error is code 999, and the log has it under the reference that is told', async () => {
  network.beforeAdd = () => Promise.reject(new TypeError('x is not a function'));
  const exchange = await handle(new FakeExchange(ADD_ENVIRONMENT));
  expect(exchange.answer).toMatchObject({ code: 999, details: 'its log has the reason: look for "request":1' });
  expect(exchange.answers[0]?.body).not.toContain('x is not a function');
  expect(log.lines).toMatchObject([{ level: 'error', fields: { request: 1, container: 'c0ffee', command: 'ADD' } }]);
});

const SILENT_SUCCESS: CniAnswer = { status: 200, body: '' };

describe('CHECK', () => {
  const check = (): FakeExchange =>
    new FakeExchange({ ...ADD_ENVIRONMENT, CNI_COMMAND: 'CHECK' }, { ...CONFIG, prevResult: {} });

  test('CNI-40: has the open namespace, and prints nothing', async () => {
    await handle(new FakeExchange(ADD_ENVIRONMENT));
    expect((await handle(check())).answers).toEqual([SILENT_SUCCESS]);
    expect(network.checks[0]?.netnsHandle.inode).toBe(fstatSync(netnsFd, { bigint: true }).ino);
  });

  test('CNI-61: of what is not attached is told as an unknown container', async () => {
    expect((await handle(check())).answer).toMatchObject({ code: 3 });
  });

  test('without an open namespace is refused', async () => {
    const exchange = check();
    exchange.netnsStatement = undefined;
    expect((await handle(exchange)).answer).toMatchObject({ code: 103 });
  });
});

describe('STATUS', () => {
  const status = (): FakeExchange => new FakeExchange({ CNI_COMMAND: 'STATUS' }, { ...CONFIG, cniVersion: '1.1.0' });

  test('CNI-50: prints nothing when an ADD could be served', async () => {
    expect((await handle(status())).answers).toEqual([SILENT_SUCCESS]);
  });

  test.each([CniCode.notAvailable, CniCode.limitedConnectivity])('CNI-50: fails with code %i and why', async (code) => {
    network.fault = new CniError(code, 'no addresses', 'wait');
    const { answer } = await handle(status());
    expect(answer).toEqual({ cniVersion: '1.1.0', code, msg: 'no addresses', details: 'wait' });
  });
});

describe('GC', () => {
  const gc = (valid: readonly object[]): FakeExchange =>
    new FakeExchange(
      { CNI_COMMAND: 'GC', CNI_PATH: '/opt/cni/bin' },
      { ...CONFIG, cniVersion: '1.1.0', 'cni.dev/valid-attachments': valid },
    );

  test('CNI-51: removes what is not listed, and nothing else', async () => {
    for (const key of ['a:eth0', 'b:eth0', 'b:eth1']) network.attached.add(key);
    expect((await handle(gc([{ containerID: 'b', ifname: 'eth0' }]))).answers).toEqual([SILENT_SUCCESS]);
    expect([...network.attached]).toEqual(['b:eth0']);
    expect((await handle(gc([]))).answers).toEqual([SILENT_SUCCESS]);
    expect(network.attached.size).toBe(0);
  });

  test('CNI-51: goes on after one that cannot be removed, and names all of those', async () => {
    for (const key of ['a:eth0', 'b:eth0', 'c:eth0']) network.attached.add(key);
    network.beforeRemove = ({ containerId }) =>
      containerId === 'b' ? Promise.resolve() : Promise.reject(new Error(`${containerId} is stuck`));
    expect((await handle(gc([]))).answer).toEqual({
      cniVersion: '1.1.0',
      code: 11,
      msg: '2 attachments could not be removed',
      details: 'a:eth0: a is stuck; c:eth0: c is stuck',
    });
    expect([...network.attached]).toEqual(['a:eth0', 'c:eth0']);
  });
});

test('CNI-53: VERSION is answered without a configuration', async () => {
  const exchange = await handle(new FakeExchange({ CNI_COMMAND: 'VERSION' }, ''));
  expect(exchange.answer).toMatchObject({ cniVersion: '1.1.0' });
});

test('CNI-60: an error has the version of the request, supported or not, else 1.0.0', async () => {
  const old = await handle(new FakeExchange(ADD_ENVIRONMENT, { cniVersion: '0.2.0' }));
  expect(old.answer).toMatchObject({ cniVersion: '0.2.0', code: 1 });
  const broken = await handle(new FakeExchange(ADD_ENVIRONMENT, '{'));
  expect(broken.answer).toMatchObject({ cniVersion: '1.0.0', code: 6 });
});

test('CNI-34: replaying the journal goes on after an entry that fails, and keeps it', async () => {
  await journalDel();
  const other = { ...DEL_ENVIRONMENT, CNI_CONTAINERID: 'other' };
  await writeFile(join(root, 'del-journal/other:eth0'), encodeBody(other));
  await writeFile(join(root, 'del-journal/broken:eth0'), 'broken');
  network.beforeRemove = ({ containerId }) =>
    containerId === 'c0ffee' ? Promise.reject(new Error('busy')) : Promise.resolve();
  expect(await handler.replayJournal()).toEqual({ replayed: 1, failed: 1, unreadable: 1 });
  network.beforeRemove = () => Promise.resolve();
  expect(await handler.replayJournal()).toEqual({ replayed: 1, failed: 0, unreadable: 0 });
});
