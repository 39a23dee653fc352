/** Rules about what a pod, a node and a namespace are while policies change: which of them count, and who enforces. */
import { describe, expect, test } from 'vitest';
import { judgeFlow } from '../../../src/policy/answer.ts';
import { Compiler } from '../../../src/policy/compiler.ts';
import { DryRun } from '../../../src/policy/dry-run.ts';
import type { ClusterChange, Pod } from '../../../src/policy/model.ts';
import { TableReader } from '../../../src/policy/simulate.ts';
import { readNamespace, readNetworkPolicy, readPod } from '../../../src/policy/validate.ts';
import { accept, deny, inNamespaces, networks, setClusterPolicy } from '../../support/cnp-builders.ts';
import {
  block,
  IPPROTO,
  makeEndpoint,
  makeNamespace,
  makeNode,
  makePod,
  makePolicy,
  pods,
  port,
  rule,
  selector,
  set,
} from '../../support/policy-builders.ts';

function podFrom(fields: object): Pod {
  const { object, problems } = readPod({ apiVersion: 'v1', kind: 'Pod', ...fields });
  if (object === undefined) throw new Error(JSON.stringify(problems));
  return object;
}

const verdictOf = (changes: readonly ClusterChange[], source: string, destination: string, number = 80): string =>
  judgeFlow(new DryRun(changes), { source, destination, protocol: 'TCP', port: number }).verdict;

const onlyA = set.policy(makePolicy('p', { subject: selector({ app: 'b' }), ingress: [rule([pods({ app: 'a' })])] }));
const base = [set.namespace(makeNamespace('default')), set.pod(makePod('a', { ip: '10.1.0.1' })), onlyA];

describe('pods', () => {
  const running = { metadata: { name: 'b', namespace: 'default', labels: { app: 'b' } } };

  test.each([
    ['NP-122: a pod that waits for its init containers', { phase: 'Pending' }],
    ['NP-122: a pod that is not ready', { phase: 'Running', conditions: [{ type: 'Ready', status: 'False' }] }],
  ])('%s is subject and peer', (_, status) => {
    const late = podFrom({ ...running, status: { ...status, podIPs: [{ ip: '10.1.0.2' }] } });
    const other = set.pod(makePod('c', { ip: '10.1.0.3' }));
    expect(verdictOf([...base, set.pod(late), other], '10.1.0.3', '10.1.0.2')).toBe('deny');
    expect(verdictOf([...base, set.pod(late)], '10.1.0.1', '10.1.0.2')).toBe('allow');
  });

  test('NP-121: a pod that is being deleted stays subject and peer until it has ended', () => {
    const metadata = { ...running.metadata, deletionTimestamp: '2026-01-01T00:00:00Z', deletionGracePeriodSeconds: 30 };
    const going = (phase: string): ClusterChange =>
      set.pod(podFrom({ metadata, status: { phase, podIPs: [{ ip: '10.1.0.2' }] } }));
    expect(verdictOf([...base, going('Running')], '10.1.0.1', '10.1.0.2')).toBe('allow');
    expect(
      judgeFlow(new DryRun([...base, going('Running')]), {
        source: '10.1.0.9',
        destination: '10.1.0.2',
        protocol: 'TCP',
        port: 80,
      }).ingress,
    ).toMatchObject({ verdict: 'deny', reason: 'no-rule' });
    expect(new DryRun([...base, going('Succeeded')]).endpointOf('default/b')).toBeUndefined();
  });

  test('NP-126: static pods and pods of kube-system are pods like any other', () => {
    const annotations = { 'kubernetes.io/config.mirror': 'x', 'kubernetes.io/config.hash': 'hash' };
    const metadata = { name: 'b', namespace: 'kube-system', labels: { app: 'b' }, annotations, uid: 'other' };
    const mirror = podFrom({ metadata, status: { phase: 'Running', podIPs: [{ ip: '10.1.0.2' }] } });
    expect(mirror.uid).toBe('hash');
    const closed = set.policy(makePolicy('kube-system/p'));
    expect(
      verdictOf(
        [...base, set.namespace(makeNamespace('kube-system')), set.pod(mirror), closed],
        '10.1.0.1',
        '10.1.0.2',
      ),
    ).toBe('deny');
  });

  test('NP-50: a hostPort is nothing to policies: a named port is the containerPort', () => {
    const ports = [{ name: 'http', containerPort: 8080, hostPort: 80 }];
    const spec = { containers: [{ name: 'c', ports }] };
    const pod = podFrom({ ...running, spec, status: { phase: 'Running', podIPs: [{ ip: '10.1.0.2' }] } });
    const named = set.policy(makePolicy('p', { subject: selector({ app: 'b' }), ingress: [rule([], [port('http')])] }));
    const changes = [...base, set.pod(pod), named];
    expect([80, 8080].map((number) => verdictOf(changes, '10.1.0.1', '10.1.0.2', number))).toEqual(['deny', 'allow']);
  });
});

