import { describe, expect, test } from 'vitest';
import type { Read } from '../../../src/service/problem.ts';
import type { Service } from '../../../src/service/model.ts';
import { PROBLEMS_MAX } from '../../../src/service/limits.ts';
import { readService } from '../../../src/service/validate-service.ts';

const PORT = { port: 80 };

function read(spec: object, labels: object = {}): Read<Service> {
  return readService({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { namespace: 'shop', name: 'web', labels },
    spec: { clusterIP: '10.96.0.1', ports: [PORT], ...spec },
  });
}

function paths({ problems }: Read<Service>): readonly string[] {
  return problems.map(({ severity, path }) => `${severity} ${path}`);
}

test('a Service is read into its slim, defaulted form', () => {
  expect(read({})).toEqual({
    object: {
      namespace: 'shop',
      name: 'web',
      type: 'ClusterIP',
      headless: false,
      clusterIPs: ['10.96.0.1'],
      ports: [{ name: '', protocol: 'TCP', port: 80 }],
      affinityTimeoutSeconds: 0,
      internalTrafficPolicy: 'Cluster',
      trafficDistribution: '',
      publishNotReadyAddresses: false,
      headlessLabel: false,
    },
    problems: [],
  });
});

test('every field that counts is taken', () => {
  const { object, problems } = read(
    {
      clusterIPs: ['10.96.0.1', 'FD96:0::1'],
      ports: [
        { name: 'dns', port: 53, protocol: 'UDP', targetPort: 'dns' },
        { name: 'dns-tcp', port: 53 },
      ],
      sessionAffinity: 'ClientIP',
      sessionAffinityConfig: { clientIP: { timeoutSeconds: 60 } },
      internalTrafficPolicy: 'Local',
      trafficDistribution: 'PreferSameZone',
      publishNotReadyAddresses: true,
    },
    { 'service.kubernetes.io/service-proxy-name': 'other', 'service.kubernetes.io/headless': '' },
  );
  expect(problems).toEqual([]);
  expect(object).toMatchObject({
    clusterIPs: ['10.96.0.1', 'fd96::1'],
    ports: [
      { name: 'dns', protocol: 'UDP', port: 53 },
      { name: 'dns-tcp', protocol: 'TCP', port: 53 },
    ],
    affinityTimeoutSeconds: 60,
    internalTrafficPolicy: 'Local',
    trafficDistribution: 'PreferSameZone',
    publishNotReadyAddresses: true,
    proxyName: 'other',
    headlessLabel: true,
  });
});

test('SVC-24: affinity without a timeout has the default of three hours', () => {
  expect(read({ sessionAffinity: 'ClientIP' }).object?.affinityTimeoutSeconds).toBe(10_800);
  expect(read({ sessionAffinityConfig: { clientIP: { timeoutSeconds: 5 } } }).object?.affinityTimeoutSeconds).toBe(0);
});

describe('SVC-1: without frontends', () => {
  test('a headless Service needs no port', () => {
    const { object, problems } = read({ clusterIP: 'None', clusterIPs: ['None'], ports: undefined });
    expect([object?.headless, object?.clusterIPs, problems]).toEqual([true, [], []]);
  });

  test('an ExternalName needs neither address nor port', () => {
    const { object, problems } = read({ type: 'ExternalName', externalName: 'a.b', clusterIP: '', ports: undefined });
    expect([object?.type, object?.clusterIPs, problems]).toEqual(['ExternalName', [], []]);
  });
});

test('an address that is not given yet is a warning', () => {
  const result = read({ clusterIP: '' });
  expect([result.object?.clusterIPs, paths(result)]).toEqual([[], ['warning spec.clusterIP']]);
});

test('leading zeros are decimal, and a warning', () => {
  const result = read({ clusterIP: '010.096.0.01' });
  expect([result.object?.clusterIPs, paths(result)]).toEqual([['10.96.0.1'], ['warning spec.clusterIP']]);
});

