/** Pods, namespaces and nodes. */
import { describe, expect, test } from 'vitest';
import { bareNamespace, readNamespace, readNode, readPod } from '../../../src/policy/validate.ts';

const NAME_LABEL = 'kubernetes.io/metadata.name';

describe('a Namespace', () => {
  test('NP-25: always carries its name as a label', () => {
    expect(readNamespace({ metadata: { name: 'shop', labels: { team: 'a' } } })).toEqual({
      object: { name: 'shop', labels: { team: 'a', [NAME_LABEL]: 'shop' } },
      problems: [],
    });
    expect(bareNamespace('shop')).toEqual({ name: 'shop', labels: { [NAME_LABEL]: 'shop' } });
  });

  test('NP-25: another value of that label is replaced, with a warning', () => {
    const { object, problems } = readNamespace({ metadata: { name: 'shop', labels: { [NAME_LABEL]: 'bank' } } });
    expect(object?.labels[NAME_LABEL]).toBe('shop');
    expect(problems).toMatchObject([{ severity: 'warning', path: `metadata.labels["${NAME_LABEL}"]` }]);
  });

  test('with a wrong label it is not known', () => {
    expect(readNamespace({ metadata: { name: 'shop', labels: { team: 7 } } }).object).toBeUndefined();
  });

  test.each(['Shop', 'a.b', 'a'.repeat(64), '-a'])('%j is no name of one', (name) => {
    const { object, problems } = readNamespace({ metadata: { name } });
    expect(object).toBeUndefined();
    expect(problems).toMatchObject([{ path: 'metadata.name', severity: 'error' }]);
  });
});

function ports(...list: object[]): object {
  return { ports: list };
}

describe('a Pod', () => {
  const metadata = { namespace: 'shop', name: 'web-0', uid: 'u1', labels: { app: 'web' } };

  test('is read into its slim form', () => {
    const { object, problems } = readPod({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata,
      spec: { nodeName: 'n1', containers: [{ ports: [{ name: 'http', containerPort: 80 }, { containerPort: 81 }] }] },
      status: { phase: 'Running', podIP: '10.0.0.1', podIPs: [{ ip: '10.0.0.1' }, { ip: 'FD00::1' }] },
    });
    expect(problems).toEqual([]);
    expect(object).toEqual({
      namespace: 'shop',
      name: 'web-0',
      uid: 'u1',
      nodeName: 'n1',
      labels: { app: 'web' },
      podIPs: ['10.0.0.1', 'fd00::1'],
      hostNetwork: false,
      terminal: false,
      namedPorts: [{ name: 'http', protocol: 'TCP', containerPort: 80 }],
    });
  });

  test('annotations may hold any text, under keys with capitals in the prefix, too', () => {
    const annotations = { 'Example.COM/Note': 'any text, {"even": "JSON"}', plain: '' };
    expect(readPod({ metadata: { ...metadata, annotations } }).problems).toEqual([]);
  });

  test('with a name alone is a pod nobody has placed yet', () => {
    const { object, problems } = readPod({ metadata: { name: 'web' } });
    expect(problems).toEqual([]);
    expect(object).toMatchObject({ namespace: 'default', nodeName: '', podIPs: [], uid: '', terminal: false });
  });

  test.each([
    [{ podIP: '10.0.0.1' }, ['10.0.0.1']],
    [{ podIP: '', podIPs: [] }, []],
    [{ podIPs: [{ ip: '' }] }, []],
    [{ podIP: '10.0.0.1', podIPs: [{ ip: '10.0.0.1' }, { ip: '10.0.0.1' }] }, ['10.0.0.1']],
    [{ podIP: '010.0.0.1' }, ['10.0.0.1']],
    [{ podIP: '::ffff:10.0.0.1' }, ['10.0.0.1']],
    [{ podIPs: [{ ip: '2001:DB8:0:0::1' }] }, ['2001:db8::1']],
  ])('NP-123: the addresses of %j are %j', (status, expected) => {
    expect(readPod({ metadata, status }).object?.podIPs).toEqual(expected);
  });

  test.each([
    ['', false],
    ['Pending', false],
    ['Running', false],
    ['Unknown', false],
    ['Succeeded', true],
    ['Failed', true],
  ])('NP-120: in phase %s terminal is %s', (phase, terminal) => {
    expect(readPod({ metadata, status: { phase } }).object?.terminal).toBe(terminal);
  });

  test('NP-49: named ports are those of containers, then of sidecars, all of them, and not of other init containers', () => {
    const spec = {
      containers: [
        ports({ name: 'web', containerPort: 80 }, { name: 'web', containerPort: 81 }),
        ports({ name: 'web', containerPort: 80, protocol: 'UDP' }),
      ],
      initContainers: [
        { ...ports({ name: 'web', containerPort: 90 }), restartPolicy: 'Always' },
        ports({ name: 'web', containerPort: 91 }),
      ],
    };
    const found = readPod({ metadata, spec }).object?.namedPorts;
    expect(found?.map(({ protocol, containerPort }) => `${protocol} ${containerPort}`)).toEqual([
      'TCP 80',
      'TCP 81',
      'UDP 80',
      'TCP 90',
    ]);
  });

  test('NP-125: a static pod has the uid that the runtime knows it by', () => {
    const annotations = { 'kubernetes.io/config.hash': 'h1', 'kubernetes.io/config.mirror': 'h1' };
    expect(readPod({ metadata: { ...metadata, annotations } }).object?.uid).toBe('h1');
    const hashOnly = { 'kubernetes.io/config.hash': 'h1' };
    expect(readPod({ metadata: { ...metadata, annotations: hashOnly } }).object?.uid).toBe('u1');
  });

  test.each([
    [{ metadata: { ...metadata, labels: { app: 1 } } }, 'metadata.labels["app"]'],
    [{ metadata: { ...metadata, labels: ['app'] } }, 'metadata.labels'],
    [{ metadata: { ...metadata, annotations: { note: true } } }, 'metadata.annotations["note"]'],
    [{ metadata: { ...metadata, name: 'Web' } }, 'metadata.name'],
    [{ metadata, spec: [] }, 'spec'],
    [{ metadata, spec: { hostNetwork: 'true' } }, 'spec.hostNetwork'],
    [{ metadata, spec: { nodeName: 5 } }, 'spec.nodeName'],
    [
      { metadata, spec: { containers: [{ ports: [{ containerPort: '80' }] }] } },
      'spec.containers[0].ports[0].containerPort',
    ],
    [{ metadata, spec: { containers: [{ ports: [{ name: 'http' }] }] } }, 'spec.containers[0].ports[0].containerPort'],
    [
      { metadata, spec: { containers: [{ ports: [{ name: 'HTTP', containerPort: 80 }] }] } },
      'spec.containers[0].ports[0].name',
    ],
    [{ metadata, status: { phase: 'succeeded' } }, 'status.phase'],
    [{ metadata, status: { podIP: '10.0.0' } }, 'status.podIP'],
    [{ metadata, status: { podIPs: [{ ip: '10.0.0.1/32' }] } }, 'status.podIPs[0].ip'],
  ])('%j is not known, for what is wrong at %s', (raw, path) => {
    const { object, problems } = readPod(raw);
    expect(object).toBeUndefined();
    expect(problems).toMatchObject([{ path, severity: 'error' }]);
  });
});

