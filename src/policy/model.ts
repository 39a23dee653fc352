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

export type ClusterNetworkPolicyTier = 'Admin' | 'Baseline';
export type ClusterNetworkPolicyAction = 'Accept' | 'Deny' | 'Pass';

/** Both must hold; empty selects everything (CNP-3). */
export interface NamespacedPods {
  readonly namespaceSelector: LabelSelector;
  readonly podSelector: LabelSelector;
}

/** Exactly one of the two (CNP-3). */
export type ClusterNetworkPolicySubject =
  | { readonly namespaces: LabelSelector; readonly pods?: never }
  | { readonly pods: NamespacedPods; readonly namespaces?: never };

/**
 * One of its fields (CNP-6); none: a peer that is not understood (CNP-8). `nodes` and `domainNames` are kept to say that
 * they are there: they are not enforced, and their rules fail closed like those of a peer that is not understood.
 */
export interface ClusterNetworkPolicyPeer {
  readonly namespaces?: LabelSelector;
  readonly pods?: NamespacedPods;
  /** Canonical CIDR text. */
  readonly networks?: readonly string[];
  readonly nodes?: LabelSelector;
  readonly domainNames?: readonly string[];
}

/** CNP-7. A named port is that of the destination pod, of whatever protocol the pod declares it for (CNP-29). */
export type ClusterNetworkPolicyProtocol =
  | {
      readonly protocol: Protocol;
      readonly port: number;
      readonly endPort?: number;
      readonly destinationNamedPort?: never;
    }
  | { readonly destinationNamedPort: string; readonly protocol?: never };

export interface ClusterNetworkPolicyRule {
  /** Empty when it has none. */
  readonly name: string;
  readonly action: ClusterNetworkPolicyAction;
  /** Never empty. */
  readonly peers: readonly ClusterNetworkPolicyPeer[];
  /** Empty: all protocols and ports (CNP-5). */
  readonly protocols: readonly ClusterNetworkPolicyProtocol[];
}

export interface ClusterNetworkPolicy {
  readonly name: string;
  readonly tier: ClusterNetworkPolicyTier;
  /** 0-1000, the lowest first (CNP-2). */
  readonly priority: number;
  readonly subject: ClusterNetworkPolicySubject;
  /** In the order of evaluation (CNP-4). */
  readonly ingress: readonly ClusterNetworkPolicyRule[];
  readonly egress: readonly ClusterNetworkPolicyRule[];
  /**
   * Set when the object failed validation. Its rules are then no longer those it was written with: it denies everything
   * in the directions it had rules for (both, where that could not be read), at its place.
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
  /** Those of type InternalIP alone, in their order: where the other nodes reach it. @default addresses */
  readonly internalAddresses?: readonly string[];
  /** Its label topology.kubernetes.io/zone, when it has one: for Services (SVC-22). */
  readonly zone?: string;
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
  | { readonly kind: 'ClusterNetworkPolicy'; readonly op: 'set'; readonly object: ClusterNetworkPolicy }
  | { readonly kind: 'Node'; readonly op: 'set'; readonly object: Node }
  | { readonly kind: 'LocalEndpoint'; readonly op: 'set'; readonly object: LocalEndpoint }
  /** Addresses found on the node's own interfaces, in full. */
  | { readonly kind: 'NodeAddresses'; readonly op: 'set'; readonly object: readonly string[] }
  | {
      readonly kind: 'Namespace' | 'Pod' | 'NetworkPolicy' | 'ClusterNetworkPolicy' | 'Node';
      readonly op: 'delete';
      readonly key: string;
    }
  | { readonly kind: 'LocalEndpoint'; readonly op: 'delete'; readonly id: number };
