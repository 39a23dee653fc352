/** `sluice service list|show|trace` on manifests, and what is said of Services and slices that are wrong. */
import { describe, expect, test } from 'vitest';
import { sluice } from './cli-runner.ts';

const node = (name: string, zone: string): object => ({
  apiVersion: 'v1',
  kind: 'Node',
  metadata: { name, labels: { 'topology.kubernetes.io/zone': zone } },
  spec: {},
});
const client = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { namespace: 'shop', name: 'client' },
  spec: { nodeName: 'n1', containers: [{ name: 'c', image: 'c' }] },
  status: { phase: 'Running', podIP: '10.244.0.5', podIPs: [{ ip: '10.244.0.5' }] },
};
const service = (name: string, clusterIP: string, spec: object = {}): object => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { namespace: 'shop', name },
  spec: { clusterIP, clusterIPs: [clusterIP], ports: [{ name: 'http', port: 80 }], ...spec },
});
const slice = (name: string, owner: string, fields: object = {}): object => ({
  apiVersion: 'discovery.k8s.io/v1',
  kind: 'EndpointSlice',
  metadata: { namespace: 'shop', name, ...(owner !== '' && { labels: { 'kubernetes.io/service-name': owner } }) },
  addressType: 'IPv4',
  ports: [{ name: 'http', port: 8080 }],
  endpoints: ['10.244.0.6', '10.244.1.6'].map((address, i) => ({
    addresses: [address],
    nodeName: `n${i + 1}`,
    zone: `z${i + 1}`,
    conditions: { ready: true },
  })),
  ...fields,
});
const SHOP = [node('n1', 'z1'), node('n2', 'z2'), client, service('web', '10.96.0.10'), slice('web-1', 'web')];

function run(objects: readonly object[], ...args: readonly string[]): ReturnType<typeof sluice> {
  return sluice(['service', ...args, '-f', '-'], JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects }));
}

describe('service list and show', () => {
  test('every frontend with its state, affinity and backends', async () => {
    const objects = [...SHOP, service('none', '10.96.0.11', { sessionAffinity: 'ClientIP' })];
    const { stdout, exitCode } = await run(objects, 'list');
    expect(stdout.split('\n').map((line) => line.split(/ {2,}/))).toEqual([
      ['SERVICE', 'FRONTEND', 'STATE', 'AFFINITY', 'BACKENDS'],
      ['shop/web', '10.96.0.10:80/TCP (http)', 'serving', 'none', '2 of 2 endpoints'],
      ['shop/none', '10.96.0.11:80/TCP (http)', 'refused', 'ClientIP, 10800 s', '0 of 0 endpoints'],
      [''],
    ]);
    expect(exitCode).toBe(0);
  });

  test('SVC-31: the view is that of the node', async () => {
    const objects = [...SHOP.slice(0, 3), service('web', '10.96.0.10', { internalTrafficPolicy: 'Local' }), SHOP[4]!];
    const { stdout } = await run(objects, 'show', 'shop/web', '--node', 'n2', '-o', 'json');
    const { frontends } = JSON.parse(stdout) as { frontends: { backends: { address: string }[] }[] };
    expect(frontends[0]?.backends.map(({ address }) => address)).toEqual(['10.244.1.6']);
    expect((await run(objects, 'list')).stderr).toContain('name one with --node');
  });

  test('a Service without frontends is refused with the reasons there may be', async () => {
    const { stderr, exitCode } = await run(SHOP, 'show', 'shop/nobody');
    expect(stderr).toContain('Service shop/nobody has no frontend here: it does not exist, is headless');
    expect(exitCode).toBe(2);
  });
});

describe('service trace', () => {
  const trace = (to: string, ...more: readonly string[]): ReturnType<typeof sluice> =>
    run(SHOP, 'trace', '--from', 'shop/client', '--to', to, ...more);

  test('with the source port it names the backend and why', async () => {
    const { stdout, exitCode } = await trace('web:http', '--source-port', '4321');
    expect(stdout).toContain(`10.244.0.5:4321 -> 10.96.0.10:80/TCP -> 10.244.1.6:8080
  10.96.0.10:80/TCP is Service shop/web, port http
  of its 2 endpoints 2 can be used: ready
  the hash of client 10.244.0.5:4321, 2957665494, leads to slot 42 of 61
  the slot is that of 10.244.1.6:8080 (node n2, zone z2)`);
    expect(exitCode).toBe(0);
  });

  test('without it the shares', async () => {
    expect((await trace('web:80')).stdout).toContain('50.8 % of flows go to 10.244.0.6:8080 (node n1, zone z1)');
  });

  test.each([
    ['web:81', 'Service shop/web has no such port; it has 80/TCP'],
    ['web:80/ICMP', 'write [NAMESPACE/]SERVICE:PORT'],
    ['other:80', 'Service shop/other has no frontend here'],
  ])('to %s is refused: %s', async (to, message) => {
    const { stderr, exitCode } = await trace(to);
    expect(stderr).toContain(message);
    expect(exitCode).toBe(2);
  });

  test('what reaches nothing ends with 1', async () => {
    const objects = [...SHOP, service('none', '10.96.0.11')];
    const { stdout, exitCode } = await run(objects, 'trace', '--from', '10.0.0.9', '--to', 'shop/none:80');
    expect(stdout).toContain('it has no endpoints: rejected');
    expect(exitCode).toBe(1);
  });
});

describe('what is wrong is said of the object, and the rest works', () => {
  test.each<[string, readonly object[], string]>([
    [
      'an invalid address',
      [slice('web-2', 'web', { endpoints: [{ addresses: ['10.244.0.300'] }] })],
      'EndpointSlice shop/web-2: endpoints[0].addresses[0]: "10.244.0.300" is no IP address',
    ],
    ['one address in two slices', [slice('web-2', 'web')], 'EndpointSlice shop/web-2: endpoints: 10.244.0.6:8080'],
    [
      'another family than the slice says',
      [slice('web-2', 'web', { endpoints: [{ addresses: ['fd00::6'] }] })],
      'fd00::6 is no IPv4 address',
    ],
    [
      'ports without names',
      [service('two', '10.96.0.12', { ports: [{ port: 1 }, { port: 2 }] })],
      'spec.ports[0].name',
    ],
    ['a Service without ports', [service('two', '10.96.0.12', { ports: [] })], 'needs at least one port'],
    ['a slice without a Service', [slice('lost-1', 'lost')], 'EndpointSlice shop/lost-1: metadata.labels'],
  ])('%s', async (_, more, message) => {
    const { stdout, stderr } = await run([...SHOP, ...more], 'list');
    expect(stderr).toContain(message);
    expect(stdout).toMatch(/shop\/web +10\.96\.0\.10:80\/TCP \(http\) +serving/);
  });
});
