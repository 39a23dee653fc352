/**
 * Upstream's end-to-end NetworkPolicy cases over TCP and UDP (E1 to E45) as data: steps that change the topology of
 * netpol-topology.ts, and who reaches whom afterwards. No address of a Service is meant: pods are probed at their own
 * addresses, on the port they listen on. A pod to itself is not compared (NP-85).
 */
import type {
  RawObject,
  Vector,
  VectorChange,
  VectorNamespace,
  VectorPod,
  VectorProbe,
  VectorStep,
  VectorWorld,
} from './netpol-topology.ts';

export * from './netpol-topology.ts';

const NAME_LABEL = 'kubernetes.io/metadata.name';

type Reaches = VectorProbe['reaches'];
type Spec = RawObject;

const everything: Reaches = () => true;
const podA = { matchLabels: { pod: 'a' } };
const podB = { matchLabels: { pod: 'b' } };
const namespaceY = named('y');
const notX = { matchExpressions: [{ key: NAME_LABEL, operator: 'NotIn', values: ['x'] }] };
const denyIngress: Spec = { podSelector: {}, policyTypes: ['Ingress'] };
const denyAll: Spec = { podSelector: {}, policyTypes: ['Ingress', 'Egress'] };
const allowAllIngress: Spec = { podSelector: {}, policyTypes: ['Ingress'], ingress: [{}] };

function named(namespace: VectorNamespace): RawObject {
  return { matchLabels: { [NAME_LABEL]: namespace } };
}

