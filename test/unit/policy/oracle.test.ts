import { describe, expect, test } from 'vitest';
import type { LocalEndpoint, NetworkPolicy, Pod } from '../../../src/policy/model.ts';
import {
  changeCluster,
  emptyCluster,
  evaluateFlow,
  type FlowEvaluation,
  type OracleCluster,
  type OracleFlow,
} from '../../../src/policy/oracle.ts';
import { bareNamespace, readNetworkPolicy, readPod } from '../../../src/policy/validate.ts';

const NODE = { name: 'here', podCIDRs: ['10.0.0.0/24', 'fd00::/64'], addresses: ['192.168.0.1'] };

function pod(namespace: string, name: string, podIP: string, more: Partial<Pod> = {}): Pod {
  const { object } = readPod({ metadata: { namespace, name }, spec: { nodeName: 'here' }, status: { podIP } });
  if (object === undefined) throw new Error('the pod of the test is not valid');
  return { ...object, labels: { pod: name }, ...more };
}

function policy(namespace: string, spec: object): NetworkPolicy {
  const { object, problems } = readNetworkPolicy({ metadata: { namespace, name: 'policy' }, spec });
  if (object === undefined || object.invalid) throw new Error(JSON.stringify(problems));
  return object;
}

/** Ingress into every pod of x from those pods of x. */
function fromPods(podSelector: object): NetworkPolicy {
  return policy('x', { ingress: [{ from: [{ podSelector }] }] });
}

interface Parts {
  readonly pods: readonly Pod[];
  readonly policies?: readonly NetworkPolicy[];
  readonly namespaces?: readonly string[];
  readonly endpoints?: readonly LocalEndpoint[];
  readonly nodeAddresses?: readonly string[];
}

function cluster({
  pods,
  policies = [],
  namespaces = ['x', 'y'],
  endpoints = [],
  nodeAddresses = [],
}: Parts): OracleCluster {
  let built = emptyCluster('here');
  built = changeCluster(built, { kind: 'Node', op: 'set', object: NODE });
  built = changeCluster(built, { kind: 'NodeAddresses', op: 'set', object: nodeAddresses });
  for (const name of namespaces) {
    built = changeCluster(built, { kind: 'Namespace', op: 'set', object: bareNamespace(name) });
  }
  for (const object of pods) built = changeCluster(built, { kind: 'Pod', op: 'set', object });
  for (const object of policies) built = changeCluster(built, { kind: 'NetworkPolicy', op: 'set', object });
  for (const object of endpoints) built = changeCluster(built, { kind: 'LocalEndpoint', op: 'set', object });
  return built;
}

function ask(
  built: OracleCluster,
  source: string,
  destination: string,
  more: Partial<OracleFlow> = {},
): FlowEvaluation {
  return evaluateFlow(built, { source, destination, protocol: 'TCP', destinationPort: 80, ...more });
}

const a = pod('x', 'a', '10.0.0.1');
const b = pod('y', 'b', '10.0.0.2');
const A = '10.0.0.1';
const B = '10.0.0.2';
const OUTSIDE = '203.0.113.1';

describe('isolation', () => {
  test('NP-2: without a policy both ends allow, and an end that is no pod has no say', () => {
    const built = cluster({ pods: [a, b] });
    expect(ask(built, A, B)).toMatchObject({
      egress: 'allow',
      ingress: 'allow',
      ingressPolicies: [],
      ingressRules: [],
    });
    expect(ask(built, OUTSIDE, B)).toMatchObject({ egress: undefined, ingress: 'allow' });
    expect(ask(built, A, OUTSIDE)).toMatchObject({ egress: 'allow', ingress: undefined });
  });

  test('NP-3: egress and ingress are judged separately, with the policies that isolate and the rules that allow', () => {
    const into = policy('y', {
      podSelector: {},
      ingress: [{ ports: [{ port: 1 }] }, { from: [{ namespaceSelector: {} }] }],
    });
    const out = policy('x', { podSelector: {}, policyTypes: ['Egress'] });
    expect(ask(cluster({ pods: [a, b], policies: [into, out] }), A, B)).toEqual({
      egress: 'deny',
      ingress: 'allow',
      egressPolicies: ['x/policy'],
      ingressPolicies: ['y/policy'],
      egressRules: [],
      ingressRules: [{ policy: 'y/policy', index: 1 }],
    });
  });

  test('an invalid policy isolates and allows nothing', () => {
    const invalid: NetworkPolicy = { ...policy('y', { ingress: [{}] }), invalid: true };
    expect(ask(cluster({ pods: [a, b], policies: [invalid] }), A, B).ingress).toBe('deny');
  });

  test('a deleted policy is gone', () => {
    const built = cluster({ pods: [a, b], policies: [policy('y', {})] });
    expect(ask(built, A, B).ingress).toBe('deny');
    const after = changeCluster(built, { kind: 'NetworkPolicy', op: 'delete', key: 'y/policy' });
    expect(ask(after, A, B).ingress).toBe('allow');
  });
});

