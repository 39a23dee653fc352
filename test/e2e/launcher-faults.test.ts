/** Agents that are no agents: they close early, say nothing, or say something else. */
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { makeNetns, type TestNetns } from '../support/netns.ts';
import { ADD_ENVIRONMENT } from '../unit/cni/cni-body.ts';
import { errorOf, LauncherBench } from './launcher-harness.ts';

const DEADLINES = ['ADD', 'DEL', 'RETRY', 'STATUS', 'CONNECT'].map((name) => `-D${name}_DEADLINE_MS=250`);

let bench: LauncherBench;
let netns: TestNetns;
let add: Readonly<Record<string, string>>;
let del: Readonly<Record<string, string>>;
let server: Server | undefined;

beforeAll(async () => {
  bench = await LauncherBench.build(...DEADLINES);
  netns = makeNetns();
  add = { ...ADD_ENVIRONMENT, CNI_NETNS: netns.path };
  del = { ...add, CNI_COMMAND: 'DEL' };
});

afterAll(async () => {
  netns.remove();
  await bench[Symbol.asyncDispose]();
});

afterEach(async () => {
  if (server !== undefined) {
    server.close();
    await once(server, 'close');
  }
  server = undefined;
  await bench.reset();
});

/** Every connection is met like this, once the request has begun to come. */
async function serve(meet: (socket: Socket, count: number) => void): Promise<void> {
  let count = 0;
  server = createServer((socket) => {
    socket.on('error', () => undefined);
    count += 1;
    const mine = count;
    socket.once('data', () => meet(socket, mine));
  }).listen(bench.socketPath);
  await once(server, 'listening');
}

const reply = (head: string, body = ''): string =>
  `HTTP/1.1 ${head}\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;

const OK = reply('200 OK');

test('an agent that accepts and never answers is code 11 after the deadline', async () => {
  await serve(() => undefined);
  const begin = performance.now();
  expect(errorOf(await bench.run(add))).toMatchObject({ code: 11, msg: expect.stringContaining('in time') });
  expect(performance.now() - begin).toBeLessThan(2_000);
});

test('an agent that answers byte by byte without an end is code 11 after the deadline', async () => {
  await serve((socket) => {
    const timer = setInterval(() => socket.write('H'), 20);
    socket.on('close', () => clearInterval(timer));
  });
  expect(errorOf(await bench.run(add)).code).toBe(11);
});

test('an agent that dies before it answers is code 11', async () => {
  await serve((socket) => socket.destroy());
  expect(errorOf(await bench.run(add))).toMatchObject({ code: 11, msg: expect.stringContaining('closed') });
});

test('an agent that dies within its answer is code 11, and nothing of the answer is printed', async () => {
  await serve((socket) => {
    socket.end('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"cniVersion":');
  });
  expect(errorOf(await bench.run(add)).code).toBe(11);
});

test('STATUS of an agent that does not answer is code 50', async () => {
  await serve(() => undefined);
  expect(errorOf(await bench.run({ ...add, CNI_COMMAND: 'STATUS' })).code).toBe(50);
});

describe('an answer', () => {
  test.each([
    ['no HTTP', 'SSH-2.0-OpenSSH\r\n\r\n'],
    ['a status that is no number', 'HTTP/1.1 abc OK\r\nContent-Length: 0\r\n\r\n'],
    ['no length', 'HTTP/1.1 200 OK\r\n\r\n'],
    ['two lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\nContent-Length: 1\r\n\r\n'],
    ['a length that is no number', 'HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n'],
    ['a length beyond the limit', 'HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n'],
    ['chunks', 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n'],
    ['a second answer behind it', `${OK}${OK}`],
    ['a head without an end', `HTTP/1.1 200 OK\r\n${'X: y\r\n'.repeat(3000)}`],
    ['a success that is no JSON', reply('200 OK', 'fine')],
    ['a success with a list', reply('200 OK', '[]')],
    ['a failure that is no JSON', reply('500 Oops', 'stack trace')],
    ['a failure that only says to be JSON', reply('500 Oops\r\nContent-Type: application/json', 'x')],
    ['nothing but an end of the head', '\r\n\r\n'],
  ])('that has %s is code 5, and nothing of it is printed', async (_, text) => {
    await serve((socket) => socket.write(text));
    expect(errorOf(await bench.run(add))).toMatchObject({ cniVersion: '1.0.0', code: 5 });
  });

  test('in pieces is put together', async () => {
    const body = `{"cniVersion":"1.0.0","pad":"${'x'.repeat(300_000)}"}`;
    await serve((socket) => {
      const text = reply('200 OK', body);
      socket.write(text.slice(0, 10));
      setTimeout(() => socket.write(text.slice(10, 60)), 20);
      setTimeout(() => socket.write(text.slice(60)), 40);
    });
    expect(await bench.run(add)).toEqual({ exitCode: 0, stdout: body, stderr: '' });
  });

  test('that comes before the whole request is read counts', async () => {
    const body = '{"cniVersion":"1.0.0","code":103,"msg":"too long","details":""}';
    await serve((socket) => {
      socket.end(reply('413 Too Large\r\nContent-Type: application/json', body));
      setTimeout(() => socket.destroy(), 50);
    });
    const config = { ...bench.config, pad: 'x'.repeat(900_000) };
    expect(errorOf(await bench.run(add, config))).toMatchObject({ code: 103, msg: 'too long' });
  });
});

describe('CNI-34: a DEL', () => {
  test.each([
    ['never answers', () => undefined],
    ['dies', (socket: Socket) => socket.destroy()],
    ['answers with something else', (socket: Socket) => socket.write('garbage\r\n\r\n')],
  ])('is journalled and succeeds when the agent %s', async (_, meet) => {
    await serve(meet);
    expect(await bench.run(del)).toMatchObject({ exitCode: 0, stdout: '' });
    expect(readdirSync(bench.journalDirectory)).toEqual(['c0ffee:eth0']);
  });

  test('is tried once more after it is journalled', async () => {
    let entries: readonly string[] = [];
    await serve((socket, count) => {
      if (count === 1) return socket.destroy();
      entries = readdirSync(bench.journalDirectory);
      return socket.write(OK);
    });
    expect((await bench.run(del)).exitCode).toBe(0);
    expect(entries).toEqual(['c0ffee:eth0']);
  });
});
