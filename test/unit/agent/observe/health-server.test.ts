import { connect } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { HealthServer, type HealthRoute } from '../../../../src/agent/observe/health-server.ts';
import { realizedRoute, type RealizedParts } from '../../../../src/agent/observe/realized-route.ts';
import { MemoryLog } from '../../cni/memory-log.ts';
import { WELL } from '../../commands/sample-status.ts';

const servers: HealthServer[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) await server[Symbol.asyncDispose]();
});

async function serve(routes: Readonly<Record<string, HealthRoute>>, log: MemoryLog = new MemoryLog()): Promise<string> {
  const server = await HealthServer.listen({ address: '127.0.0.1', port: 0, routes, log });
  servers.push(server);
  return `http://127.0.0.1:${server.port}`;
}

const text: HealthRoute = async () => ({ status: 200, contentType: 'text/plain', body: 'ok\n' });

describe('the health server', () => {
  test('answers its routes, and names them where there is none', async () => {
    const url = await serve({ '/healthz': text, '/readyz': text });
    expect(await (await fetch(`${url}/healthz`)).text()).toBe('ok\n');
    const missing = await fetch(`${url}/nothing`);
    expect([missing.status, await missing.text()]).toEqual([404, 'there is: /healthz, /readyz\n']);
    expect((await fetch(`${url}/constructor`)).status).toBe(404);
  });

  test('only reads', async () => {
    const url = await serve({ '/healthz': text });
    expect((await fetch(`${url}/healthz`, { method: 'POST', body: 'x' })).status).toBe(405);
    const head = await fetch(`${url}/healthz`, { method: 'HEAD' });
    expect([head.status, await head.text()]).toEqual([200, '']);
  });

  test('a route that fails is an answer and a line of the log, without the reason in the answer', async () => {
    const log = new MemoryLog();
    const url = await serve({ '/x': () => Promise.reject(new Error('secret')) }, log);
    const answer = await fetch(`${url}/x`);
    expect(answer.status).toBe(500);
    expect(await answer.text()).not.toContain('secret');
    expect(log.lines.map(({ level }) => level)).toEqual(['error']);
  });

  test('connections that say nothing, or too much, are closed', async () => {
    const url = new URL(await serve({ '/healthz': text }));
    const socket = connect(Number(url.port), '127.0.0.1');
    socket.write(`GET /healthz HTTP/1.1\r\nHost: x\r\nA: ${'a'.repeat(20_000)}\r\n\r\n`);
    const answer: Buffer[] = [];
    for await (const part of socket) answer.push(part as Buffer);
    expect(Buffer.concat(answer).toString()).toContain(' 431 ');
  });

  test('an address that is taken is told with the address', async () => {
    const url = new URL(await serve({ '/healthz': text }));
    const again = HealthServer.listen({
      address: '127.0.0.1',
      port: Number(url.port),
      routes: {},
      log: new MemoryLog(),
    });
    await expect(again).rejects.toThrow(`cannot listen on 127.0.0.1, port ${url.port}`);
  });
});

describe('/v1/realized', () => {
  const asked = '/v1/realized?kind=NetworkPolicy&namespace=shop&name=web&uid=u1&generation=2';
  const parts: RealizedParts = {
    seenVersion: () => ({ uid: 'u1', generation: 2 }),
    settle: async () => undefined,
    state: () => WELL,
  };

  async function ask(changed: Partial<RealizedParts>): Promise<unknown> {
    const url = await serve({ '/v1/realized': realizedRoute({ ...parts, ...changed }) });
    return await (await fetch(url + asked)).json();
  }

  test('is realized when all that was seen is in force', async () => {
    expect(await ask({})).toEqual({ node: 'n1', state: 'realized', reason: '' });
  });

  test('a later version of the same object is as good', async () => {
    expect(await ask({ seenVersion: () => ({ uid: 'u1', generation: 3 }) })).toMatchObject({ state: 'realized' });
  });

  test.each([
    ['unknown here', undefined],
    ['older here', { uid: 'u1', generation: 1 }],
    ['another object of that name', { uid: 'u0', generation: 9 }],
  ])('is not seen when it is %s', async (_, seen) => {
    expect(await ask({ seenVersion: () => seen })).toMatchObject({ state: 'not-seen' });
  });

  test('is not realized when the tables cannot be brought in force', async () => {
    const settle = (): Promise<void> => Promise.reject(new Error('LIMIT_ROWS'));
    expect(await ask({ settle })).toEqual({ node: 'n1', state: 'not-realized', reason: 'LIMIT_ROWS' });
  });

  test('is not realized when it is not enforced as written; a warning is', async () => {
    const object = { apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', namespace: 'shop', name: 'web' };
    const problem = { object, file: undefined, place: undefined, path: 'spec', message: 'm', hint: '' };
    const error = { ...WELL, objectProblems: [{ ...problem, severity: 'error' as const }] };
    const warning = { ...WELL, objectProblems: [{ ...problem, severity: 'warning' as const }] };
    expect(await ask({ state: () => error })).toMatchObject({ state: 'not-realized' });
    expect(await ask({ state: () => warning })).toMatchObject({ state: 'realized' });
  });

  test.each(['', '?kind=Secret&name=a&uid=u&generation=1', '?kind=NetworkPolicy&name=a&uid=u&generation=x'])(
    'refuses %s',
    async (query) => {
      const url = await serve({ '/v1/realized': realizedRoute(parts) });
      expect((await fetch(`${url}/v1/realized${query}`)).status).toBe(400);
    },
  );
});
