import { once } from 'node:events';
import { chmod, mkdtemp, rename, rm, stat, writeFile } from 'node:fs/promises';
import { request, type IncomingMessage } from 'node:http';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { LocalAnswer, LocalStream, PeerCredentials } from '../../../src/agent/local-exchange.ts';
import { LocalServer } from '../../../src/agent/local-server.ts';
import { MemoryLog } from '../cni/memory-log.ts';

const OK: LocalAnswer = { status: 200, contentType: 'text/plain', body: 'ok' };
const BODY_BYTES_MAX = 1000;

let root = '';
let socketPath = '';
let server: LocalServer;
let log: MemoryLog;
let uid = 0;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'sluice-local-'));
  socketPath = join(root, 'agent.sock');
  uid = 0;
  server = makeServer();
});

afterEach(async () => {
  await server.close();
  await rm(root, { recursive: true });
});

function peerCredentials(): PeerCredentials {
  return { pid: 7, uid };
}

function makeServer(): LocalServer {
  log = new MemoryLog();
  return new LocalServer({ socketPath, peerCredentials, log, bodyBytesMax: BODY_BYTES_MAX });
}

interface Reply {
  readonly status: number | undefined;
  readonly body: string;
}

async function readReply(response: IncomingMessage): Promise<Reply> {
  let body = '';
  for await (const chunk of response.setEncoding('utf8')) body += String(chunk);
  return { status: response.statusCode, body };
}

function call(method: string, path: string, body: string | readonly string[] = ''): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const sending = request({ socketPath, method, path, agent: false }, (response) => {
      readReply(response).then(resolve, reject);
    });
    sending.on('error', reject);
    if (typeof body === 'string') sending.end(body);
    else {
      for (const chunk of body) sending.write(chunk);
      sending.end();
    }
  });
}

/** A caller that speaks for itself. */
async function dial(text: string): Promise<Socket> {
  const socket = connect(socketPath);
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  socket.write(text);
  return socket;
}

describe('a request', () => {
  test('reaches the handler of its method and path, with body, query and peer', async () => {
    server.route('POST', '/v1/echo', async ({ body, query, peer, answer }) => {
      answer({ ...OK, body: `${Buffer.from(body).toString()} ${query.get('x') ?? ''} ${peer.pid}` });
      return Promise.resolve();
    });
    await server.listen();
    expect(await call('POST', '/v1/echo?x=1', 'hello')).toEqual({ status: 200, body: 'hello 1 7' });
  });

  test('that no route serves is told 404 in the shape of a CNI error', async () => {
    await server.listen();
    const reply = await call('GET', '/v1/nothing');
    expect(reply.status).toBe(404);
    expect(JSON.parse(reply.body)).toMatchObject({ code: 103, msg: 'the agent does not serve GET /v1/nothing' });
  });

  test('of a caller that is not root is refused before its body is read', async () => {
    uid = 1000;
    server.route('POST', '/v1/echo', ({ answer }) => Promise.resolve(answer(OK)));
    await server.listen();
    const reply = await call('POST', '/v1/echo', 'x'.repeat(100_000));
    expect(reply.status).toBe(403);
    expect(JSON.parse(reply.body)).toMatchObject({ code: 102, msg: 'only root may use this socket, not uid 1000' });
  });

  test.each([
    ['announced', 'x'.repeat(BODY_BYTES_MAX + 1)],
    ['chunked', ['x'.repeat(BODY_BYTES_MAX), 'x']],
  ])('with a body that is too long, %s, is refused with 413', async (_, body) => {
    server.route('POST', '/v1/echo', ({ answer }) => Promise.resolve(answer(OK)));
    await server.listen();
    expect((await call('POST', '/v1/echo', body)).status).toBe(413);
  });

  test('whose handler fails is told 500 without the reason, which the log has', async () => {
    server.route('GET', '/v1/broken', () => Promise.reject(new Error('secret')));
    await server.listen();
    const reply = await call('GET', '/v1/broken');
    expect(reply.status).toBe(500);
    expect(reply.body).not.toContain('secret');
    expect(JSON.parse(reply.body)).toMatchObject({ code: 999 });
    expect(log.lines).toMatchObject([{ level: 'error', fields: { url: '/v1/broken' } }]);
  });

  test('whose handler gives no answer is told 500', async () => {
    server.route('GET', '/v1/silent', () => Promise.resolve());
    await server.listen();
    expect((await call('GET', '/v1/silent')).status).toBe(500);
  });
});

/**
 * Serves one request with `deliver` and gives back what that tells. The body is longer than what node reads ahead of
 * a paused socket, and fits into the kernel's buffer.
 */
