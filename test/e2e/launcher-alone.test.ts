import { readFileSync, readdirSync, statSync } from 'node:fs';
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { parseCall } from '../../src/cni/request.ts';
import { makeNetns, type TestNetns } from '../support/netns.ts';
import { ADD_ENVIRONMENT } from '../unit/cni/cni-body.ts';
import { errorOf, FakeAgent, LauncherBench, outcomeOf } from './launcher-harness.ts';

/** In place of the real limit. */
const JOURNAL_ENTRIES = 20;

let bench: LauncherBench;
let netns: TestNetns;
let add: Readonly<Record<string, string>>;
let del: Readonly<Record<string, string>>;

beforeAll(async () => {
  bench = await LauncherBench.build('-DSTDIN_DEADLINE_MS=200', `-DJOURNAL_ENTRIES_MAX=${JOURNAL_ENTRIES}`);
  netns = makeNetns();
  add = { ...ADD_ENVIRONMENT, CNI_NETNS: netns.path };
  del = { ...add, CNI_COMMAND: 'DEL' };
});

afterAll(async () => {
  netns.remove();
  await bench[Symbol.asyncDispose]();
});

afterEach(async () => {
  await bench.reset();
});

describe('VERSION', () => {
  const VERSIONS = ['0.3.0', '0.3.1', '0.4.0', '1.0.0', '1.1.0'];

  test.each([
    ['', '1.1.0'],
    ['garbage', '1.1.0'],
    ['{"cniVersion":"0.4.0"}', '0.4.0'],
    ['{"cniVersion":"1.1.0","instance":"-"}', '1.1.0'],
    ['{"cniVersion":7}', '1.1.0'],
    ['x'.repeat(2 * 1024 * 1024), '1.1.0'],
  ])('CNI-53: is answered whatever is on stdin', async (stdin, cniVersion) => {
    const outcome = await bench.run({ CNI_COMMAND: 'VERSION' }, stdin);
    expect(outcome).toMatchObject({ exitCode: 0, stderr: '' });
    expect(JSON.parse(outcome.stdout)).toEqual({ cniVersion, supportedVersions: VERSIONS });
  });

  test('is answered when stdin is never closed', async () => {
    const command = ['sh', '-c', 'sleep 0.5 | "$0"', bench.binary];
    const environment = { CNI_COMMAND: 'VERSION', PATH: process.env['PATH'] ?? '' };
    const child = bench.startCommand(command, environment);
    const [chunk] = (await once(child.stdout ?? child, 'data')) as [Buffer];
    expect(JSON.parse(chunk.toString())).toMatchObject({ cniVersion: '1.1.0' });
    await once(child, 'close');
  });
});

test('CNI-14: without CNI_COMMAND it tells its usage on stderr and ends with 0', async () => {
  const outcome = await bench.run({});
  expect(outcome).toMatchObject({ exitCode: 0, stdout: '' });
  expect(outcome.stderr).toContain('CNI plugin');
});

describe('the environment', () => {
  test.each([
    ['ADD', '[CNI_CONTAINERID, CNI_NETNS, CNI_IFNAME]'],
    ['CHECK', '[CNI_CONTAINERID, CNI_NETNS, CNI_IFNAME]'],
    ['DEL', '[CNI_CONTAINERID, CNI_IFNAME]'],
    ['GC', '[CNI_PATH]'],
  ])('CNI-11: %s without its variables is code 4 and names them all', async (command, names) => {
    const error = errorOf(await bench.run({ CNI_COMMAND: command, CNI_NETNS: '' }));
    expect(error).toMatchObject({ cniVersion: '1.0.0', code: 4, msg: `required env variables ${names} missing` });
  });

  test.each([
    ['CNI_COMMAND', 'ADDD'],
    ['CNI_COMMAND', 'add"\n\u{1f600}'],
    ['CNI_CONTAINERID', '../x'],
    ['CNI_CONTAINERID', 'a'.repeat(201)],
    ['CNI_IFNAME', '..'],
    ['CNI_IFNAME', 'eth0:1'],
    ['CNI_IFNAME', 'a'.repeat(16)],
  ])('CNI-10: %s=%j is code 4 and is named', async (name, value) => {
    const error = errorOf(await bench.run({ ...add, [name]: value }));
    expect(error.code).toBe(4);
    expect(error.msg).toContain(`${name} is "${value.slice(0, 10)}`);
  });

  test('that is too long is code 4 and names the variable', async () => {
    const error = errorOf(await bench.run({ ...add, CNI_ARGS: 'x'.repeat(70_000) }));
    expect(error.code).toBe(4);
    expect(error.msg).toContain('CNI_ARGS passes the limit');
  });
});

