import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import { createServer as createTlsServer, type ServerOptions } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { expect, onTestFinished, test } from 'vitest';
import {
  type Credentials,
  HttpTransport,
  type TlsIdentity,
} from '../../../../src/cluster/kubernetes/http-transport.ts';
import { readText } from '../../../../src/cluster/kubernetes/lines.ts';
import { makeCertificates } from '../../../support/api-server-certificates.ts';
import { tempFolder } from '../../lib/temp-folder.ts';

const never = new AbortController().signal;

interface Listening {
  readonly url: URL;
  /** Connections made so far. */
  readonly connections: () => number;
}

async function listening(answer: RequestListener, tls?: ServerOptions): Promise<Listening> {
  const server = tls === undefined ? createServer(answer) : createTlsServer(tls, answer);
  let connections = 0;
  server.on('connection', () => {
    connections += 1;
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const scheme = tls === undefined ? 'http' : 'https';
  return {
    url: new URL(`${scheme}://127.0.0.1:${(server.address() as AddressInfo).port}`),
    connections: () => connections,
  };
}

function transportTo(server: URL, read: () => Promise<Credentials>): HttpTransport {
  const transport = new HttpTransport({ server, read, renew: () => undefined });
  onTestFinished(() => transport.close());
  return transport;
}

const plain = async (): Promise<Credentials> => ({ headers: {}, tls: {} });

async function textOf(transport: HttpTransport, path = '/x', query: Record<string, string> = {}): Promise<string> {
  const response = await transport.send({ path, query, signal: never });
  return `${response.status} ${await readText(response.body, 1_000)}`;
}

test('requests carry the path below that of the server, the query and the credentials, over one connection', async () => {
  const { url, connections } = await listening(({ url: path, headers }, response) =>
    response.end(`${path} ${headers.authorization} ${headers.accept}`),
  );
  url.pathname = '/k8s/clusters/c1/';
  let token = 1;
  const transport = transportTo(url, async () => ({ headers: { authorization: `Bearer t${token++}` }, tls: {} }));
  const path = '/k8s/clusters/c1/api/v1/pods?continue=a%2Fb%3D';
  expect(await textOf(transport, '/api/v1/pods', { continue: 'a/b=' })).toBe(`200 ${path} Bearer t1 application/json`);
  expect(await textOf(transport, '/api/v1/pods', { continue: 'a/b=' })).toBe(`200 ${path} Bearer t2 application/json`);
  expect(connections()).toBe(1);
});

test('an answer of any status is an answer', async () => {
  const { url } = await listening((_, response) => response.writeHead(503, { 'retry-after': '7' }).end());
  const response = await transportTo(url, plain).send({ path: '/x', query: {}, signal: never });
  expect(response).toMatchObject({ status: 503, retryAfter: '7' });
});

test('the server is known by the authority and the client by its certificate; a new one makes a new connection', async () => {
  const { ca, server, client } = makeCertificates(tempFolder());
  const { url, connections } = await listening(
    ({ socket }, response) => response.end((socket as TLSSocket).getPeerCertificate().subject.CN),
    { cert: server.cert, key: server.key, ca: ca.cert, requestCert: true, rejectUnauthorized: true },
  );
  let tls: TlsIdentity = { ca: ca.cert, cert: client.cert, key: client.key };
  const transport = transportTo(url, async () => ({ headers: {}, tls }));
  expect([await textOf(transport), await textOf(transport), connections()]).toEqual(['200 client', '200 client', 1]);
  tls = { ca: Buffer.from(ca.cert), cert: server.cert, key: server.key, servername: 'api.test' };
  expect([await textOf(transport), connections()]).toEqual(['200 server', 2]);
});

test('a server that no known authority vouches for, or for another name, is refused before it sees a token', async () => {
  const { ca, server } = makeCertificates(tempFolder());
  let requests = 0;
  const { url } = await listening(
    (_, response) => {
      requests += 1;
      response.end('ok');
    },
    { cert: server.cert, key: server.key },
  );
  const headers = { authorization: 'Bearer secret' };
  for (const tls of [{}, { ca: ca.cert, servername: 'other.test' }]) {
    const transport = transportTo(url, async () => ({ headers, tls }));
    await expect(textOf(transport)).rejects.toMatchObject({ name: 'ApiError', kind: 'network' });
  }
  expect(requests).toBe(0);
  expect(await textOf(transportTo(url, async () => ({ headers, tls: { rejectUnauthorized: false } })))).toBe('200 ok');
});

test('what cannot be reached, breaks off or cannot be sent is an error of the network', async () => {
  const dead = transportTo(new URL('http://127.0.0.1:1'), plain);
  await expect(textOf(dead)).rejects.toMatchObject({ kind: 'network', message: expect.stringMatching('127.0.0.1:1') });
  const { url } = await listening((_, response) => response.write('half', () => response.destroy()));
  await expect(textOf(transportTo(url, plain))).rejects.toMatchObject({ kind: 'network' });
  const unsendable = transportTo(url, async () => ({ headers: { authorization: 'a\nb' }, tls: {} }));
  await expect(textOf(unsendable)).rejects.toMatchObject({ kind: 'network' });
});

test('an abort ends a request in each of its phases', async () => {
  const { url } = await listening(({ url: path }, response) => {
    if (path === '/body') response.write('start');
  });
  const hanging = transportTo(url, () => new Promise<never>(() => undefined));
  const ready = transportTo(url, plain);
  for (const [transport, path] of [
    [hanging, '/credentials'],
    [ready, '/silence'],
    [ready, '/body'],
  ] as const) {
    const controller = new AbortController();
    const exchange = transport
      .send({ path, query: {}, signal: controller.signal })
      .then(({ body }) => readText(body, 1_000));
    setTimeout(() => controller.abort(), 20);
    await expect(exchange).rejects.toMatchObject({ kind: 'network' });
  }
});

test('credentials that cannot be read are an error of their own', async () => {
  const { url } = await listening((_, response) => response.end());
  const transport = transportTo(url, () => Promise.reject(new Error('plugin exited with 1')));
  await expect(textOf(transport)).rejects.toMatchObject({
    kind: 'credentials',
    message: 'cannot get credentials for the API server: plugin exited with 1',
  });
});