async function deliverTo(caller: (socket: Socket) => Promise<void>, body = 'x'.repeat(150_000)): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  server.route('GET', '/v1/take', async ({ deliver }) => resolve(await deliver({ ...OK, body })));
  await server.listen();
  await caller(await dial('GET /v1/take HTTP/1.1\r\nHost: x\r\n\r\n'));
  return await promise;
}

describe('an answer', () => {
  test('that the caller has read before it closes is delivered', async () => {
    const isDelivered = await deliverTo(async (socket) => {
      let length = 0;
      for await (const chunk of socket) {
        length += (chunk as Buffer).length;
        if (length > 150_000) break;
      }
      socket.destroy();
    });
    expect(isDelivered).toBe(true);
  });

  test('that the caller closes on unread is not delivered', async () => {
    const isDelivered = await deliverTo(async (socket) => {
      socket.pause();
      await delay(50);
      socket.destroy();
    });
    expect(isDelivered).toBe(false);
  });

  test('that never fits into the socket of a caller that goes is not delivered', async () => {
    const isDelivered = await deliverTo(async (socket) => {
      socket.pause();
      await delay(50);
      socket.destroy();
    }, 'x'.repeat(4_000_000));
    expect(isDelivered).toBe(false);
  });

  test('to a caller that goes first is not delivered, and the signal says so', async () => {
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const { promise: began, resolve: begin } = Promise.withResolvers<void>();
    server.route('GET', '/v1/slow', async ({ signal, deliver }) => {
      begin();
      await once(signal, 'abort');
      resolve(await deliver(OK));
    });
    await server.listen();
    const socket = await dial('GET /v1/slow HTTP/1.1\r\nHost: x\r\n\r\n');
    await began;
    socket.destroy();
    expect(await promise).toBe(false);
  });
});

describe('a stream', () => {
  test('comes as it is written and ends when the server closes', async () => {
    const { promise, resolve } = Promise.withResolvers<LocalStream>();
    const { promise: ended, resolve: end } = Promise.withResolvers<void>();
    server.route('GET', '/v1/flows', async ({ signal, stream }) => {
      resolve(stream('application/x-ndjson'));
      await once(signal, 'abort');
      end();
    });
    await server.listen();
    const reply = call('GET', '/v1/flows');
    const stream = await promise;
    expect(stream.write('1\n')).toBe(true);
    expect(stream.write('2\n')).toBe(true);
    await server.close();
    await ended;
    expect((await reply).body).toBe('1\n2\n');
    expect(stream.write('3\n')).toBe(false);
  });

  test('does not grow without end for a caller that does not read', async () => {
    const { promise, resolve } = Promise.withResolvers<number>();
    server.route('GET', '/v1/flows', ({ stream }) => {
      const flows = stream('application/x-ndjson');
      let written = 0;
      while (written < 1000 && flows.write('x'.repeat(10_000))) written += 1;
      flows.end();
      resolve(written);
      return Promise.resolve();
    });
    await server.listen();
    const socket = await dial('GET /v1/flows HTTP/1.1\r\nHost: x\r\n\r\n');
    socket.pause();
    expect(await promise).toBeLessThan(300);
    socket.destroy();
  });
});

describe('the socket', () => {
  test('is for its owner only', async () => {
    await server.listen();
    expect((await stat(socketPath)).mode & 0o777).toBe(0o600);
  });

  test('that nobody listens on is replaced', async () => {
    const dead = createServer().listen(socketPath);
    await once(dead, 'listening');
    // Unlinking is libuv's doing at close: give it another name meanwhile, so that the file stays.
    await rename(socketPath, `${socketPath}.kept`);
    dead.close();
    await rename(`${socketPath}.kept`, socketPath);
    server.route('GET', '/', ({ answer }) => Promise.resolve(answer(OK)));
    await server.listen();
    expect((await call('GET', '/')).status).toBe(200);
  });

  test('that somebody listens on is left to them', async () => {
    await server.listen();
    await expect(makeServer().listen()).rejects.toThrow('another process listens');
    expect((await call('GET', '/')).status).toBe(404);
  });

  test('is not put in the place of another file', async () => {
    await writeFile(socketPath, 'mine');
    await chmod(socketPath, 0o600);
    await expect(server.listen()).rejects.toThrow('is in the way');
  });

  test('is gone when the server is closed, after the requests under way', async () => {
    const { promise: began, resolve: begin } = Promise.withResolvers<void>();
    server.route('GET', '/v1/slow', async ({ answer }) => {
      begin();
      await delay(50);
      answer(OK);
    });
    await server.listen();
    const reply = call('GET', '/v1/slow');
    await began;
    await server.close();
    expect((await reply).body).toBe('ok');
    await expect(stat(socketPath)).rejects.toThrow('ENOENT');
  });
});

test('a route can be taken once', () => {
  server.route('GET', '/', () => Promise.resolve());
  expect(() => server.route('GET', '/', () => Promise.resolve())).toThrow('there already');
});
