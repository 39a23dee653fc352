/**
 * Clusters and what happens to them. Changes are drawn as seeds that know nothing of the cluster and are then planned
 * against it, one after the other, so that they concern what is there, and so that they shrink well. What planning
 * guarantees is what a node guarantees: endpoint ids are never used twice, no two endpoints hold one address.
 */
import * as fc from 'fast-check';
import type { Arbitrary } from 'fast-check';
import type { ClusterChange, Labels, LocalEndpoint, NamedPort, Namespace, Node, Pod } from '../../src/policy/model.ts';
import { changeCluster, emptyCluster, type OracleCluster } from '../../src/policy/oracle.ts';
import {
  GHOST_NAMESPACE,
  LABEL_VALUES,
  LOCAL_NODE,
  NAMED_PORT_NUMBERS,
  NAMESPACE_LABEL_KEYS,
  NAMESPACES,
  NODE_PLACES,
  type NodePlace,
  POD_LABEL_KEYS,
  POD_NAMES,
  POD_UIDS,
  POLICY_NAMES,
  PORT_NAMES,
  PROTOCOLS,
  STRAY_POD_ADDRESSES,
} from './generator-alphabet.ts';
import { policyArb } from './generator-policy.ts';

const ALL_NAMESPACES = [...NAMESPACES, GHOST_NAMESPACE];

/** Plain objects on purpose: they inherit `constructor`, as labels do once they were sent to another thread. */
function labelsArb(keys: readonly string[]): Arbitrary<Labels> {
  return fc.dictionary(fc.constantFrom(...keys), fc.constantFrom(...LABEL_VALUES), {
    maxKeys: keys.length,
    noNullPrototype: true,
  });
}

export const namespaceArb: Arbitrary<Namespace> = fc
  .record({ name: fc.constantFrom(...NAMESPACES), labels: labelsArb(NAMESPACE_LABEL_KEYS) })
  .map(({ name, labels }) => ({ name, labels: { ...labels, 'kubernetes.io/metadata.name': name } }));

type PodCidrs = 'both' | 'ipv4' | 'ipv6' | 'none' | 'wide';
const podCidrsArb = fc.constantFrom<PodCidrs[]>('both', 'both', 'ipv4', 'ipv6', 'none', 'wide');

function podCidrsOf(place: NodePlace, podCIDRs: PodCidrs): readonly string[] {
  const [ipv4 = '', ipv6 = ''] = place.podCIDRs;
  return { both: place.podCIDRs, ipv4: [ipv4], ipv6: [ipv6], none: [], wide: ['10.0.0.0/22'] }[podCIDRs];
}

export const nodeArb: Arbitrary<Node> = fc
  .record({ place: fc.constantFrom(...NODE_PLACES), podCIDRs: podCidrsArb })
  .map(({ place, podCIDRs }) => ({
    name: place.name,
    podCIDRs: podCidrsOf(place, podCIDRs),
    addresses: place.addresses,
  }));

const namedPortArb: Arbitrary<NamedPort> = fc.record({
  name: fc.constantFrom(...PORT_NAMES),
  protocol: fc.constantFrom(...PROTOCOLS),
  containerPort: fc.constantFrom(...NAMED_PORT_NUMBERS),
});

/** Addresses of its node's pods; seldom stray ones or the node's own. */
function podIPsArb(place: NodePlace): Arbitrary<readonly string[]> {
  return fc.oneof(
    { weight: 12, arbitrary: fc.uniqueArray(fc.constantFrom(...place.podAddresses), { maxLength: 2 }) },
    { weight: 1, arbitrary: fc.uniqueArray(fc.constantFrom(...STRAY_POD_ADDRESSES), { minLength: 1, maxLength: 2 }) },
    { weight: 1, arbitrary: fc.constant(place.addresses) },
  );
}

export const podArb: Arbitrary<Pod> = fc.constantFrom(NODE_PLACES[0]!, NODE_PLACES[0]!, ...NODE_PLACES).chain((place) =>
  fc
    .record({
      namespace: fc.constantFrom('x', 'x', 'y', ...NAMESPACES, GHOST_NAMESPACE),
      name: fc.constantFrom(...POD_NAMES),
      uid: fc.constantFrom(...POD_UIDS),
      labels: labelsArb(POD_LABEL_KEYS),
      podIPs: podIPsArb(place),
      special: fc.constantFrom('', '', '', '', '', '', '', '', '', '', 'hostNetwork', 'terminal'),
      namedPorts: fc.array(namedPortArb, { maxLength: 3 }),
    })
    .map(({ special, podIPs, ...rest }) => ({
      ...rest,
      nodeName: place.name,
      podIPs: special === 'hostNetwork' ? place.addresses : podIPs,
      hostNetwork: special === 'hostNetwork',
      terminal: special === 'terminal',
    })),
);

