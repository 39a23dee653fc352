import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { ApiClient } from '../../../src/cluster/kubernetes/api-client.ts';
import { HttpTransport } from '../../../src/cluster/kubernetes/http-transport.ts';
import { askNodes, policyVersion } from '../../../src/commands/support/realized-on-nodes.ts';
import { readTarget } from '../../../src/commands/wait.ts';
import { systemClock } from '../../../src/lib/clock.ts';

const open: (() => void)[] = [];
afterEach(() => {
  for (const close of open.splice(0)) close();
});

/** Answers GET by path; what it does not have is 404. */
async function clientOf(objects: Readonly<Record<string, unknown>>): Promise<{ client: ApiClient; asked: string[] }> {
  const asked: string[] = [];
  const server: Server = createServer((request, response) => {
    asked.push(request.url ?? '');
    const { pathname } = new URL(request.url ?? '/', 'http://x');
    const body = objects[pathname];
    response.writeHead(body === undefined ? 404 : 200).end(JSON.stringify(body ?? { code: 404, message: 'no' }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  const transport = new HttpTransport({
    server: url,
    read: async () => ({ headers: {}, tls: {} }),
    renew: () => undefined,
  });
  open.push(() => {
    transport.close();
    server.close();
    server.closeAllConnections();
  });
  return { client: new ApiClient(transport, systemClock), asked };
}

const list = (...items: readonly object[]): object => ({ kind: 'List', metadata: { resourceVersion: '1' }, items });
const node = (name: string): object => ({ metadata: { name } });
const agent = (name: string, nodeName: string, more: object = {}): object => ({
  metadata: { name, ...more },
  spec: { nodeName, containers: [{ ports: [{ name: 'health', containerPort: 9971 }] }] },
  status: { phase: 'Running' },
});
const PODS = '/api/v1/namespaces/sluice-system/pods';
const ASKED = { kind: 'NetworkPolicy', namespace: 'shop', name: 'web', uid: 'u1', generation: 2 } as const;

describe('what is waited for', () => {
  test.each([
    ['networkpolicy/web', { kind: 'NetworkPolicy', namespace: 'shop', name: 'web' }],
    ['netpol/web', { kind: 'NetworkPolicy', namespace: 'shop', name: 'web' }],
    ['networkpolicies.networking.k8s.io/web', { kind: 'NetworkPolicy', namespace: 'shop', name: 'web' }],
    ['ClusterNetworkPolicy/all', { kind: 'ClusterNetworkPolicy', namespace: '', name: 'all' }],
  ])('%s', (text, target) => {
    expect(readTarget(text, 'shop')).toEqual(target);
  });

  test.each(['web', 'pod/web', 'networkpolicy/', 'networkpolicy/a/b'])('%s is refused with the right form', (text) => {
    expect(() => readTarget(text, undefined)).toThrow('use networkpolicy/NAME with -n NAMESPACE');
  });

  test('the version that counts is the one the API server has now', async () => {
    const path = '/apis/networking.k8s.io/v1/namespaces/shop/networkpolicies/web';
    const { client } = await clientOf({ [path]: { metadata: { uid: 'u1', generation: 4 } } });
    expect(await policyVersion(client, ASKED)).toEqual({ uid: 'u1', generation: 4 });
    await expect(policyVersion(client, { ...ASKED, name: 'other' })).rejects.toThrow(
      'NetworkPolicy shop/other cannot be',
    );
  });
});

describe('the nodes', () => {
  test('each is asked by way of its agent’s pod, with the version', async () => {
    const { client, asked } = await clientOf({
      '/api/v1/nodes': list(node('n2'), node('n1')),
      [PODS]: list(agent('a1', 'n1'), agent('a2', 'n2')),
      [`${PODS}/a1:9971/proxy/v1/realized`]: { node: 'n1', state: 'realized', reason: '' },
      [`${PODS}/a2:9971/proxy/v1/realized`]: { node: 'n2', state: 'not-seen', reason: 'wait' },
    });
    expect(await askNodes(client, ASKED, 'sluice-system')).toEqual([
      { node: 'n1', state: 'realized', reason: '' },
      { node: 'n2', state: 'not-seen', reason: 'wait' },
    ]);
    expect(asked).toContain(
      `${PODS}/a1:9971/proxy/v1/realized?kind=NetworkPolicy&namespace=shop&name=web&uid=u1&generation=2`,
    );
  });

  test('one without an agent, one whose agent does not answer and one with an unknown answer are told as such', async () => {
    const { client } = await clientOf({
      '/api/v1/nodes': list(node('n1'), node('n2'), node('n3')),
      [PODS]: list(agent('a2', 'n2'), agent('a3', 'n3')),
      [`${PODS}/a3:9971/proxy/v1/realized`]: { state: 'hm' },
    });
    const states = await askNodes(client, ASKED, 'sluice-system');
    expect(states.map(({ node: name, state }) => [name, state])).toEqual([
      ['n1', 'no-agent'],
      ['n2', 'no-answer'],
      ['n3', 'no-answer'],
    ]);
  });

  test('a pod on its way out is not asked where another runs', async () => {
    const { client } = await clientOf({
      '/api/v1/nodes': list(node('n1')),
      [PODS]: list(agent('new', 'n1'), agent('old', 'n1', { deletionTimestamp: '2026-01-01T00:00:00Z' })),
      [`${PODS}/new:9971/proxy/v1/realized`]: { state: 'realized', reason: '' },
    });
    expect(await askNodes(client, ASKED, 'sluice-system')).toMatchObject([{ state: 'realized' }]);
  });
});