function apply(namespace: VectorNamespace, name: string, spec: Spec): VectorChange {
  const metadata = { namespace, name };
  return { op: 'apply', policy: { apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', metadata, spec } };
}

/** Into pod a of the namespace, from those peers, on those ports. */
function ingressToA(from: readonly RawObject[], ports: readonly RawObject[] = []): Spec {
  return { podSelector: podA, policyTypes: ['Ingress'], ingress: [{ from, ports }] };
}

function egressOfA(to: readonly RawObject[], ports: readonly RawObject[] = []): Spec {
  return { podSelector: podA, policyTypes: ['Egress'], egress: [{ to, ports }] };
}

function probe(reaches: Reaches, port: 80 | 81 = 80, protocol: 'TCP' | 'UDP' = 'TCP'): VectorProbe {
  return { protocol, port, reaches };
}

/** Pods of a namespace, or one pod: `x/`, `x/a`. */
function isOneOf(pod: VectorPod, prefixes: readonly string[]): boolean {
  return prefixes.some((prefix) => pod.startsWith(prefix));
}

/** Into `target` only from these sources; all else passes. */
function into(target: string, ...sources: readonly string[]): Reaches {
  return (source, destination) => !destination.startsWith(target) || isOneOf(source, sources);
}

/** Out of `origin` only to these destinations; all else passes. */
function outOf(origin: string, ...destinations: readonly string[]): Reaches {
  return (source, destination) => !source.startsWith(origin) || isOneOf(destination, destinations);
}

function both(first: Reaches, second: Reaches): Reaches {
  return (source, destination) => first(source, destination) && second(source, destination);
}

/** One step. */
function vector(id: string, title: string, changes: readonly VectorChange[], ...probes: VectorProbe[]): Vector {
  return { id, title, steps: () => [{ changes, probes }] };
}

/** Several steps, each of changes and probes. */
function sequence(id: string, title: string, ...steps: VectorStep[]): Vector {
  return { id, title, steps: () => steps };
}

function block(world: VectorWorld, pod: VectorPod): RawObject {
  return { ipBlock: { cidr: hostCidr(world, pod) } };
}

function hostCidr(world: VectorWorld, pod: VectorPod): string {
  return `${world.address(pod)}/${world.family === 4 ? 32 : 128}`;
}

/** The wide block of E35: it holds every pod. Host bits are left set, as a person would (NP-63). */
function wideExcept(world: VectorWorld, pod: VectorPod): RawObject {
  const cidr = `${world.address(pod)}/${world.family === 4 ? 4 : 16}`;
  return { ipBlock: { cidr, except: [hostCidr(world, pod)] } };
}

const tcp80 = { protocol: 'TCP', port: 80 };
const tcp81 = { protocol: 'TCP', port: 81 };

const INGRESS_BY_PEER: readonly Vector[] = [
  vector('E1', 'deny all ingress of a namespace', [apply('x', 'deny', denyIngress)], probe(into('x/'))),
  vector(
    'E2',
    'deny all of a namespace, both ways',
    [apply('x', 'deny', denyAll)],
    probe(both(into('x/'), outOf('x/'))),
  ),
  vector(
    'E3',
    'a podSelector selects pods of the own namespace',
    [apply('x', 'allow', ingressToA([{ podSelector: podB }]))],
    probe(into('x/a', 'x/b')),
  ),
  vector(
    'E4',
    'one pod opened in a closed namespace',
    [apply('x', 'deny', denyIngress), apply('x', 'allow', ingressToA([{ podSelector: {}, namespaceSelector: {} }]))],
    probe((_, destination) => !destination.startsWith('x/') || destination === 'x/a'),
  ),
  vector(
    'E5',
    'an empty namespaceSelector selects the pods of all namespaces',
    [apply('x', 'allow', ingressToA([{ namespaceSelector: {} }]))],
    probe(everything),
  ),
  vector(
    'E6',
    'a namespaceSelector selects another namespace only',
    [apply('x', 'allow', ingressToA([{ namespaceSelector: namespaceY }]))],
    probe(into('x/a', 'y/')),
  ),
  vector(
    'E7',
    'podSelector with matchExpressions',
    [apply('x', 'allow', ingressToA([{ podSelector: expression('pod', 'In', 'b') }]))],
    probe(into('x/a', 'x/b')),
  ),
  vector(
    'E8',
    'namespaceSelector with matchExpressions',
    [apply('x', 'allow', ingressToA([{ namespaceSelector: expression(NAME_LABEL, 'In', 'y') }]))],
    probe(into('x/a', 'y/')),
  ),
  vector(
    'E9',
    'two peers are alternatives',
    [apply('x', 'allow', ingressToA([{ namespaceSelector: notX }, { podSelector: podB }]))],
    probe(into('x/a', 'x/b', 'y/', 'z/')),
  ),
  vector(
    'E10',
    'both selectors in one peer must match',
    [apply('x', 'allow', ingressToA([{ namespaceSelector: notX, podSelector: podB }]))],
    probe(into('x/a', 'y/b', 'z/b')),
  ),
  vector(
    'E11',
    'both selectors with several values',
    [apply('x', 'allow', ingressToA([{ namespaceSelector: notX, podSelector: expression('pod', 'In', 'b', 'c') }]))],
    probe(into('x/a', 'y/b', 'y/c', 'z/b', 'z/c')),
  ),
  vector(
    'E12',
    'two podSelectors are alternatives',
    [apply('x', 'allow', ingressToA([{ podSelector: podB }, { podSelector: { matchLabels: { pod: 'c' } } }]))],
    probe(into('x/a', 'x/b', 'x/c')),
  ),
  vector(
    'E13',
    'one pod of another namespace',
    [apply('x', 'allow', ingressToA([{ namespaceSelector: namespaceY, podSelector: podA }]))],
    probe(into('x/a', 'y/a')),
  ),
];

function expression(key: string, operator: string, ...values: string[]): RawObject {
  return { matchExpressions: [{ key, operator, values }] };
}

const fromY = [{ namespaceSelector: namespaceY }];

const PORTS: readonly Vector[] = [
  vector(
    'E14',
    'peer and port of one rule must both match',
    [apply('x', 'allow', ingressToA(fromY, [tcp81]))],
    probe(into('x/a', 'y/'), 81),
  ),
  sequence(
    'E15',
    'policies for one pod add up',
    {
      changes: [apply('x', 'allow-81', ingressToA(fromY, [tcp81]))],
      probes: [probe(into('x/a', 'y/'), 81), probe(into('x/a'), 80)],
    },
    {
      changes: [apply('x', 'allow-80', ingressToA(fromY, [tcp80]))],
      probes: [probe(into('x/a', 'y/'), 81), probe(into('x/a', 'y/'), 80)],
    },
  ),
  vector(
    'E16',
    'an empty rule allows all',
    [apply('x', 'allow', allowAllIngress)],
    probe(everything, 80),
    probe(everything, 81),
  ),
  vector(
    'E17',
    'ingress on a named port from anywhere',
    [apply('x', 'allow', { podSelector: {}, ingress: [{ ports: [{ port: 'serve-81-tcp' }] }] })],
    probe(everything, 81),
    probe(into('x/'), 80),
  ),
  vector(
    'E18',
    'ingress on a named port from one namespace',
    [apply('x', 'allow', ingressToA(fromY, [{ port: 'serve-80-tcp' }]))],
    probe(into('x/a', 'y/'), 80),
    probe(into('x/a'), 81),
  ),
  vector(
    'E19',
    'egress to a named port of anyone',
    [
      apply('x', 'allow', {
        podSelector: {},
        policyTypes: ['Egress'],
        egress: [{ ports: [{ port: 'serve-80-tcp' }] }],
      }),
    ],
    probe(everything, 80),
    probe(outOf('x/'), 81),
  ),
];

const CHANGES: readonly Vector[] = [
  sequence(
    'E20',
    'an updated policy replaces what it said',
    { changes: [apply('x', 'policy', allowAllIngress)], probes: [probe(everything, 81)] },
    { changes: [apply('x', 'policy', denyIngress)], probes: [probe(into('x/'), 81)] },
  ),
  sequence(
    'E21',
    'a namespace is labelled after the policy',
    {
      changes: [apply('x', 'allow', ingressToA([{ namespaceSelector: { matchLabels: { ns2: 'updated' } } }]))],
      probes: [probe(into('x/a'))],
    },
    {
      changes: [{ op: 'labelNamespace', namespace: 'y', labels: { ns2: 'updated' } }],
      probes: [probe(into('x/a', 'y/'))],
    },
  ),
  sequence(
    'E22',
    'a peer pod is labelled after the policy',
    {
      changes: [apply('x', 'allow', ingressToA([{ podSelector: { matchLabels: { pod2: 'updated' } } }]))],
      probes: [probe(into('x/a'))],
    },
    { changes: [{ op: 'labelPod', pod: 'x/b', labels: { pod2: 'updated' } }], probes: [probe(into('x/a', 'x/b'))] },
  ),
  vector(
    'E23',
    'an empty podSelector as peer is the own namespace',
    [apply('x', 'allow', { podSelector: {}, policyTypes: ['Ingress'], ingress: [{ from: [{ podSelector: {} }] }] })],
    probe(into('x/', 'x/')),
  ),
  sequence(
    'E24',
    'a pod is labelled into a policy',
    {
      changes: [apply('x', 'deny', { podSelector: { matchLabels: { target: 'isolated' } }, policyTypes: ['Ingress'] })],
      probes: [probe(everything)],
    },
    { changes: [{ op: 'labelPod', pod: 'x/a', labels: { target: 'isolated' } }], probes: [probe(into('x/a'))] },
  ),
];

const EGRESS: readonly Vector[] = [
  vector(
    'E25',
    'deny all egress of a pod',
    [apply('x', 'deny', { podSelector: podA, policyTypes: ['Egress'], egress: [] })],
    probe(outOf('x/a')),
  ),
  vector(
    'E26',
    'deny all egress of a namespace',
    [apply('x', 'deny', { podSelector: {}, policyTypes: ['Egress'], egress: [] })],
    probe(outOf('x/')),
  ),
  vector(
    'E27',
    'ingress and egress in one policy',
    [
      apply('x', 'both', {
        podSelector: podA,
        policyTypes: ['Ingress', 'Egress'],
        ingress: [{ from: [{ podSelector: podB }] }],
        egress: [{ ports: [tcp80] }],
      }),
    ],
    probe(into('x/a', 'x/b'), 80),
    probe(both(into('x/a', 'x/b'), outOf('x/a')), 81),
  ),
  vector(
    'E28',
    'the client is denied what the server allows',
    [
      apply('x', 'egress', egressOfA([{ namespaceSelector: namespaceY, podSelector: podA }])),
      apply('y', 'ingress-a', ingressToA([{ namespaceSelector: named('x'), podSelector: podA }])),
      apply('y', 'ingress-b', {
        podSelector: podB,
        policyTypes: ['Ingress'],
        ingress: [{ from: [{ namespaceSelector: named('x'), podSelector: podA }] }],
      }),
    ],
    probe(both(outOf('x/a', 'y/a'), both(into('y/a', 'x/a'), into('y/b', 'x/a')))),
  ),
  vector(
    'E29',
    'egress to one pod of another namespace',
    [apply('x', 'allow', egressOfA([{ namespaceSelector: namespaceY, podSelector: podA }]))],
    probe(outOf('x/a', 'y/a')),
  ),
  vector(
    'E30',
    'every port of one protocol',
    [apply('x', 'allow', ingressToA([], [{ protocol: 'TCP' }]))],
    probe(everything, 80, 'TCP'),
    probe(into('x/a'), 80, 'UDP'),
  ),
];

const STACKED: readonly Vector[] = [
  sequence(
    'E31',
    'an ingress policy for all is added to a narrow one',
    { changes: [apply('x', 'narrow', ingressToA([], [tcp80]))], probes: [probe(into('x/a'), 81)] },
    { changes: [apply('x', 'all', ingressToA([]))], probes: [probe(everything, 81)] },
  ),
  sequence(
    'E32',
    'an egress policy for all is added to a narrow one',
    { changes: [apply('x', 'narrow', egressOfA([], [tcp80]))], probes: [probe(outOf('x/a'), 81)] },
    { changes: [apply('x', 'all', egressOfA([]))], probes: [probe(everything, 81)] },
  ),
  sequence(
    'E33',
    'a deleted policy is not enforced',
    { changes: [apply('x', 'deny', denyAll)], probes: [probe(both(into('x/'), outOf('x/')))] },
    { changes: [{ op: 'delete', namespace: 'x', name: 'deny' }], probes: [probe(everything)] },
  ),
];

const BLOCKS: readonly Vector[] = [
  {
    id: 'E34',
    title: 'egress to a block of one pod address',
    steps: (world) => [
      { changes: [apply('x', 'allow', egressOfA([block(world, 'y/b')]))], probes: [probe(outOf('x/a', 'y/b'))] },
    ],
  },
  {
    id: 'E35',
    title: 'an except is taken out of its block',
    steps: (world) => [
      {
        changes: [apply('x', 'allow', egressOfA([wideExcept(world, 'x/b')]))],
        probes: [probe((source, destination) => source !== 'x/a' || destination !== 'x/b')],
      },
    ],
  },
  {
    id: 'E36',
    title: 'what one policy excepted an update allows',
    steps: (world) => [
      {
        changes: [apply('x', 'policy', egressOfA([wideExcept(world, 'x/b')]))],
        probes: [probe((source, destination) => source !== 'x/a' || destination !== 'x/b')],
      },
      { changes: [apply('x', 'policy', egressOfA([block(world, 'x/b')]))], probes: [probe(outOf('x/a', 'x/b'))] },
    ],
  },
];

const DIRECTIONS_AND_PROTOCOLS: readonly Vector[] = [
  sequence(
    'E37',
    'the directions are independent',
    {
      changes: [apply('x', 'egress', { podSelector: podA, policyTypes: ['Egress'], egress: [{}] })],
      probes: [probe(everything)],
    },
    {
      changes: [apply('x', 'ingress', { podSelector: podA, policyTypes: ['Ingress'], ingress: [] })],
      probes: [probe(into('x/a'))],
    },
  ),
  vector(
    'E38',
    'an SCTP rule does not admit TCP on the same port',
    [apply('x', 'deny', denyIngress), apply('x', 'allow', ingressToA([], [{ protocol: 'SCTP', port: 81 }]))],
    probe(into('x/'), 81),
  ),
  vector(
    'E39',
    'a policy with SCTP rules alone isolates for TCP',
    [apply('x', 'allow', ingressToA([], [{ protocol: 'SCTP', port: 80 }]))],
    probe(into('x/a'), 81),
  ),
  vector(
    'E40',
    'a UDP rule does not admit TCP on the same port',
    [apply('x', 'allow', ingressToA([], [{ protocol: 'UDP', port: 81 }]))],
    probe(into('x/a'), 81),
  ),
  vector(
    'E41',
    'the name label of a namespace, by matchLabels',
    [apply('x', 'allow', ingressToA(fromY))],
    probe(into('x/a', 'y/')),
  ),
  vector(
    'E42',
    'the name label of a namespace, by matchExpressions',
    [apply('x', 'allow', egressOfA([{ namespaceSelector: expression(NAME_LABEL, 'NotIn', 'y') }]))],
    probe(outOf('x/a', 'x/', 'z/')),
  ),
];

const UDP: readonly Vector[] = [
  vector('E43', 'UDP: deny all ingress', [apply('x', 'deny', denyIngress)], probe(into('x/'), 80, 'UDP')),
  vector(
    'E44',
    'UDP: peer and port of one rule',
    [apply('x', 'allow', ingressToA(fromY, [{ protocol: 'UDP', port: 81 }]))],
    probe(into('x/a', 'y/'), 81, 'UDP'),
  ),
  vector(
    'E45',
    'UDP: one pod of another namespace',
    [apply('x', 'allow', ingressToA([{ namespaceSelector: namespaceY, podSelector: podA }]))],
    probe(into('x/a', 'y/a'), 80, 'UDP'),
  ),
];

/** In order of their rows. */
export const NETPOL_VECTORS: readonly Vector[] = [
  ...INGRESS_BY_PEER,
  ...PORTS,
  ...CHANGES,
  ...EGRESS,
  ...STACKED,
  ...BLOCKS,
  ...DIRECTIONS_AND_PROTOCOLS,
  ...UDP,
];