test.each<[string, object, string]>([
  ['no ports', { ports: [] }, 'error spec.ports'],
  ['ports that are absent', { ports: undefined }, 'error spec.ports'],
  ['several ports, one without a name', { ports: [{ name: 'a', port: 1 }, PORT] }, 'error spec.ports[1].name'],
  ['one name twice', { ports: [1, 2].map((port) => ({ name: 'a', port })) }, 'error spec.ports[1].name'],
  ['one port twice', { ports: ['a', 'b'].map((name) => ({ name, port: 1 })) }, 'error spec.ports[1].port'],
  ['a port without a number', { ports: [{ name: 'a' }] }, 'error spec.ports[0].port'],
  ['a port in quotes', { ports: [{ port: '80' }] }, 'error spec.ports[0].port'],
  ['port 0', { ports: [{ port: 0 }] }, 'error spec.ports[0].port'],
  ['a protocol in lower case', { ports: [{ port: 80, protocol: 'tcp' }] }, 'error spec.ports[0].protocol'],
  ['a port name of the wrong form', { ports: [{ port: 80, name: 'A_b' }] }, 'error spec.ports[0].name'],
  ['an address that is none', { clusterIP: '10.96.0' }, 'error spec.clusterIP'],
  ['a loopback address', { clusterIP: '127.0.0.1' }, 'error spec.clusterIP'],
  ['the metadata address', { clusterIP: '169.254.169.254' }, 'error spec.clusterIP'],
  ['an address with a prefix length', { clusterIP: '10.96.0.1/32' }, 'error spec.clusterIP'],
  ['SVC-7: two of one family', { clusterIPs: ['10.96.0.1', '10.96.0.2'] }, 'error spec.clusterIPs[1]'],
  ['None beside an address', { clusterIPs: ['None', 'fd96::1'] }, 'error spec.clusterIPs'],
  ['an unknown type', { type: 'clusterip' }, 'error spec.type'],
  ['an unknown policy', { internalTrafficPolicy: 'local' }, 'error spec.internalTrafficPolicy'],
  [
    'a timeout that is too long',
    { sessionAffinity: 'ClientIP', sessionAffinityConfig: { clientIP: { timeoutSeconds: 86_401 } } },
    'error spec.sessionAffinityConfig.clientIP.timeoutSeconds',
  ],
])('%s: the Service is not used', (_, spec, problem) => {
  const result = read(spec);
  expect([result.object, paths(result)]).toEqual([undefined, [problem]]);
});

test.each<[string, object, string, string]>([
  ['NodePort', { type: 'NodePort', ports: [{ port: 80, nodePort: 30_080 }] }, 'spec.type', 'node ports are'],
  ['LoadBalancer', { type: 'LoadBalancer' }, 'spec.type', 'node ports and load balancer addresses are'],
  ['external addresses', { externalIPs: ['192.0.2.1', '192.0.2.2'] }, 'spec.externalIPs', 'external addresses are'],
])('%s: what is left to kube-proxy is said once', (_, spec, path, words) => {
  const { object, problems } = read(spec);
  expect(object?.clusterIPs).toEqual(['10.96.0.1']);
  expect(problems).toMatchObject([{ severity: 'warning', path }]);
  expect(problems[0]?.message).toContain(`${words} left to kube-proxy`);
});

test.each<[unknown, string]>([
  [null, ''],
  ['text', ''],
  [[], ''],
  [{ kind: 'Pod', metadata: { name: 'a' } }, 'kind'],
  [{ apiVersion: 'v2', metadata: { name: 'a' } }, 'apiVersion'],
  [{}, 'metadata'],
  [{ metadata: [] }, 'metadata'],
  [{ metadata: {} }, 'metadata.name'],
  [{ metadata: { name: 7 } }, 'metadata.name'],
  [{ metadata: { name: 'a', namespace: 'B' } }, 'metadata.namespace'],
  [{ metadata: { name: 'a' } }, 'spec'],
  [{ metadata: { name: 'a' }, spec: 'b' }, 'spec'],
])('%j is no Service', (raw, path) => {
  const { object, problems } = readService(raw);
  expect(object).toBe(undefined);
  expect(problems[0]).toMatchObject({ severity: 'error', path });
});

test('problems are bounded', () => {
  const { problems } = read({ ports: Array.from({ length: 500 }, () => ({ port: 'x' })) });
  expect(problems.length).toBe(PROBLEMS_MAX + 1);
  expect(problems.at(-1)?.message).toContain('more problems are not listed');
});
