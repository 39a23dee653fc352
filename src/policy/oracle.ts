/**
 * The oracle: the verdict of one flow, read literally from the objects, slowly, one rule of the semantics after the
 * other. It shares no code with the compiler, so that the two can be held against each other.
 *
 * Who has an address, in this order:
 * 1. one local endpoint: the pod it belongs to, or, when that is not known or not live, an unknown pod; several: unknown;
 * 2. an address of the node itself: nobody, see 5 (NP-84);
 * 3. live pods without a local endpoint of their own (NP-124), by status.podIPs: one is the pod, several are an unknown
 *    pod (NP-29). Terminal (NP-120) and hostNetwork pods (NP-83 b, NP-84) are not live;
 * 4. otherwise, inside a node's podCIDR: an unknown pod;
 * 5. otherwise outside: only an ipBlock or a rule for all peers matches it.
 * An unknown pod matches neither selectors nor ipBlocks, only rules for all peers. As the subject it is closed. What
 * ClusterNetworkPolicies say is in oracle-cluster.ts.
 *
 * Not its business, because they belong to packets and places, not to policy: traffic between a pod and its own node
 * (NP-80, NP-81), a pod talking to itself (NP-85), neighbour discovery, replies (NP-100), Services.
 */
import { canonicalAddress } from '../net/address.ts';
import type {
  ClusterChange,
  IpBlock,
  LocalEndpoint,
  NetworkPolicyPeer,
  NetworkPolicyPort,
  NetworkPolicyRule,
  Pod,
  PolicyType,
} from './model.ts';
import { type Decision, judgeTiers } from './oracle-cluster.ts';
import {
  isInside,
  type OracleCluster,
  type OracleFlow,
  type Party,
  peerAddress,
  protocolOf,
  type Question,
  selects,
  type Verdict,
} from './oracle-question.ts';

export type { Decision } from './oracle-cluster.ts';
export type { OracleCluster, OracleFlow, Verdict } from './oracle-question.ts';

/** A rule by its policy, `namespace/name`, and its place in the policy's list. */
export interface RuleReference {
  readonly policy: string;
  readonly index: number;
}

export interface FlowEvaluation {
  /** Undefined: the source is not a pod. */
  readonly egress: Verdict | undefined;
  /** Undefined: the destination is not a pod. */
  readonly ingress: Verdict | undefined;
  /** Policies that isolate the source for egress, `namespace/name`, sorted. */
  readonly egressPolicies: readonly string[];
  readonly ingressPolicies: readonly string[];
  /** Every NetworkPolicy rule that allows the flow, whoever has the last word. */
  readonly egressRules: readonly RuleReference[];
  readonly ingressRules: readonly RuleReference[];
  /** What decided at that end, where a ClusterNetworkPolicy has a say; otherwise undefined. */
  readonly egressDecision?: Decision;
  readonly ingressDecision?: Decision;
}

interface Judgement {
  readonly verdict: Verdict | undefined;
  readonly policies: readonly string[];
  readonly rules: readonly RuleReference[];
  readonly decision?: Decision;
}

export function emptyCluster(nodeName: string): OracleCluster {
  const none = new Map<never, never>();
  return {
    namespaces: none,
    pods: none,
    policies: none,
    clusterPolicies: none,
    nodes: none,
    endpoints: none,
    nodeName,
    nodeAddresses: [],
  };
}

/** The cluster after one change; the given one stays as it is. */
export function changeCluster(cluster: OracleCluster, change: ClusterChange): OracleCluster {
  switch (change.kind) {
    case 'Namespace':
      return { ...cluster, namespaces: changeMap(cluster.namespaces, change, (object) => object.name) };
    case 'Node':
      return { ...cluster, nodes: changeMap(cluster.nodes, change, (object) => object.name) };
    case 'Pod':
      return { ...cluster, pods: changeMap(cluster.pods, change, keyOf) };
    case 'NetworkPolicy':
      return { ...cluster, policies: changeMap(cluster.policies, change, keyOf) };
    case 'ClusterNetworkPolicy':
      return { ...cluster, clusterPolicies: changeMap(cluster.clusterPolicies, change, (object) => object.name) };
    case 'NodeAddresses':
      return { ...cluster, nodeAddresses: change.object };
    case 'LocalEndpoint': {
      const endpoints = new Map(cluster.endpoints);
      if (change.op === 'set') endpoints.set(change.object.id, change.object);
      else endpoints.delete(change.id);
      return { ...cluster, endpoints };
    }
  }
}

