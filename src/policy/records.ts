/** What the compiler keeps of a pod and of a local endpoint while it knows them. */
import type { SelectedClusterPolicy } from './cluster-policy.ts';
import type { LocalEndpoint, Pod } from './model.ts';
import type { PodGroup } from './pod-groups.ts';
import type { CompiledPolicy } from './rule-content.ts';
import type { RuleSet } from './rule-set.ts';

export interface PodRecord {
  /** `namespace/name`. */
  readonly key: string;
  pod: Pod;
  /** Undefined while it is neither subject nor peer: terminal (NP-120) or on the host's network (NP-83 b). */
  group: PodGroup | undefined;
  /** Local endpoints that are this pod's. */
  endpoints: readonly EndpointRecord[];
  /** Address keys claimed for it: its podIPs, or none when endpoints stand for it (NP-124). */
  claims: readonly string[];
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
}
