import { expect, test } from 'vitest';
import { SLICE_ENDPOINTS_MAX, SLICE_PORTS_MAX } from '../../../src/service/limits.ts';
import type { EndpointSlice } from '../../../src/service/model.ts';
import type { Read } from '../../../src/service/problem.ts';
import { readEndpointSlice } from '../../../src/service/validate-endpoint-slice.ts';

const NAME_LABEL = 'kubernetes.io/service-name';

function read(fields: object, labels: object = { [NAME_LABEL]: 'web' }): Read<EndpointSlice> {
  return readEndpointSlice({
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { namespace: 'shop', name: 'web-abc', labels },
    addressType: 'IPv4',
    ports: [{ name: 'http', port: 8080 }],
    endpoints: [],
    ...fields,
  });
}

const paths = ({ problems }: Read<unknown>): readonly string[] =>
  problems.map(({ severity, path }) => `${severity} ${path}`);

test('a slice is read into its slim form', () => {
  const { object, problems } = read({
    endpoints: [
      {
        addresses: ['10.0.0.1', '10.0.0.9'],
        conditions: { ready: false, serving: true, terminating: true },
        nodeName: 'n1',
        zone: 'z1',
        hints: { forZones: [{ name: 'z1' }, { name: 'z2' }], forNodes: [{ name: 'n1' }] },
        targetRef: { kind: 'Pod', name: 'web-0' },
      },
    ],
  });
  expect(problems).toEqual([]);
  expect(object).toEqual({
    namespace: 'shop',
    name: 'web-abc',
    serviceName: 'web',
    headlessLabel: false,
    addressType: 'IPv4',
    ports: [{ name: 'http', protocol: 'TCP', port: 8080 }],
    endpoints: [
      {
        address: '10.0.0.1',
        ready: false,
        serving: true,
        terminating: true,
        nodeName: 'n1',
        zone: 'z1',
        forZones: ['z1', 'z2'],
        forNodes: ['n1'],
      },
    ],
  });
});

test.each<[object | null | undefined, object]>([
  [undefined, { ready: true, serving: true, terminating: false }],
  [null, { ready: true, serving: true, terminating: false }],
  [{}, { ready: true, serving: true, terminating: false }],
  [{ ready: null }, { ready: true, serving: true, terminating: false }],
  [{ ready: false }, { ready: false, serving: true, terminating: false }],
  [{ serving: false }, { ready: true, serving: false, terminating: false }],
  [{ terminating: true }, { ready: true, serving: true, terminating: true }],
])('SVC-3: conditions %j', (conditions, expected) => {
  expect(read({ endpoints: [{ addresses: ['10.0.0.1'], conditions }] }).object?.endpoints[0]).toMatchObject(expected);
});

test('SVC-2: a port without a number is left out, with a warning; one without a name is unnamed', () => {
  const result = read({ ports: [{ name: 'any' }, { port: 80 }, { name: '', port: 81, protocol: 'UDP' }] });
  expect(result.object?.ports).toEqual([
    { name: '', protocol: 'TCP', port: 80 },
    { name: '', protocol: 'UDP', port: 81 },
  ]);
  expect(paths(result)).toEqual(['warning ports[0].port']);
});

test('SVC-2: a slice of names has no endpoints, and says so', () => {
  const result = read({ addressType: 'FQDN', endpoints: [{ addresses: ['example.com'] }] });
  expect([result.object?.endpoints, paths(result)]).toEqual([[], ['warning addressType']]);
});

test('a slice without the label belongs to no Service, and says so', () => {
  const result = read({}, {});
  expect([result.object?.serviceName, paths(result)]).toEqual(['', ['warning metadata.labels']]);
});

test('SVC-1: the label headless is taken', () => {
  const labels = { [NAME_LABEL]: 'web', 'service.kubernetes.io/headless': '' };
  expect(read({}, labels).object?.headlessLabel).toBe(true);
});

test.each<[string, object, string]>([
  ['an address that is none', { addresses: ['10.0.0'] }, 'endpoints[0].addresses[0]'],
  ['no address', { addresses: [] }, 'endpoints[0].addresses'],
  ['no addresses at all', {}, 'endpoints[0].addresses'],
  ['an address of the other family', { addresses: ['fd00::1'] }, 'endpoints[0].addresses[0]'],
  ['a loopback address', { addresses: ['127.0.0.1'] }, 'endpoints[0].addresses[0]'],
  ['a link-local address', { addresses: ['169.254.169.254'] }, 'endpoints[0].addresses[0]'],
  ['the unspecified address', { addresses: ['0.0.0.0'] }, 'endpoints[0].addresses[0]'],
  ['a multicast address', { addresses: ['224.0.0.1'] }, 'endpoints[0].addresses[0]'],
])('%s: the endpoint is left out, the others are kept', (_, wrong, path) => {
  const result = read({ endpoints: [wrong, { addresses: ['10.0.0.2'] }] });
  expect(result.object?.endpoints.map(({ address }) => address)).toEqual(['10.0.0.2']);
  expect(paths(result)).toEqual([`error ${path}`]);
});

test.each(['::', '::1', 'fe80::1', 'ff02::1', '::ffff:10.0.0.1'])('%s is no address of an IPv6 slice', (address) => {
  const { object, problems } = read({ addressType: 'IPv6', endpoints: [{ addresses: [address] }] });
  expect(object?.endpoints).toEqual([]);
  expect(problems.some(({ severity }) => severity === 'error')).toBe(true);
});

test('a list that is too long is not read at all', () => {
  const endpoints = Array.from({ length: SLICE_ENDPOINTS_MAX + 1 }, () => ({ addresses: ['10.0.0.1'] }));
  const ports = Array.from({ length: SLICE_PORTS_MAX + 1 }, (_, i) => ({ name: `p${i}`, port: 1 }));
  const result = read({ endpoints, ports });
  expect([result.object?.endpoints, result.object?.ports, paths(result)]).toEqual([
    [],
    [],
    ['error ports', 'error endpoints'],
  ]);
});

test.each<[object, string]>([
  [{ addressType: undefined }, 'addressType'],
  [{ addressType: 'ipv4' }, 'addressType'],
  [{ apiVersion: 'discovery.k8s.io/v1beta1' }, 'apiVersion'],
  [{ metadata: { namespace: 'shop' } }, 'metadata.name'],
])('%j: it is no slice', (fields, path) => {
  const { object, problems } = read(fields);
  expect([object, problems[0]?.path]).toEqual([undefined, path]);
});