test('NP-16: a namespace that is being deleted keeps its labels and its policies for as long as they are there', () => {
  const { object } = readNamespace({
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: { name: 'default', deletionTimestamp: '2026-01-01T00:00:00Z', labels: { team: 'x' } },
    status: { phase: 'Terminating' },
  });
  expect(object?.labels).toMatchObject({ team: 'x' });
  const changes = [
    ...base,
    set.namespace(object!),
    set.pod(makePod('b', { ip: '10.1.0.2' })),
    set.pod(makePod('c', { ip: '10.1.0.3' })),
  ];
  expect(verdictOf(changes, '10.1.0.3', '10.1.0.2')).toBe('deny');
});

test('NP-44: endPort counts: what allows a range allows all of it', () => {
  const { object } = readNetworkPolicy({
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { name: 'p', namespace: 'default' },
    spec: { podSelector: {}, ingress: [{ ports: [{ port: 8000, endPort: 8002 }] }] },
  });
  const changes = [...base.slice(0, 2), set.pod(makePod('b', { ip: '10.1.0.2' })), set.policy(object!)];
  const verdicts = [7999, 8000, 8001, 8002, 8003].map((number) => verdictOf(changes, '10.1.0.1', '10.1.0.2', number));
  expect(verdicts).toEqual(['deny', 'allow', 'allow', 'allow', 'deny']);
});

test('NP-13: each node judges the ends of its own pods, and both together make the verdict', () => {
  const node = (name: string, index: number): ClusterChange =>
    set.node(makeNode(name, { podCIDRs: [`10.1.${index}.0/24`], addresses: [`192.168.0.${index + 1}`] }));
  const changes = [
    node('one', 0),
    node('two', 1),
    set.namespace(makeNamespace('default')),
    set.pod(makePod('a', { ip: '10.1.0.1', nodeName: 'one' })),
    set.pod(makePod('b', { ip: '10.1.1.1', nodeName: 'two' })),
    set.policy(makePolicy('p', { subject: selector({ app: 'b' }), ingress: [rule([pods({ app: 'a' })], [port(80)])] })),
  ];
  const readerOf = (name: string, pod: string, ip: string): TableReader => {
    const compiler = new Compiler({ node: name });
    for (const change of [...changes, set.endpoint(makeEndpoint(1, pod, [ip]))]) compiler.update(change);
    return new TableReader(compiler.compile().tables);
  };
  const one = readerOf('one', 'a', '10.1.0.1');
  const two = readerOf('two', 'b', '10.1.1.1');
  expect(one.judge(1, 'egress', '10.1.1.1', IPPROTO.TCP, 81)).toBe('allow');
  expect(two.judge(1, 'ingress', '10.1.0.1', IPPROTO.TCP, 81)).toBe('deny');
  expect(two.judge(1, 'ingress', '10.1.0.1', IPPROTO.TCP, 80)).toBe('allow');
});

describe('addresses of nodes', () => {
  const changes = [
    set.namespace(makeNamespace('default')),
    set.node(makeNode('one', { podCIDRs: ['10.1.0.0/24'], addresses: ['192.168.0.1'] })),
    set.node(makeNode('two', { podCIDRs: ['10.1.1.0/24'], addresses: ['192.168.0.2'] })),
    set.pod(makePod('b', { ip: '10.1.0.2', nodeName: 'one' })),
  ];

  test('NP-88: another node is judged by its address, whatever it sends for', () => {
    const byBlock = set.policy(makePolicy('p', { ingress: [rule([block('192.168.0.2/32')])] }));
    const closed = set.policy(makePolicy('p'));
    expect(verdictOf([...changes, byBlock], '192.168.0.2', '10.1.0.2')).toBe('allow');
    expect(verdictOf([...changes, closed], '192.168.0.2', '10.1.0.2')).toBe('deny');
    // An address of the other node's pod network that is no pod's.
    expect(verdictOf([...changes, byBlock], '10.1.1.1', '10.1.0.2')).toBe('deny');
  });

  test('CNP-25: a rule about every namespace is not about nodes, and the own node is exempt', () => {
    const top = setClusterPolicy('top', { ingress: [deny(inNamespaces())] });
    expect(verdictOf([...changes, top], '192.168.0.1', '10.1.0.2')).toBe('allow');
    expect(verdictOf([...changes, top], '192.168.0.2', '10.1.0.2')).toBe('allow');
    const other = set.pod(makePod('a', { ip: '10.1.0.1', nodeName: 'one' }));
    expect(verdictOf([...changes, other, top], '10.1.0.1', '10.1.0.2')).toBe('deny');
  });
});

test('CNP-26: what a pod sends to itself is nobody’s to deny', () => {
  const top = setClusterPolicy('top', { ingress: [deny(inNamespaces())], egress: [deny(networks('0.0.0.0/0'))] });
  const told = judgeFlow(new DryRun([...base, top]), {
    source: '10.1.0.1',
    destination: '10.1.0.1',
    protocol: 'TCP',
    port: 80,
  });
  expect(told).toMatchObject({ verdict: 'allow', reason: 'self' });
});

test('CNP-41: a name accepts nothing, in either tier: it is told, and what comes after decides', () => {
  for (const tier of ['Admin', 'Baseline'] as const) {
    const egress = [accept({ domainNames: ['example.com'] }), deny(networks('0.0.0.0/0'))];
    expect(verdictOf([...base, setClusterPolicy('top', { tier, egress })], '10.1.0.1', '192.0.2.1')).toBe('deny');
  }
});
