import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { loadKubeCredentials } from '../../../../src/cluster/kubernetes/kube-credentials.ts';
import { ConfigError } from '../../../../src/lib/errors.ts';
import { tempFolder } from '../../lib/temp-folder.ts';

interface Parts {
  readonly cluster?: object;
  readonly user?: object;
  readonly context?: object;
}

/** JSON is YAML. */
function kubeconfig({ cluster, user, context }: Parts): string {
  const path = join(tempFolder(), 'config');
  const config = {
    'current-context': 'main',
    clusters: [{ name: 'c', cluster: { server: 'https://10.0.0.1:6443', ...cluster } }],
    users: [{ name: 'u', user: { token: 't0', ...user } }],
    contexts: [{ name: 'main', context: { cluster: 'c', user: 'u', ...context } }],
  };
  writeFileSync(path, JSON.stringify(config));
  return path;
}

const base64 = (text: string): string => Buffer.from(text).toString('base64');

test('server, authority, certificate, key and token are those of the kubeconfig', async () => {
  const path = kubeconfig({
    cluster: { 'certificate-authority-data': base64('CA'), 'tls-server-name': 'api.test' },
    user: { 'client-certificate-data': base64('CERT'), 'client-key-data': base64('KEY') },
  });
  const source = await loadKubeCredentials({ kind: 'file', path });
  expect(source.server.href).toBe('https://10.0.0.1:6443/');
  expect(await source.read()).toEqual({
    headers: { authorization: 'Bearer t0' },
    tls: { ca: Buffer.from('CA'), cert: Buffer.from('CERT'), key: Buffer.from('KEY'), servername: 'api.test' },
  });
});

test('a kubeconfig is read anew when the credentials are renewed, and not before', async () => {
  const path = kubeconfig({});
  const source = await loadKubeCredentials({ kind: 'file', path });
  writeFileSync(path, readFileSync(path, 'utf8').replace('t0', 't1'));
  expect((await source.read()).headers).toEqual({ authorization: 'Bearer t0' });
  source.renew();
  expect((await source.read()).headers).toEqual({ authorization: 'Bearer t1' });
});

test('a plugin is run once for requests that begin together, and again when the credentials are renewed', async () => {
  const folder = tempFolder();
  const plugin = join(folder, 'plugin');
  const status = '{"status":{"token":"from-plugin"}}';
  writeFileSync(plugin, `#!/bin/sh\necho run >>${folder}/runs\necho '${status}'\n`);
  chmodSync(plugin, 0o755);
  const exec = { apiVersion: 'client.authentication.k8s.io/v1', command: plugin, interactiveMode: 'Never' };
  const source = await loadKubeCredentials({ kind: 'file', path: kubeconfig({ user: { token: undefined, exec } }) });
  const runs = (): number => readFileSync(join(folder, 'runs'), 'utf8').trim().split('\n').length;
  const all = await Promise.all([source.read(), source.read(), source.read()]);
  expect(all.map(({ headers }) => headers['authorization'])).toEqual(Array(3).fill('Bearer from-plugin'));
  expect(runs()).toBe(1);
  source.renew();
  await source.read();
  expect(runs()).toBe(2);
});

test('a plugin that fails says so', async () => {
  const exec = { apiVersion: 'client.authentication.k8s.io/v1', command: '/nonexistent/plugin' };
  const source = await loadKubeCredentials({ kind: 'file', path: kubeconfig({ user: { token: undefined, exec } }) });
  await expect(source.read()).rejects.toThrow('/nonexistent/plugin');
});

test('in a pod, the token is that of the file, without its newline, also after it was replaced', async () => {
  const root = tempFolder();
  const folder = join(root, 'var/run/secrets/kubernetes.io/serviceaccount');
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'ca.crt'), 'CA');
  writeFileSync(join(folder, 'token'), 'one\n');
  vi.stubEnv('KUBERNETES_SERVICE_HOST', 'fd00::1');
  vi.stubEnv('KUBERNETES_SERVICE_PORT', '443');
  try {
    const source = await loadKubeCredentials({ kind: 'in-cluster', root });
    expect(source.server.href).toBe('https://[fd00::1]/');
    expect(await source.read()).toEqual({ headers: { authorization: 'Bearer one' }, tls: { ca: Buffer.from('CA') } });
    writeFileSync(join(folder, 'token'), 'two\n');
    source.renew();
    expect((await source.read()).headers).toEqual({ authorization: 'Bearer two' });
  } finally {
    vi.unstubAllEnvs();
  }
});

test('basic authentication and impersonation become headers; a proxy brings its own way', async () => {
  const path = kubeconfig({
    cluster: { 'proxy-url': 'http://proxy.test:3128' },
    user: { token: undefined, username: 'me', password: 'pw', as: 'other' },
  });
  const { headers, proxyAgent } = await (await loadKubeCredentials({ kind: 'file', path })).read();
  expect(headers['authorization']).toBe(`Basic ${base64('me:pw')}`);
  expect(proxyAgent).toBeDefined();
});

test('a configuration that cannot be used is refused with what is wrong in it', async () => {
  const load = (parts: Parts, context?: string): Promise<unknown> =>
    loadKubeCredentials({ kind: 'file', path: kubeconfig(parts), ...(context !== undefined && { context }) });
  await expect(load({}, 'prod')).rejects.toThrow(/has no context "prod"; it has: main$/);
  await expect(load({ context: { cluster: 'x' } })).rejects.toThrow('has no cluster "x"');
  await expect(load({ context: { user: 'x' } })).rejects.toThrow('has no user "x"');
  await expect(load({ cluster: { server: 'http://10.0.0.1:8080' } })).rejects.toThrow('is not encrypted');
  await expect(load({ cluster: { server: 'ftp://x' } })).rejects.toThrow('is no address of an API server');
  await expect(load({})).resolves.toBeDefined();
  const missing = loadKubeCredentials({ kind: 'file', path: '/nonexistent/config' });
  await expect(missing).rejects.toThrow(/cannot read the kubeconfig \/nonexistent\/config: ENOENT/);
  await expect(missing).rejects.toThrow(ConfigError);
  vi.stubEnv('KUBERNETES_SERVICE_HOST', undefined);
  const outside = loadKubeCredentials({ kind: 'in-cluster' });
  await expect(outside).rejects.toThrow('is this a pod of the cluster?');
  vi.unstubAllEnvs();
});