function changeMap<T>(
  map: ReadonlyMap<string, T>,
  change: { readonly op: 'set'; readonly object: T } | { readonly op: 'delete'; readonly key: string },
  key: (object: T) => string,
): ReadonlyMap<string, T> {
  const next = new Map(map);
  if (change.op === 'set') next.set(key(change.object), change.object);
  else next.delete(change.key);
  return next;
}

function keyOf(object: { readonly namespace: string; readonly name: string }): string {
  return `${object.namespace}/${object.name}`;
}

/** NP-3: a flow passes when neither answer is `deny`. Addresses in any text form. */
export function evaluateFlow(cluster: OracleCluster, flow: OracleFlow): FlowEvaluation {
  const source = whoHas(cluster, flow.source);
  const destination = whoHas(cluster, flow.destination);
  const egress = judge(cluster, flow, 'Egress', source, destination);
  const ingress = judge(cluster, flow, 'Ingress', destination, source);
  return {
    egress: egress.verdict,
    ingress: ingress.verdict,
    egressPolicies: egress.policies,
    ingressPolicies: ingress.policies,
    egressRules: egress.rules,
    ingressRules: ingress.rules,
    ...(egress.decision !== undefined && { egressDecision: egress.decision }),
    ...(ingress.decision !== undefined && { ingressDecision: ingress.decision }),
  };
}

function whoHas(cluster: OracleCluster, address: string): Party {
  const endpoints = [...cluster.endpoints.values()].filter((endpoint) => hasAddress(endpoint.addresses, address));
  if (endpoints.length > 1) return { kind: 'unknown pod' };
  const [endpoint] = endpoints;
  if (endpoint !== undefined) {
    const pod = podOf(cluster, endpoint);
    return pod !== undefined && isLive(pod) ? { kind: 'pod', pod } : { kind: 'unknown pod' };
  }
  const own = [...cluster.nodeAddresses, ...(cluster.nodes.get(cluster.nodeName)?.addresses ?? [])];
  if (!hasAddress(own, address)) {
    const pods = [...cluster.pods.values()].filter(
      (pod) => isLive(pod) && !hasEndpoint(cluster, pod) && hasAddress(pod.podIPs, address),
    );
    if (pods.length > 1) return { kind: 'unknown pod' };
    const [pod] = pods;
    if (pod !== undefined) return { kind: 'pod', pod };
  }
  const podCIDRs = [...cluster.nodes.values()].flatMap((node) => node.podCIDRs);
  return podCIDRs.some((cidr) => isInside(cidr, address)) ? { kind: 'unknown pod' } : { kind: 'outside' };
}

function isLive(pod: Pod): boolean {
  return !pod.terminal && !pod.hostNetwork;
}

/** NP-125: by name, and by uid where both ends know it. */
function podOf(cluster: OracleCluster, endpoint: LocalEndpoint): Pod | undefined {
  const pod = cluster.pods.get(keyOf(endpoint));
  const agree = endpoint.uid === '' || pod?.uid === '' || endpoint.uid === pod?.uid;
  return agree ? pod : undefined;
}

function hasEndpoint(cluster: OracleCluster, pod: Pod): boolean {
  return [...cluster.endpoints.values()].some((endpoint) => podOf(cluster, endpoint) === pod);
}