describe('peers', () => {
  const fromNamespaces = policy('y', { ingress: [{ from: [{ namespaceSelector: {} }] }] });

  test('NP-27: an empty namespaceSelector is every pod, not everything', () => {
    const built = cluster({ pods: [a, b], policies: [fromNamespaces] });
    expect(ask(built, A, B).ingress).toBe('allow');
    expect(ask(built, OUTSIDE, B).ingress).toBe('deny');
    expect(ask(built, NODE.addresses[0] ?? '', B).ingress).toBe('deny');
  });

  test('NP-28: pods of a namespace that is not known match no namespaceSelector', () => {
    const built = cluster({ pods: [a, b], policies: [fromNamespaces], namespaces: ['y'] });
    expect(ask(built, A, B).ingress).toBe('deny');
  });

  test('NP-61: an except only shrinks its own block', () => {
    const blocks = [{ ipBlock: { cidr: '10.0.0.0/8', except: ['10.0.0.1/32'] } }];
    const one = policy('y', { ingress: [{ from: blocks }] });
    expect(ask(cluster({ pods: [a, b], policies: [one] }), A, B).ingress).toBe('deny');
    const two = policy('y', { ingress: [{ from: [...blocks, { ipBlock: { cidr: '10.0.0.1/32' } }] }] });
    expect(ask(cluster({ pods: [a, b], policies: [two] }), A, B).ingress).toBe('allow');
  });

  test('NP-62: a block of one family never holds an address of the other', () => {
    const six = pod('x', 'six', 'fd00::1', { podIPs: ['fd00::1'] });
    const target = pod('y', 'target', 'fd00::2');
    const ipv4Only = policy('y', { ingress: [{ from: [{ ipBlock: { cidr: '0.0.0.0/0' } }] }] });
    expect(ask(cluster({ pods: [six, target], policies: [ipv4Only] }), 'fd00::1', 'fd00::2').ingress).toBe('deny');
  });

  test('NP-23: NotIn selects what lacks the key, and a label may be called constructor', () => {
    const notIn = { matchExpressions: [{ key: 'constructor', operator: 'NotIn', values: ['web'] }] };
    const exists = { matchExpressions: [{ key: 'constructor', operator: 'Exists' }] };
    const peer = pod('x', 'peer', B, { labels: {} });
    expect(ask(cluster({ pods: [a, peer], policies: [fromPods(notIn)] }), B, A).ingress).toBe('allow');
    expect(ask(cluster({ pods: [a, peer], policies: [fromPods(exists)] }), B, A).ingress).toBe('deny');
  });
});

describe('ports', () => {
  const port = { name: 'web', protocol: 'TCP', containerPort: 80 } as const;

  test('NP-9, NP-52: only a rule without ports admits protocols without ports', () => {
    const all = cluster({ pods: [a, b], policies: [policy('y', { ingress: [{}] })] });
    const tcp = cluster({ pods: [a, b], policies: [policy('y', { ingress: [{ ports: [{}] }] })] });
    for (const protocol of ['ICMP', 'ICMPv6', 47] as const) {
      expect(ask(all, A, B, { protocol }).ingress).toBe('allow');
      expect(ask(tcp, A, B, { protocol }).ingress).toBe('deny');
    }
    expect(ask(tcp, A, B, { protocol: 6 }).ingress).toBe('allow');
    expect(ask(tcp, A, B, { protocol: 17 }).ingress).toBe('deny');
  });

  test('NP-43: a range holds both its ends', () => {
    const built = cluster({
      pods: [a, b],
      policies: [policy('y', { ingress: [{ ports: [{ port: 80, endPort: 82 }] }] })],
    });
    const verdicts = [79, 80, 82, 83].map((destinationPort) => ask(built, A, B, { destinationPort }).ingress);
    expect(verdicts).toEqual(['deny', 'allow', 'allow', 'deny']);
  });

  test('NP-45, NP-47: on egress a named port is that of the destination, not of the source', () => {
    const out = policy('x', { policyTypes: ['Egress'], egress: [{ ports: [{ port: 'web' }] }] });
    const source = { ...a, namedPorts: [{ ...port, containerPort: 81 }] };
    const built = cluster({ pods: [source, { ...b, namedPorts: [port] }], policies: [out] });
    expect(ask(built, A, B, { destinationPort: 80 }).egress).toBe('allow');
    expect(ask(built, A, B, { destinationPort: 81 }).egress).toBe('deny');
    expect(ask(built, A, OUTSIDE).egress).toBe('deny');
  });

  test('NP-46, NP-49: another protocol is another port, and every port of the name counts', () => {
    const into = policy('y', { ingress: [{ ports: [{ port: 'web' }] }] });
    const namedPorts = [port, { ...port, containerPort: 81 }, { ...port, protocol: 'UDP', containerPort: 82 } as const];
    const built = cluster({ pods: [a, { ...b, namedPorts }], policies: [into] });
    const verdicts = [80, 81, 82].map((destinationPort) => ask(built, A, B, { destinationPort }).ingress);
    expect(verdicts).toEqual(['allow', 'allow', 'deny']);
  });

  test('NP-48: on egress an ipBlock and a named port together match nothing, also at a pod address', () => {
    const to = [{ ipBlock: { cidr: `${B}/32` } }];
    const out = policy('x', { policyTypes: ['Egress'], egress: [{ to, ports: [{ port: 'web' }] }] });
    expect(ask(cluster({ pods: [a, { ...b, namedPorts: [port] }], policies: [out] }), A, B).egress).toBe('deny');
  });
});

