/**
 * The Kubernetes objects that policy reads, slim and already defaulted: what `cluster/` keeps and the compiler takes.
 * Field names are Kubernetes' own. Nothing here is validated beyond its type: `validate.ts` makes these from raw objects.
 */

export type Protocol = 'TCP' | 'UDP' | 'SCTP';
export type PolicyType = 'Ingress' | 'Egress';
export type Labels = Readonly<Record<string, string>>;

export interface LabelSelectorRequirement {
  readonly key: string;
  readonly operator: 'In' | 'NotIn' | 'Exists' | 'DoesNotExist';
  readonly values: readonly string[];
}

/** metav1.LabelSelector. Empty selects everything (NP-22). */
export interface LabelSelector {
  readonly matchLabels: Labels;
  readonly matchExpressions: readonly LabelSelectorRequirement[];
}

/** Canonical CIDR text: host bits cleared, IPv6 compressed (NP-63). */
export interface IpBlock {
  readonly cidr: string;
  readonly except: readonly string[];
}

/** Exactly one of the two forms of NP-20/NP-21. Absent selectors are undefined, empty ones select everything. */
export interface NetworkPolicyPeer {
  readonly podSelector?: LabelSelector;
  readonly namespaceSelector?: LabelSelector;
  readonly ipBlock?: IpBlock;
}

/** One port rule; protocol is defaulted (NP-40). port absent: every port of the protocol (NP-41). */
export interface NetworkPolicyPort {
  readonly protocol: Protocol;
  readonly port?: number | string;
  readonly endPort?: number;
}

/** peers and ports empty mean all (NP-9, NP-11). */
export interface NetworkPolicyRule {
  readonly peers: readonly NetworkPolicyPeer[];
  readonly ports: readonly NetworkPolicyPort[];
}

export interface NetworkPolicy {
  readonly namespace: string;
  readonly name: string;
  readonly podSelector: LabelSelector;
  /** Effective types (NP-5, NP-6), sorted, no duplicates. */
  readonly policyTypes: readonly PolicyType[];
  /** Rules of a type that is not in policyTypes are dropped by validation. */
  readonly ingress: readonly NetworkPolicyRule[];
  readonly egress: readonly NetworkPolicyRule[];
  /**
   * Set when the object failed validation: it isolates (podSelector and policyTypes say whom, as far as they could be
   * read; otherwise the whole namespace in both directions) and allows nothing, so its pods are not silently opened.
   */
  readonly invalid?: true;
}

/** A named containerPort, by the candidate set of NP-49. Unnamed ports are not kept. */
export interface NamedPort {
  readonly name: string;
  readonly protocol: Protocol;
  readonly containerPort: number;
}

export interface Pod {
  readonly namespace: string;
  readonly name: string;
  /** Empty when the manifest has none. */
  readonly uid: string;
  readonly nodeName: string;
  readonly labels: Labels;
  /** status.podIPs, canonical text; empty before they are known. */
  readonly podIPs: readonly string[];
  readonly hostNetwork: boolean;
  /** Succeeded or Failed: neither subject nor peer (NP-120). */
  readonly terminal: boolean;
  readonly namedPorts: readonly NamedPort[];
}

export interface Namespace {
  readonly name: string;
  /** Always includes kubernetes.io/metadata.name (NP-25). */
  readonly labels: Labels;
}

export interface Node {
  readonly name: string;
  readonly podCIDRs: readonly string[];
  /** status.addresses of type InternalIP and ExternalIP, canonical text. */
  readonly addresses: readonly string[];
}

/** A pod's interface on this node, known from CNI ADD before the API knows its address (NP-124). */
export interface LocalEndpoint {
  /** Unique over the life of the node; the kernel's endpoint id. */
  readonly id: number;
  readonly namespace: string;
  readonly name: string;
  /** Empty: matched by name. Otherwise it must equal the pod's uid (NP-125). */
  readonly uid: string;
  /** Canonical text; at most one a family. */
  readonly addresses: readonly string[];
}

/** One change of the desired state. Keys are `namespace/name` for namespaced objects and the name for others. */
export type ClusterChange =
  | { readonly kind: 'Namespace'; readonly op: 'set'; readonly object: Namespace }
  | { readonly kind: 'Pod'; readonly op: 'set'; readonly object: Pod }
  | { readonly kind: 'NetworkPolicy'; readonly op: 'set'; readonly object: NetworkPolicy }
  | { readonly kind: 'Node'; readonly op: 'set'; readonly object: Node }
  | { readonly kind: 'LocalEndpoint'; readonly op: 'set'; readonly object: LocalEndpoint }
  /** Addresses found on the node's own interfaces, in full. */
  | { readonly kind: 'NodeAddresses'; readonly op: 'set'; readonly object: readonly string[] }
  | {
      readonly kind: 'Namespace' | 'Pod' | 'NetworkPolicy' | 'Node';
      readonly op: 'delete';
      readonly key: string;
    }
  | { readonly kind: 'LocalEndpoint'; readonly op: 'delete'; readonly id: number };