describe('stdin', () => {
  test.each([
    ['', 'line 1, column 1'],
    ['garbage', 'line 1, column 1'],
    ['[]', 'line 1, column 1'],
    ['{\n  "a": 1,\n  "b" 2}', 'line 3, column 7'],
    ['{"a":1} x', 'line 1, column 9'],
    ['{"a":"\\ud800\\u12"}', 'line 1, column 17'],
    ['{"a":01}', 'line 1, column 7'],
    [`{"a":${'['.repeat(100)}${']'.repeat(100)}}`, 'nested too deeply'],
    [`{"cniVersion":"1.0.0","a":"${'x'.repeat(1024 * 1024)}"}`, 'longer than 1048576 bytes'],
  ])('CNI-61: %# that is no JSON object is code 6 with its place', async (stdin, place) => {
    const error = errorOf(await bench.run(add, stdin));
    expect(error.code).toBe(6);
    expect(error.msg).toContain(place);
  });

  test.each([
    [{ instance: 'Upper' }, 'instance'],
    [{ instance: '-a' }, 'instance'],
    [{ instance: '' }, 'instance'],
    [{ instance: 'a/b' }, 'instance'],
    [{ instance: 'a'.repeat(33) }, 'instance is too long'],
    [{ instance: 7 }, 'instance must be a string'],
    [{ instance: 'a\0b' }, 'instance holds a NUL'],
    [{ runDir: 'relative' }, 'runDir'],
    [{ runDir: `/${'x'.repeat(120)}` }, 'at most 107'],
    [{ stateDir: './x' }, 'stateDir'],
  ])('CNI-61: %j is code 7', async (extra, text) => {
    const error = errorOf(await bench.run(add, { ...bench.config, ...extra }));
    expect(error.code).toBe(7);
    expect(error.msg).toContain(text);
  });

  test('CNI-60: a wrong value has the version of the request, even when that comes after it', async () => {
    const error = errorOf(await bench.run(add, '{"instance":7,"cniVersion":"0.4.0"}'));
    expect(error).toMatchObject({ cniVersion: '0.4.0', code: 7 });
  });

  test('CNI-61: a key of ours that appears twice is code 7', async () => {
    const error = errorOf(await bench.run(add, '{"cniVersion":"1.0.0","instance":"a","instance":"b"}'));
    expect(error).toMatchObject({ code: 7, msg: expect.stringContaining('instance appears twice') });
  });

  test.each(['0.2.0', '2.0.0', '1.0', '\u{1f600}"\\'])('CNI-3: cniVersion %j is code 1', async (cniVersion) => {
    const error = errorOf(await bench.run(add, { ...bench.config, cniVersion }));
    expect(error).toMatchObject({ cniVersion, code: 1 });
    expect(error.details).toContain('1.1.0');
  });

  test('CNI-3: no cniVersion is code 1, with the version 1.0.0', async () => {
    expect(errorOf(await bench.run(add, { name: 'x' }))).toMatchObject({ cniVersion: '1.0.0', code: 1 });
  });

  test('that is never closed is code 5', async () => {
    const child = bench.startCommand(['sh', '-c', 'sleep 0.5 | "$0"', bench.binary], {
      ...add,
      PATH: process.env['PATH'] ?? '',
    });
    expect(errorOf(await outcomeOf(child))).toMatchObject({ code: 5, msg: 'stdin was not closed within 200 ms' });
  });

  test('is refused as no JSON exactly when JSON.parse refuses it', async () => {
    const near = fc
      .tuple(fc.json(), fc.nat(), fc.constantFrom('', '"', '\\', '{', ']', ',', '\n', '\u0001', '-', '0', 'e', '.'))
      .map(([json, at, noise]) => {
        const text = `{"cniVersion":"1.0.0","x":${json}}`;
        const place = at % (text.length + 1);
        return `${text.slice(0, place)}${noise}${text.slice(place + (at % 2))}`;
      });
    await fc.assert(
      fc.asyncProperty(near, async (text) => {
        const isRefused = errorOf(await bench.run(add, text)).code === 6;
        expect(isRefused).toBe(!isObject(text));
      }),
      { numRuns: 150 },
    );
  });
});

