/** What the compiler keeps of a pod and of a local endpoint while it knows them. */
import type { CompiledClusterPolicy, SelectedClusterPolicy } from './cluster-policy.ts';
import type { LocalEndpoint } from './model.ts';
import type { PodGroup } from './pod-groups.ts';
import type { CompiledPolicy } from './rule-content.ts';
import type { RuleSet } from './rule-set.ts';

/** A pod that is a peer: neither terminal (NP-120) nor on the host's network (NP-83 b). */
export interface PodRecord {
  /** `namespace/name`. */
  readonly key: string;
  uid: string;
  /** Has its namespace and labels; undefined once it is gone. */
  group: PodGroup | undefined;
  /** Local endpoints that are this pod's. */
  endpoints: readonly EndpointRecord[];
  /** Address keys of its podIPs. */
  addresses: readonly string[];
  /** Those claimed for it: all of them, or none when endpoints stand for it (NP-124). */
  claims: readonly string[];
}

/** One entry of an EndpointTable. */
export interface EndpointEntry {
  readonly ingress: number;
  readonly egress: number;
  readonly ingressPolicies: readonly string[];
  readonly egressPolicies: readonly string[];
}

export interface EndpointRecord {
  readonly id: number;
  endpoint: LocalEndpoint;
  /** Undefined while its pod is not known. */
  pod: PodRecord | undefined;
  claims: readonly string[];
  /** Undefined: open when the pod is known, closed when it is not. */
  ingress: RuleSet | undefined;
  egress: RuleSet | undefined;
  ingressPolicies: readonly CompiledPolicy[];
  egressPolicies: readonly CompiledPolicy[];
  /** Those that have a say, in the order of evaluation: Baseline only where no NetworkPolicy isolates (CNP-24). */
  ingressClusterPolicies: readonly SelectedClusterPolicy[];
  egressClusterPolicies: readonly SelectedClusterPolicy[];
  /** Of all of these, those with texts that could not be read. */
  unreadablePolicies: readonly (CompiledPolicy | CompiledClusterPolicy)[];
  /** As the tables have it; undefined before the first `settle`. */
  entry: EndpointEntry | undefined;
}
