/** What several lint rules ask of a cluster. */
import type { DryRun } from './dry-run.ts';
import type { NetworkPolicy, NetworkPolicyPeer, NetworkPolicyRule, Pod } from './model.ts';
import { compileSelector } from './selector.ts';
import type { Direction } from './simulate.ts';

export interface RulePlace {
  readonly policy: NetworkPolicy;
  readonly key: string;
  readonly direction: Direction;
  readonly index: number;
  readonly rule: NetworkPolicyRule;
  /** `spec.egress[0]`. */
  readonly path: string;
}

export function keyOf({ namespace, name }: { readonly namespace: string; readonly name: string }): string {
  return `${namespace}/${name}`;
}

export function validPolicies(dryRun: DryRun): readonly NetworkPolicy[] {
  return [...dryRun.policies.values()].filter(({ invalid }) => invalid !== true);
}

export function rulesOf(policy: NetworkPolicy): readonly RulePlace[] {
  return (['ingress', 'egress'] as const).flatMap((direction) =>
    policy[direction].map((rule, index) => {
      return { policy, key: keyOf(policy), direction, index, rule, path: `spec.${direction}[${index}]` };
    }),
  );
}

/** The field that lists the peers. */
export function peersField(direction: Direction): 'from' | 'to' {
  return direction === 'ingress' ? 'from' : 'to';
}

/** Pods that can be subjects and peers. */
export function livePods(dryRun: DryRun): readonly Pod[] {
  return [...dryRun.pods.values()].filter(({ terminal, hostNetwork }) => !terminal && !hostNetwork);
}

/** Pods that the policy selects, those on the host's network included. */
export function selectedPods(dryRun: DryRun, policy: NetworkPolicy): readonly Pod[] {
  const selector = compileSelector(policy.podSelector);
  return [...dryRun.pods.values()].filter(
    (pod) => !pod.terminal && pod.namespace === policy.namespace && selector.matches(pod.labels),
  );
}

/** Pods that a peer by selectors matches; empty for a block. */
export function peerPods(dryRun: DryRun, peer: NetworkPolicyPeer, namespace: string): readonly Pod[] {
  if (peer.ipBlock !== undefined) return [];
  const selector = compileSelector(peer.podSelector ?? { matchLabels: {}, matchExpressions: [] });
  const scope = peer.namespaceSelector && compileSelector(peer.namespaceSelector);
  return livePods(dryRun).filter((pod) => {
    if (!selector.matches(pod.labels)) return false;
    if (scope === undefined) return pod.namespace === namespace;
    const labels = dryRun.namespaces.get(pod.namespace)?.labels;
    return labels !== undefined && scope.matches(labels);
  });
}

/** `web-1`, `web-1 and 3 more`. */
export function somePods(pods: readonly Pod[]): string {
  const [first] = pods;
  if (first === undefined) return 'no pod';
  return pods.length === 1 ? keyOf(first) : `${keyOf(first)} and ${pods.length - 1} more`;
}