function isObject(text: string): boolean {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value);
  } catch {
    return false;
  }
}

describe('CNI_NETNS', () => {
  test.each([
    ['/run/netns/gone', 3],
    ['/etc/passwd/x', 3],
    ['/etc/passwd', 8],
    ['/etc', 8],
    ['/proc/self/ns/mnt', 8],
    ['/proc/self/ns/net', 8],
  ])('CNI-14, CNI-61: ADD with %s is code %i', async (path, code) => {
    const error = errorOf(await bench.run({ ...add, CNI_NETNS: path }));
    expect(error.code).toBe(code);
    expect(error.msg).toContain(path);
  });

  test('CNI-14: may be its own with CNI_NETNS_OVERRIDE', async () => {
    const environment = { ...add, CNI_NETNS: '/proc/self/ns/net', CNI_NETNS_OVERRIDE: 'TRUE' };
    expect(errorOf(await bench.run(environment)).code).toBe(11);
  });
});

describe('without an agent', () => {
  test.each([
    ['ADD', 11],
    ['CHECK', 11],
    ['GC', 11],
    ['STATUS', 50],
  ])('%s is code %i with a hint', async (command, code) => {
    const error = errorOf(await bench.run({ ...add, CNI_COMMAND: command }, { ...bench.config, cniVersion: '1.1.0' }));
    expect(error).toMatchObject({ cniVersion: '1.1.0', code });
    expect(error.msg).toContain(bench.socketPath);
    expect(error.details).toContain('agent running');
  });

  test('ADD is code 11 when a socket is left that nobody listens on', async () => {
    const dead = createServer().listen(join(bench.root, 'run/dead.sock'));
    await once(dead, 'listening');
    await rename(join(bench.root, 'run/dead.sock'), bench.socketPath);
    dead.close();
    expect(errorOf(await bench.run(add))).toMatchObject({ code: 11, msg: expect.stringContaining('refused') });
  });

  test('CNI-34: DEL succeeds and leaves its request in the journal, for root only', async () => {
    const outcome = await bench.run(del);
    expect(outcome).toMatchObject({ exitCode: 0, stdout: '' });
    expect(outcome.stderr).toContain('journalled');
    expect(readdirSync(bench.journalDirectory)).toEqual(['c0ffee:eth0']);
    const path = join(bench.journalDirectory, 'c0ffee:eth0');
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(parseCall(readFileSync(path))).toMatchObject({ command: 'DEL', containerId: 'c0ffee', ifname: 'eth0' });
  });

  test('CNI-30: DEL repeated leaves one entry', async () => {
    await bench.run(del);
    await bench.run({ ...del, CNI_NETNS: '' });
    expect(readdirSync(bench.journalDirectory)).toEqual(['c0ffee:eth0']);
  });

  test('CNI-34: an agent that starts carries out what is in the journal', async () => {
    await bench.run(del);
    await bench.run({ ...del, CNI_CONTAINERID: 'other' });
    await using agent = await FakeAgent.listen(bench);
    expect(await agent.handler.replayJournal()).toEqual({ replayed: 2, failed: 0, unreadable: 0 });
    expect(agent.network.calls.toSorted()).toEqual(['DEL c0ffee:eth0', 'DEL other:eth0']);
    expect(readdirSync(bench.journalDirectory)).toEqual([]);
  });

  test('DEL with a journal that cannot be written is code 11', async () => {
    await writeFile(join(bench.root, 'state'), 'in the way');
    const error = errorOf(await bench.run(del));
    expect(error).toMatchObject({ code: 11, msg: expect.stringContaining('cannot be journalled') });
  });

  test('DEL with a journal that is full is code 11, and nothing is added', async () => {
    await mkdir(bench.journalDirectory, { recursive: true });
    for (let i = 0; i < JOURNAL_ENTRIES; i++) await writeFile(join(bench.journalDirectory, `c${i}:eth0`), '');
    expect(errorOf(await bench.run(del))).toMatchObject({ code: 11, msg: expect.stringContaining('No space left') });
    expect(readdirSync(bench.journalDirectory)).toHaveLength(JOURNAL_ENTRIES);
  });

  test('DEL with a runDir that can never be a socket path is code 7, not journalled', async () => {
    const config = { ...bench.config, runDir: `/${'x'.repeat(120)}` };
    expect(errorOf(await bench.run(del, config)).code).toBe(7);
  });
});