interface EndpointSeed {
  /** Which of the pods that want one. */
  readonly pod: number;
  readonly uid: 'same' | 'none' | 'other';
  readonly stranger: boolean;
  readonly addresses: number;
}

type ChangeSeed =
  | { readonly kind: 'change'; readonly change: ClusterChange }
  | { readonly kind: 'relabel'; readonly pod: number; readonly labels: Labels }
  | { readonly kind: 'renumber'; readonly node: number; readonly place: NodePlace; readonly podCIDRs: PodCidrs }
  | { readonly kind: 'finish'; readonly pod: number }
  | { readonly kind: 'remove'; readonly what: 'Pod' | 'NetworkPolicy'; readonly index: number }
  | { readonly kind: 'appear'; readonly seed: EndpointSeed }
  | { readonly kind: 'go'; readonly index: number };

const INDEX = fc.nat(1000);

const endpointSeedArb: Arbitrary<EndpointSeed> = fc.record({
  pod: INDEX,
  uid: fc.nat(15).map((n) => (n === 0 ? 'other' : n < 6 ? 'none' : 'same')),
  stranger: fc.nat(19).map((n) => n === 0),
  addresses: INDEX,
});

const setArb: Arbitrary<ClusterChange> = fc.oneof(
  { weight: 2, arbitrary: namespaceArb.map((object): ClusterChange => ({ kind: 'Namespace', op: 'set', object })) },
  { weight: 6, arbitrary: podArb.map((object): ClusterChange => ({ kind: 'Pod', op: 'set', object })) },
  { weight: 6, arbitrary: policyArb.map((object): ClusterChange => ({ kind: 'NetworkPolicy', op: 'set', object })) },
  { weight: 2, arbitrary: nodeArb.map((object): ClusterChange => ({ kind: 'Node', op: 'set', object })) },
  {
    weight: 1,
    arbitrary: fc
      .subarray([...(NODE_PLACES[0]?.addresses ?? []), '10.0.1.0', '10.0.1.1'])
      .map((object): ClusterChange => ({ kind: 'NodeAddresses', op: 'set', object })),
  },
);

/** Also of what does not exist. */
const deleteArb: Arbitrary<ClusterChange> = fc.oneof(
  fc.constantFrom(...NAMESPACES).map((key): ClusterChange => ({ kind: 'Namespace', op: 'delete', key })),
  fc.constantFrom(...NODE_PLACES).map(({ name }): ClusterChange => ({ kind: 'Node', op: 'delete', key: name })),
  fc
    .tuple(fc.constantFrom(...ALL_NAMESPACES), fc.constantFrom(...POD_NAMES))
    .map((parts): ClusterChange => ({ kind: 'Pod', op: 'delete', key: parts.join('/') })),
  fc
    .tuple(fc.constantFrom(...ALL_NAMESPACES), fc.constantFrom(...POLICY_NAMES))
    .map((parts): ClusterChange => ({ kind: 'NetworkPolicy', op: 'delete', key: parts.join('/') })),
);

const changeSeedArb: Arbitrary<ChangeSeed> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ kind: fc.constant('change' as const), change: setArb }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('change' as const), change: deleteArb }) },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constant('relabel' as const), pod: INDEX, labels: labelsArb(POD_LABEL_KEYS) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('renumber' as const),
      node: INDEX,
      place: fc.constantFrom(...NODE_PLACES),
      podCIDRs: podCidrsArb,
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('finish' as const), pod: INDEX }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('remove' as const),
      what: fc.constantFrom('Pod' as const, 'NetworkPolicy' as const),
      index: INDEX,
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('appear' as const), seed: endpointSeedArb }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('go' as const), index: INDEX }) },
);

/** What brings a cluster about: never deletes, so `changesArb` can go on from it. */
export const initialChangesArb: Arbitrary<readonly ClusterChange[]> = fc
  .record({
    namespaces: fc.array(namespaceArb, { maxLength: 4 }),
    nodes: fc.array(nodeArb, { maxLength: 4 }),
    pods: fc.array(podArb, { minLength: 3, maxLength: 12 }),
    policies: fc.array(policyArb, { minLength: 1, maxLength: 8 }),
    endpoints: fc.array(endpointSeedArb, { minLength: 1, maxLength: 6 }),
  })
  .map(({ namespaces, nodes, pods, policies, endpoints }) =>
    planChanges(emptyCluster(LOCAL_NODE), [
      ...namespaces.map((object): ChangeSeed => ({ kind: 'change', change: { kind: 'Namespace', op: 'set', object } })),
      ...nodes.map((object): ChangeSeed => ({ kind: 'change', change: { kind: 'Node', op: 'set', object } })),
      ...pods.map((object): ChangeSeed => ({ kind: 'change', change: { kind: 'Pod', op: 'set', object } })),
      ...endpoints.map((seed): ChangeSeed => ({ kind: 'appear', seed })),
      ...policies.map((object): ChangeSeed => ({
        kind: 'change',
        change: { kind: 'NetworkPolicy', op: 'set', object },
      })),
    ]),
  );

