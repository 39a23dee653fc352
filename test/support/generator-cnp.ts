/**
 * ClusterNetworkPolicies over the small alphabets of the other generators, and clusters with them. Places collide on
 * purpose: few priorities, so that ties happen (CNP-2), few names, so that objects are replaced.
 */
import * as fc from 'fast-check';
import type { Arbitrary } from 'fast-check';
import type {
  ClusterChange,
  ClusterNetworkPolicy,
  ClusterNetworkPolicyPeer,
  ClusterNetworkPolicyProtocol,
  ClusterNetworkPolicyRule,
  ClusterNetworkPolicySubject,
  LabelSelector,
} from '../../src/policy/model.ts';
import {
  LABEL_VALUES,
  NAMESPACE_LABEL_KEYS,
  NAMESPACES,
  OTHER_BLOCKS,
  POD_BLOCKS,
  POD_LABEL_KEYS,
  PORT_NAMES,
  PORT_NUMBERS,
  PROTOCOLS,
  UNKNOWN_PORT_NAME,
} from './generator-alphabet.ts';
import { scenarioArb } from './generator-cluster.ts';

export const CLUSTER_POLICY_NAMES = ['first', 'second', 'third', 'fourth'] as const;
const PRIORITIES = [0, 10, 10, 1000] as const;
const EVERYTHING: LabelSelector = { matchLabels: {}, matchExpressions: [] };

function selectorArb(keys: readonly string[], values: readonly string[]): Arbitrary<LabelSelector> {
  const matchLabels = fc.dictionary(fc.constantFrom(...keys), fc.constantFrom(...values), {
    minKeys: 1,
    maxKeys: 1,
    noNullPrototype: true,
  });
  const expression = fc.oneof(
    fc.record({
      key: fc.constantFrom(...keys),
      operator: fc.constantFrom('In' as const, 'NotIn' as const),
      values: fc.constantFrom(...values).map((value): readonly string[] => [value]),
    }),
    fc.record({
      key: fc.constantFrom(...keys),
      operator: fc.constantFrom('Exists' as const, 'DoesNotExist' as const),
      values: fc.constant<readonly string[]>([]),
    }),
  );
  return fc.oneof(
    { weight: 3, arbitrary: fc.constant(EVERYTHING) },
    matchLabels.map((labels) => ({ matchLabels: labels, matchExpressions: [] })),
    fc.array(expression, { minLength: 1, maxLength: 2 }).map((list) => ({ matchLabels: {}, matchExpressions: list })),
  );
}

const podSelectorArb = selectorArb(POD_LABEL_KEYS, LABEL_VALUES);
const namespaceSelectorArb = fc.oneof(
  selectorArb(NAMESPACE_LABEL_KEYS, LABEL_VALUES),
  selectorArb(['kubernetes.io/metadata.name'], NAMESPACES),
);
const podsArb = fc.record({ namespaceSelector: namespaceSelectorArb, podSelector: podSelectorArb });

const ingressPeerArb: Arbitrary<ClusterNetworkPolicyPeer> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ namespaces: namespaceSelectorArb }) },
  { weight: 4, arbitrary: fc.record({ pods: podsArb }) },
  { weight: 1, arbitrary: fc.constant({}) },
);

const networksArb = fc.uniqueArray(fc.constantFrom(...POD_BLOCKS, ...OTHER_BLOCKS), { minLength: 1, maxLength: 2 });
const egressPeerArb: Arbitrary<ClusterNetworkPolicyPeer> = fc.oneof(
  { weight: 8, arbitrary: ingressPeerArb },
  { weight: 6, arbitrary: fc.record({ networks: networksArb }) },
  { weight: 1, arbitrary: fc.constant({ nodes: EVERYTHING }) },
  { weight: 1, arbitrary: fc.constant({ domainNames: ['*.example.com'] }) },
);

const portNumberArb = fc.constantFrom(...PORT_NUMBERS);
const protocolArb = fc.constantFrom(...PROTOCOLS);
const numberedArb: Arbitrary<ClusterNetworkPolicyProtocol> = fc.oneof(
  fc.record({ protocol: protocolArb, port: portNumberArb }),
  fc
    .record({ protocol: protocolArb, one: portNumberArb, other: portNumberArb })
    .map(({ protocol, one, other }) => ({ protocol, port: Math.min(one, other), endPort: Math.max(one, other) })),
);
const namedArb: Arbitrary<ClusterNetworkPolicyProtocol> = fc.record({
  destinationNamedPort: fc.constantFrom(...PORT_NAMES, ...PORT_NAMES, UNKNOWN_PORT_NAME),
});

/** Named ports beside pods only (CNP-7). */
function ruleArb(peerArb: Arbitrary<ClusterNetworkPolicyPeer>): Arbitrary<ClusterNetworkPolicyRule> {
  return fc.array(peerArb, { minLength: 1, maxLength: 3 }).chain((peers) => {
    const onlyPods = peers.every(({ namespaces, pods }) => namespaces !== undefined || pods !== undefined);
    return fc.record({
      name: fc.constant(''),
      action: fc.constantFrom('Accept' as const, 'Deny' as const, 'Pass' as const),
      peers: fc.constant(peers),
      protocols: fc.array(onlyPods ? fc.oneof(numberedArb, namedArb) : numberedArb, { maxLength: 2 }),
    });
  });
}

const subjectArb: Arbitrary<ClusterNetworkPolicySubject> = fc.oneof(
  namespaceSelectorArb.map((namespaces) => ({ namespaces })),
  podsArb.map((pods) => ({ pods })),
);

export const clusterPolicyArb: Arbitrary<ClusterNetworkPolicy> = fc.record({
  name: fc.constantFrom(...CLUSTER_POLICY_NAMES),
  tier: fc.constantFrom('Admin' as const, 'Admin' as const, 'Baseline' as const),
  priority: fc.constantFrom(...PRIORITIES),
  subject: subjectArb,
  ingress: fc.array(ruleArb(ingressPeerArb), { maxLength: 3 }),
  egress: fc.array(ruleArb(egressPeerArb), { maxLength: 3 }),
});

const setArb = clusterPolicyArb.map((object): ClusterChange => ({ kind: 'ClusterNetworkPolicy', op: 'set', object }));
const deleteArb = fc
  .constantFrom(...CLUSTER_POLICY_NAMES)
  .map((key): ClusterChange => ({ kind: 'ClusterNetworkPolicy', op: 'delete', key }));
const changeArb = fc.oneof({ weight: 4, arbitrary: setArb }, { weight: 1, arbitrary: deleteArb });

/** `scenarioArb` with ClusterNetworkPolicies that come, change and go anywhere in it. */
export const clusterPolicyScenarioArb: typeof scenarioArb = fc
  .record({
    scenario: scenarioArb,
    first: fc.array(setArb, { minLength: 1, maxLength: 4 }),
    later: fc.array(fc.record({ at: fc.nat(20), change: changeArb }), { maxLength: 5 }),
  })
  .map(({ scenario, first, later }) => {
    const changes = [...scenario.changes];
    for (const { at, change } of later) changes.splice(at % (changes.length + 1), 0, change);
    return { initial: [...scenario.initial, ...first], changes };
  });