/** One end's answer. `subject` is the pod that is isolated or not, `peer` the other end. */
function judge(cluster: OracleCluster, flow: OracleFlow, type: PolicyType, subject: Party, peer: Party): Judgement {
  if (subject.kind === 'outside') return { verdict: undefined, policies: [], rules: [] };
  if (subject.kind === 'unknown pod') return { verdict: 'deny', policies: [], rules: [] };

  const isolating = [...cluster.policies.values()].filter(
    (policy) =>
      policy.namespace === subject.pod.namespace &&
      policy.policyTypes.includes(type) &&
      selects(policy.podSelector, subject.pod.labels),
  );
  const rules: RuleReference[] = [];
  const asked = { cluster, flow, type, subject: subject.pod, peer };
  for (const policy of isolating) {
    if (policy.invalid) continue;
    for (const [index, rule] of (type === 'Egress' ? policy.egress : policy.ingress).entries()) {
      if (ruleAllows(rule, { ...asked, policyNamespace: policy.namespace }))
        rules.push({ policy: keyOf(policy), index });
    }
  }
  const policies = isolating.map(keyOf).sort();
  const isolated = isolating.length === 0 ? undefined : rules.length > 0 ? 'allow' : 'deny';
  if (cluster.clusterPolicies.size === 0) return { verdict: isolated ?? 'allow', policies, rules };
  return { ...judgeTiers(asked, isolated), policies, rules };
}

interface PolicyQuestion extends Question {
  readonly policyNamespace: string;
}

/** NP-9, NP-10: one of the peers and one of the ports; no peers are all peers, no ports all ports of all protocols. */
function ruleAllows(rule: NetworkPolicyRule, question: PolicyQuestion): boolean {
  const somePort = (peer: NetworkPolicyPeer | undefined): boolean =>
    rule.ports.length === 0 || rule.ports.some((port) => portMatches(port, peer, question));
  if (rule.peers.length === 0) return somePort(undefined);
  return rule.peers.some((peer) => peerMatches(peer, question) && somePort(peer));
}

/** NP-20, NP-21, NP-27, NP-28. */
function peerMatches(peer: NetworkPolicyPeer, question: PolicyQuestion): boolean {
  const { podSelector, namespaceSelector, ipBlock } = peer;
  const party = question.peer;
  if (ipBlock !== undefined) return party.kind !== 'unknown pod' && blockMatches(ipBlock, peerAddress(question));
  if (podSelector === undefined && namespaceSelector === undefined) return false;
  if (party.kind !== 'pod') return false;
  if (podSelector !== undefined && !selects(podSelector, party.pod.labels)) return false;
  if (namespaceSelector === undefined) return party.pod.namespace === question.policyNamespace;
  const namespace = question.cluster.namespaces.get(party.pod.namespace);
  return namespace !== undefined && selects(namespaceSelector, namespace.labels);
}

/** NP-60 to NP-62. */
function blockMatches(block: IpBlock, address: string): boolean {
  return isInside(block.cidr, address) && !block.except.some((except) => isInside(except, address));
}

/** NP-40, NP-41, NP-43, NP-45 to NP-48, NP-51. */
function portMatches(rule: NetworkPolicyPort, peer: NetworkPolicyPeer | undefined, question: PolicyQuestion): boolean {
  const { flow } = question;
  if (protocolOf(flow) !== rule.protocol) return false;
  if (rule.port === undefined) return true;
  if (typeof rule.port === 'number') {
    return flow.destinationPort >= rule.port && flow.destinationPort <= (rule.endPort ?? rule.port);
  }
  const destination = namedPortOwner(peer, question);
  return (destination?.namedPorts ?? []).some(
    (named) =>
      named.name === rule.port && named.protocol === rule.protocol && named.containerPort === flow.destinationPort,
  );
}

/** The pod whose port names count: the flow's destination (NP-45); none where an ipBlock names it (NP-48). */
function namedPortOwner(peer: NetworkPolicyPeer | undefined, question: PolicyQuestion): Pod | undefined {
  if (question.type === 'Ingress') return question.subject;
  if (peer?.ipBlock !== undefined || question.peer.kind !== 'pod') return undefined;
  return question.peer.pod;
}

function hasAddress(addresses: readonly string[], address: string): boolean {
  return addresses.includes(canonicalAddress(address) ?? address);
}
