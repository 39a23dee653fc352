/** What the oracle is asked, and the few things that all of its parts read alike: labels, prefixes, protocols. */
import { parseAddress } from '../net/address.ts';
import { containsAddress, parseCidr } from '../net/cidr.ts';
import type {
  ClusterNetworkPolicy,
  Labels,
  LabelSelector,
  LabelSelectorRequirement,
  LocalEndpoint,
  Namespace,
  NetworkPolicy,
  Node,
  Pod,
  PolicyType,
  Protocol,
} from './model.ts';

export interface OracleCluster {
  readonly namespaces: ReadonlyMap<string, Namespace>;
  /** By `namespace/name`. */
  readonly pods: ReadonlyMap<string, Pod>;
  /** By `namespace/name`. */
  readonly policies: ReadonlyMap<string, NetworkPolicy>;
  /** By name. */
  readonly clusterPolicies: ReadonlyMap<string, ClusterNetworkPolicy>;
  readonly nodes: ReadonlyMap<string, Node>;
  readonly endpoints: ReadonlyMap<number, LocalEndpoint>;
  /** The node whose endpoints they are; its addresses are own addresses. */
  readonly nodeName: string;
  /** Found on the node's interfaces, canonical text. */
  readonly nodeAddresses: readonly string[];
}

/** The first packet of a new flow. */
export interface OracleFlow {
  readonly source: string;
  readonly destination: string;
  /** A number is the IANA one. */
  readonly protocol: Protocol | 'ICMP' | 'ICMPv6' | number;
  /** Without meaning for protocols that have no ports. */
  readonly destinationPort: number;
}

export type Verdict = 'allow' | 'deny';

export type Party =
  { readonly kind: 'pod'; readonly pod: Pod } | { readonly kind: 'unknown pod' } | { readonly kind: 'outside' };

/** One end of a flow: the pod whose policies are asked, and the other end. */
export interface Question {
  readonly cluster: OracleCluster;
  readonly flow: OracleFlow;
  readonly type: PolicyType;
  readonly subject: Pod;
  readonly peer: Party;
}

const IANA: ReadonlyMap<number, Protocol> = new Map([
  [6, 'TCP'],
  [17, 'UDP'],
  [132, 'SCTP'],
]);

export const EVERYTHING: LabelSelector = { matchLabels: {}, matchExpressions: [] };

/** Undefined: one without ports. */
export function protocolOf({ protocol }: OracleFlow): Protocol | undefined {
  if (typeof protocol === 'number') return IANA.get(protocol);
  return protocol === 'ICMP' || protocol === 'ICMPv6' ? undefined : protocol;
}

export function peerAddress({ type, flow }: Question): string {
  return type === 'Egress' ? flow.destination : flow.source;
}

/** NP-22 to NP-24: everything stated must hold. */
export function selects(selector: LabelSelector, labels: Labels): boolean {
  for (const [key, value] of Object.entries(selector.matchLabels)) {
    if (!Object.hasOwn(labels, key) || labels[key] !== value) return false;
  }
  return selector.matchExpressions.every((requirement) => requirementHolds(requirement, labels));
}

/** NotIn holds for an absent key (NP-23). A requirement the API would reject holds for nobody (NP-24). */
function requirementHolds({ key, operator, values }: LabelSelectorRequirement, labels: Labels): boolean {
  const present = Object.hasOwn(labels, key);
  const listed = present && values.includes(labels[key] ?? '');
  switch (operator) {
    case 'In':
      return listed;
    case 'NotIn':
      return values.length > 0 && !listed;
    case 'Exists':
      return present && values.length === 0;
    case 'DoesNotExist':
      return !present && values.length === 0;
  }
}

export function isInside(cidr: string, address: string): boolean {
  const prefix = parseCidr(cidr);
  const parsed = parseAddress(address);
  return prefix !== undefined && parsed !== undefined && containsAddress(prefix, parsed);
}
