/** `--cluster`: the dry-run commands over an API server, which is read and not written. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { knownResources } from '../../src/cluster/kubernetes/resource.ts';
import { ApiServer } from '../support/api-server.ts';
import type { RawObject } from '../support/api-server-store.ts';
import { tempFolder } from '../unit/lib/temp-folder.ts';
import { sluice, tempFile } from './cli-runner.ts';

const PODS = '/api/v1/pods';
const NODES = '/api/v1/nodes';
const POLICIES = '/apis/networking.k8s.io/v1/networkpolicies';
const CLUSTER_POLICIES = '/apis/policy.networking.k8s.io/v1alpha2/clusternetworkpolicies';
const REPLICA_SETS = '/apis/apps/v1/replicasets';
const WORKLOADS = ['deployments', 'replicasets', 'statefulsets', 'daemonsets'].map((name) => `/apis/apps/v1/${name}`);
const JOBS = ['/apis/batch/v1/jobs', '/apis/batch/v1/cronjobs', '/api/v1/replicationcontrollers'];
const PATHS = [...knownResources().map(({ path }) => path), ...WORKLOADS, ...JOBS];

const FORBIDDEN = { kind: 'status', code: 403, body: { kind: 'Status', code: 403, message: 'not you' } } as const;

/** Two Deployments as a cluster holds them, and the policy that lets one reach the other on 8080. */
async function shop(): Promise<{ readonly server: ApiServer; readonly flags: readonly string[] }> {
  const server = await ApiServer.start(PATHS);
  onTestFinished(() => server[Symbol.asyncDispose]());
  server.set('/api/v1/namespaces', { metadata: { name: 'shop', labels: { team: 'shop' } } });
  server.set(NODES, { metadata: { name: 'n1' }, spec: { podCIDRs: ['10.0.0.0/24'] } });
  addWorkload(server, 'web', '10.0.0.1');
  addWorkload(server, 'db', '10.0.0.2');
  server.set(
    POLICIES,
    policy('db', [{ from: [{ podSelector: { matchLabels: { app: 'web' } } }], ports: [{ port: 8080 }] }]),
  );
  return { server, flags: ['--cluster', '--kubeconfig', kubeconfig(server.port)] };
}

function addWorkload(server: ApiServer, app: string, ip: string): void {
  const owned = (kind: string, name: string): RawObject['metadata'] => {
    const ownerReferences = [{ kind, name, controller: true }];
    const metadata = { name: `${name}-1`, namespace: 'shop', labels: { app }, ownerReferences };
    return metadata;
  };
  server.set('/apis/apps/v1/deployments', { metadata: { name: app, namespace: 'shop' }, spec: { replicas: 5 } });
  server.set(REPLICA_SETS, { metadata: owned('Deployment', app), spec: { replicas: 5 } });
  server.set(PODS, {
    metadata: owned('ReplicaSet', `${app}-1`),
    spec: { nodeName: 'n1', containers: [{ name: 'c' }] },
    status: { phase: 'Running', podIP: ip, podIPs: [{ ip }] },
  });
}

function policy(app: string, ingress: readonly object[]): RawObject {
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { name: app, namespace: 'shop' },
    spec: { podSelector: { matchLabels: { app } }, ingress },
  };
}

/** JSON is YAML. */
function kubeconfig(port: number, contexts: readonly string[] = ['one']): string {
  const cluster = { server: `http://127.0.0.1:${port}`, 'insecure-skip-tls-verify': true };
  return tempFile(
    'kubeconfig',
    JSON.stringify({
      apiVersion: 'v1',
      kind: 'Config',
      clusters: [{ name: 'c', cluster }],
      users: [{ name: 'u', user: { token: 'secret' } }],
      contexts: contexts.map((name) => ({ name, context: { cluster: 'c', user: 'u' } })),
      'current-context': contexts[0],
    }),
  );
}

const ASK = ['explain', '--from', 'shop/deploy/web', '--to', 'shop/deploy/db', '--port'];

test('NP-12: explain answers about the live cluster, by the names of its workloads, and only reads', async () => {
  const { server, flags } = await shop();
  const allowed = await sluice([...ASK, '8080', ...flags]);
  expect(allowed).toMatchObject({ exitCode: 0, stderr: '' });
  expect(allowed.stdout).toContain('shop/deploy/web -> shop/deploy/db on TCP 8080: allowed');
  const denied = await sluice([...ASK, '9090', ...flags]);
  expect(denied.exitCode).toBe(1);
  expect(denied.stdout).toContain('port 9090 is not 8080');
  expect(server.requests.every(({ verb }) => verb === 'list')).toBe(true);
  expect(server.requests[0]?.authorization).toBe('Bearer secret');
});

test('every kind is read once, in pages of one version', async () => {
  const { server, flags } = await shop();
  for (let i = 0; i < 1100; i++) {
    server.set(PODS, {
      metadata: { name: `p${i}`, namespace: 'shop' },
      spec: { containers: [] },
      status: { phase: 'Running', podIP: `10.1.${i >> 8}.${i & 255}`, podIPs: [{ ip: `10.1.${i >> 8}.${i & 255}` }] },
    });
  }
  // Gone from the server while the list is on its way: the pages still have it.
  server.onPage = () => {
    const isUnderWay = server.seen('list', PODS).length === 1;
    if (isUnderWay && server.store.list(PODS).length === 1102) server.delete(PODS, 'shop/web-1-1');
  };
  const { exitCode, stdout } = await sluice([...ASK, '8080', ...flags]);
  expect({ exitCode, allowed: stdout.includes('allowed') }).toEqual({ exitCode: 0, allowed: true });
  expect(server.seen('list', PODS)).toHaveLength(3);
  expect(server.seen('list', POLICIES)).toHaveLength(1);
});