describe('a Node', () => {
  test('is read into its slim form, CIDRs and addresses canonical', () => {
    const { object } = readNode({
      metadata: { name: 'n1' },
      spec: { podCIDR: '10.1.0.0/24', podCIDRs: ['10.1.0.1/24', 'FD00:1::/64'] },
      status: {
        addresses: [
          { type: 'InternalIP', address: '192.168.0.1' },
          { type: 'ExternalIP', address: '2001:DB8::1' },
          { type: 'Hostname', address: 'n1' },
        ],
      },
    });
    expect(object).toEqual({
      name: 'n1',
      podCIDRs: ['10.1.0.0/24', 'fd00:1::/64'],
      addresses: ['192.168.0.1', '2001:db8::1'],
      internalAddresses: ['192.168.0.1'],
    });
  });

  test('is in a zone when a label says so', () => {
    const labels = { 'topology.kubernetes.io/zone': 'eu-1a', 'kubernetes.io/hostname': 'n1' };
    expect(readNode({ metadata: { name: 'n1', labels } }).object).toMatchObject({ zone: 'eu-1a' });
    expect(readNode({ metadata: { name: 'n1', labels: {} } }).object).not.toHaveProperty('zone');
  });

  test('podCIDR stands for podCIDRs where they are not given', () => {
    expect(readNode({ metadata: { name: 'n1' }, spec: { podCIDR: '10.1.0.0/24' } }).object?.podCIDRs).toEqual([
      '10.1.0.0/24',
    ]);
  });

  test('what can be read of it is kept beside an error', () => {
    const { object, problems } = readNode({
      metadata: { name: 'n1' },
      spec: { podCIDRs: ['nonsense', '10.1.0.0/24'] },
    });
    expect(object?.podCIDRs).toEqual(['10.1.0.0/24']);
    expect(problems).toMatchObject([{ path: 'spec.podCIDRs[0]', severity: 'error' }]);
  });
});