describe('who has an address', () => {
  const fromBlock = policy('y', { ingress: [{ from: [{ ipBlock: { cidr: '0.0.0.0/0' } }] }] });
  const fromAll = policy('y', { ingress: [{}] });

  test('an address in a podCIDR without a pod matches no block, but a rule for all', () => {
    expect(ask(cluster({ pods: [b], policies: [fromBlock] }), '10.0.0.9', B).ingress).toBe('deny');
    expect(ask(cluster({ pods: [b], policies: [fromBlock] }), OUTSIDE, B).ingress).toBe('allow');
    expect(ask(cluster({ pods: [b], policies: [fromAll] }), '10.0.0.9', B).ingress).toBe('allow');
  });

  test('NP-120: a pod that ended leaves its address to the next one', () => {
    const ended = pod('x', 'ended', B, { terminal: true });
    expect(ask(cluster({ pods: [a, b, ended] }), A, B).ingress).toBe('allow');
    expect(ask(cluster({ pods: [a, ended] }), A, B).ingress).toBe('deny');
  });

  test('NP-83, NP-84: a hostNetwork pod is neither subject nor peer; its address is the node', () => {
    const host = pod('x', 'host', '192.168.0.1', { hostNetwork: true });
    const fromEveryPod = policy('y', { ingress: [{ from: [{ namespaceSelector: {} }] }] });
    const built = cluster({ pods: [host, b], policies: [fromEveryPod, policy('x', {})] });
    expect(ask(built, '192.168.0.1', B)).toMatchObject({ egress: undefined, ingress: 'deny' });
    expect(ask(built, B, '192.168.0.1').ingress).toBeUndefined();
    expect(ask(cluster({ pods: [host, b], policies: [fromBlock] }), '192.168.0.1', B).ingress).toBe('allow');
  });

  test('NP-29: an address that two live pods claim is an unknown pod', () => {
    const twin = pod('x', 'twin', A);
    expect(ask(cluster({ pods: [a, twin, b], policies: [fromBlock] }), A, B)).toMatchObject({
      egress: 'deny',
      ingress: 'deny',
    });
  });

  test('NP-124: a local endpoint has its addresses before, and whatever, the status says', () => {
    const endpoint = { id: 1, namespace: 'x', name: 'a', uid: '', addresses: ['10.0.0.7'] };
    const built = cluster({ pods: [a, b], endpoints: [endpoint], policies: [fromBlock] });
    expect(ask(built, '10.0.0.7', B)).toMatchObject({ egress: 'allow', ingress: 'allow' });
    expect(ask(built, A, B).ingress).toBe('deny');
  });

  test('NP-125: an endpoint of another pod of the same name is closed, and is no peer', () => {
    const endpoint = { id: 1, namespace: 'x', name: 'a', uid: 'old', addresses: ['10.0.0.7'] };
    const built = cluster({ pods: [{ ...a, uid: 'new' }, b], endpoints: [endpoint], policies: [fromBlock] });
    expect(ask(built, '10.0.0.7', B)).toMatchObject({ egress: 'deny', ingress: 'deny' });
    expect(ask(built, A, B)).toMatchObject({ egress: 'allow', ingress: 'allow' });
  });

  test('NP-84: an address of the node is no pod, whoever claims it', () => {
    const built = cluster({ pods: [a, b], nodeAddresses: [A] });
    expect(ask(built, A, B).egress).toBe('deny');
    expect(ask(cluster({ pods: [pod('x', 'a', '192.168.0.1'), b] }), '192.168.0.1', B).egress).toBeUndefined();
  });
});