test('a list whose pages are forgotten on the way begins anew, and a server that stumbles is asked again', async () => {
  const { server, flags } = await shop();
  server.inject('list', [{ kind: 'status', code: 410 }], PODS);
  server.inject('list', [{ kind: 'status', code: 503 }], POLICIES);
  const { exitCode, stderr } = await sluice([...ASK, '8080', ...flags]);
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
});

test('a kind without which no answer is true must be readable; the message says what is needed', async () => {
  const { server, flags } = await shop();
  server.inject('list', [FORBIDDEN], POLICIES);
  const { exitCode, stdout, stderr } = await sluice([...ASK, '8080', ...flags]);
  expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' });
  expect(stderr).toBe(
    'sluice: networkpolicies cannot be listed: the API server answered 403: not you; --cluster needs "list" on networkpolicies.networking.k8s.io in all namespaces\n',
  );
  server.inject('list', [FORBIDDEN], CLUSTER_POLICIES);
  expect((await sluice([...ASK, '8080', ...flags])).stderr).toContain('clusternetworkpolicies cannot be listed');
});

test('what can be done without is told as a note', async () => {
  const { server, flags } = await shop();
  server.absent.add(CLUSTER_POLICIES);
  server.inject('list', [FORBIDDEN], NODES);
  server.inject('list', [FORBIDDEN], '/apis/batch/v1/jobs');
  const { exitCode, stdout } = await sluice([...ASK, '8080', ...flags, '-o', 'json']);
  expect(exitCode).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({
    notes: [
      'nodes may not be listed, so addresses of nodes and their podCIDRs are not known',
      'jobs may not be listed, so workloads are not known by name',
    ],
  });
});

test('a cluster that cannot be reached, a wrong context and a missing kubeconfig each say so', async () => {
  const { server, flags } = await shop();
  const unknown = await sluice([...ASK, '80', ...flags, '--context', 'two']);
  expect(unknown.stderr).toContain('has no context "two"; it has: one');
  const missing = await sluice([...ASK, '80', '--cluster', '--kubeconfig', '/does/not/exist']);
  expect(missing.stderr).toContain('cannot read the kubeconfig /does/not/exist');
  await server[Symbol.asyncDispose]();
  const gone = await sluice([...ASK, '80', ...flags]);
  expect(gone.stderr).toMatch(
    /^sluice: namespaces cannot be listed: the API server 127\.0\.0\.1:\d+: .*ECONNREFUSED.*--context/,
  );
  for (const { exitCode } of [unknown, missing, gone]) expect(exitCode).toBe(2);
  const alone = await sluice([...ASK, '80', '-f', 'examples/shop', '--context', 'one']);
  expect(alone).toMatchObject({
    exitCode: 2,
    stderr: 'sluice: --context says which cluster: add --cluster to read one\n',
  });
});

test('manifests take the place of what the cluster has under their name', async () => {
  const { flags } = await shop();
  const candidate = tempFile('db.json', JSON.stringify(policy('db', [{ ports: [{ port: 9090 }] }])));
  const { exitCode, stdout } = await sluice([...ASK, '9090', ...flags, '-f', candidate]);
  expect(exitCode).toBe(0);
  expect(stdout).toContain(candidate);
});

test('diff takes the cluster as a side and beneath both; it is read once', async () => {
  const { server, flags } = await shop();
  const folder = tempFolder();
  mkdirSync(join(folder, 'new'));
  writeFileSync(join(folder, 'new/db.json'), JSON.stringify(policy('db', [{ ports: [{ port: 9090 }] }])));
  const changed = join(folder, 'new');
  const args = ['diff', 'cluster', changed, '--with', 'cluster', '-o', 'json', ...flags.slice(1)];
  const { exitCode, stdout } = await sluice(args);
  expect(exitCode).toBe(1);
  expect(JSON.parse(stdout)).toMatchObject({ changed: true });
  expect(stdout).toContain('shop/deploy/db');
  expect(server.seen('list', PODS)).toHaveLength(1);
  const same = await sluice(['diff', 'cluster', 'cluster:one', ...flags.slice(1)]);
  expect(same.exitCode).toBe(0);
});

test('every command that judges manifests judges a cluster', async () => {
  const { flags } = await shop();
  const flows = tempFile(
    'flows.jsonl',
    '{"sourcePod":"shop/web-1-1","destinationPod":"shop/db-1-1","destinationPort":8080}\n',
  );
  const tests = tempFile(
    'test.yaml',
    'apiVersion: sluice/v1\nkind: PolicyTest\nmetadata: { name: t }\nexpect: [{ from: shop/deploy/web, to: shop/deploy/db, port: 8080, verdict: allow }]\n',
  );
  for (const args of [
    ['matrix'],
    ['compile'],
    ['compile', '--node', 'n1'],
    ['replay', flows],
    ['test', tests],
    ['lint'],
  ]) {
    const { exitCode, stderr } = await sluice([...args, ...flags]);
    expect({ args, exitCode, stderr }).toEqual({ args, exitCode: 0, stderr: '' });
  }
});

test('lint names the objects of a cluster, which stand in no file', async () => {
  const { server, flags } = await shop();
  server.set(POLICIES, policy('nobody', []));
  const { exitCode, stdout } = await sluice(['lint', ...flags]);
  expect(exitCode).toBe(1);
  expect(stdout).toContain('cluster: warning SL010 NetworkPolicy shop/nobody');
});
