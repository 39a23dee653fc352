/** Rules of ClusterNetworkPolicies in the order in which they are asked (CNP-2, CNP-4, CNP-20). */
import type { DryRun } from './dry-run.ts';
import type { ClusterNetworkPolicy, ClusterNetworkPolicyRule, NamespacedPods, Pod } from './model.ts';
import { compileSelector } from './selector.ts';
import type { Direction } from './simulate.ts';

export interface ClusterStep {
  readonly policy: ClusterNetworkPolicy;
  readonly index: number;
  readonly rule: ClusterNetworkPolicyRule;
  /** `spec.egress[0]`. */
  readonly path: string;
}

const EVERYTHING = { matchLabels: {}, matchExpressions: [] };
const TIERS = ['Admin', 'Baseline'] as const;

/** Admin, then Baseline; by priority, then by name. Invalid policies are left out: their rules are not those written. */
export function orderedPolicies(dryRun: DryRun): readonly ClusterNetworkPolicy[] {
  return [...dryRun.clusterPolicies.values()]
    .filter(({ invalid }) => invalid !== true)
    .sort(
      (a, b) => TIERS.indexOf(a.tier) - TIERS.indexOf(b.tier) || a.priority - b.priority || (a.name < b.name ? -1 : 1),
    );
}

export function stepsOf(policy: ClusterNetworkPolicy, direction: Direction): readonly ClusterStep[] {
  return policy[direction].map((rule, index) => ({ policy, index, rule, path: `spec.${direction}[${index}]` }));
}

/** Both kinds of subject, and of peers by selectors, in one form. */
export function podsOf({ namespaces, pods }: Selecting): NamespacedPods {
  return pods ?? { namespaceSelector: namespaces ?? EVERYTHING, podSelector: EVERYTHING };
}

export interface Selecting {
  readonly namespaces?: NamespacedPods['namespaceSelector'];
  readonly pods?: NamespacedPods;
}

/** Whether the pod is known to be selected. */
export function selectsPod(dryRun: DryRun, { namespaceSelector, podSelector }: NamespacedPods, pod: Pod): boolean {
  const namespace = dryRun.namespaces.get(pod.namespace);
  return (
    namespace !== undefined &&
    compileSelector(podSelector).matches(pod.labels) &&
    compileSelector(namespaceSelector).matches(namespace.labels)
  );
}

/** CNP-8: it holds no peer that is not enforced. */
export function isUnderstood({ peers }: ClusterNetworkPolicyRule): boolean {
  return peers.every(({ namespaces, pods, networks }) => (namespaces ?? pods ?? networks) !== undefined);
}