export const clusterArb: Arbitrary<OracleCluster> = initialChangesArb.map((changes) =>
  changes.reduce(changeCluster, emptyCluster(LOCAL_NODE)),
);

/** What may happen to a cluster next. */
export function changesArb(cluster: OracleCluster, maxLength = 12): Arbitrary<readonly ClusterChange[]> {
  return fc.array(changeSeedArb, { maxLength }).map((seeds) => planChanges(cluster, seeds));
}

/** A cluster's beginning and what happens to it afterwards. */
export const scenarioArb: Arbitrary<{
  readonly initial: readonly ClusterChange[];
  readonly changes: readonly ClusterChange[];
}> = fc
  .record({ initial: initialChangesArb, seeds: fc.array(changeSeedArb, { maxLength: 12 }) })
  .map(({ initial, seeds }) => {
    const cluster = initial.reduce(changeCluster, emptyCluster(LOCAL_NODE));
    return { initial, changes: planChanges(cluster, seeds) };
  });

function planChanges(start: OracleCluster, seeds: readonly ChangeSeed[]): readonly ClusterChange[] {
  let cluster = start;
  let nextId = Math.max(0, ...start.endpoints.keys()) + 1;
  const changes: ClusterChange[] = [];
  for (const seed of seeds) {
    const change = planChange(cluster, seed, nextId);
    if (change === undefined) continue;
    if (change.kind === 'LocalEndpoint' && change.op === 'set') nextId += 1;
    cluster = changeCluster(cluster, change);
    changes.push(change);
  }
  return changes;
}

/** Undefined when there is nothing that the seed could concern. */
function planChange(cluster: OracleCluster, seed: ChangeSeed, nextId: number): ClusterChange | undefined {
  switch (seed.kind) {
    case 'change':
      return seed.change;
    case 'relabel': {
      const pod = pick([...cluster.pods.values()], seed.pod);
      return pod && { kind: 'Pod', op: 'set', object: { ...pod, labels: seed.labels } };
    }
    case 'renumber': {
      const node = pick([...cluster.nodes.values()], seed.node);
      return node && { kind: 'Node', op: 'set', object: { ...node, podCIDRs: podCidrsOf(seed.place, seed.podCIDRs) } };
    }
    case 'finish': {
      const pod = pick([...cluster.pods.values()], seed.pod);
      return pod && { kind: 'Pod', op: 'set', object: { ...pod, terminal: true } };
    }
    case 'remove': {
      const key = pick([...(seed.what === 'Pod' ? cluster.pods : cluster.policies).keys()], seed.index);
      return key === undefined ? undefined : { kind: seed.what, op: 'delete', key };
    }
    case 'appear': {
      const object = planEndpoint(cluster, seed.seed, nextId);
      return object && { kind: 'LocalEndpoint', op: 'set', object };
    }
    case 'go': {
      const id = pick([...cluster.endpoints.keys()], seed.index);
      return id === undefined ? undefined : { kind: 'LocalEndpoint', op: 'delete', id };
    }
  }
}

/** For a pod of this node, or one that nobody knows; with its own address where that is free, otherwise another. */
function planEndpoint(cluster: OracleCluster, seed: EndpointSeed, id: number): LocalEndpoint | undefined {
  const [place] = NODE_PLACES;
  const here = [...cluster.pods.values()].filter((pod) => pod.nodeName === LOCAL_NODE);
  const live = here.filter((pod) => !pod.terminal && !pod.hostNetwork);
  const known = seed.stranger ? undefined : pick(live.length > 0 && seed.pod % 8 > 0 ? live : here, seed.pod);
  const taken = new Set([...cluster.endpoints.values()].flatMap((endpoint) => endpoint.addresses));
  const wanted = [...(known?.podIPs ?? []), ...(place?.podAddresses ?? [])];
  const free = wanted.filter((address) => !taken.has(address));
  // Two times in three the first free one of each family, which is the pod's own when it has one.
  const choice = seed.addresses % 3 === 0 ? seed.addresses : 0;
  const ofFamily = (colon: boolean): string | undefined =>
    pick(
      free.filter((address) => address.includes(':') === colon),
      choice,
    );
  const addresses = [ofFamily(false), ofFamily(true)].filter((address) => address !== undefined);
  const kept = seed.addresses % 5 === 1 ? addresses.slice(0, 1) : addresses;
  if (kept.length === 0) return undefined;
  const { namespace, name } = known ?? { namespace: pick(ALL_NAMESPACES, seed.pod) ?? 'x', name: 'stranger' };
  const uid = { same: known?.uid ?? '', none: '', other: 'u3' }[seed.uid];
  return { id, namespace, name, uid, addresses: kept };
}

function pick<T>(list: readonly T[], index: number): T | undefined {
  return list.length === 0 ? undefined : list[index % list.length];
}
