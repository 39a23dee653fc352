/**
 * ClusterNetworkPolicies: SL010 to SL012 for their subjects and peers, SL070 for rules that are never reached, SL071 for
 * ties, SL072 for a Pass that nothing follows.
 */
import { isUnderstood, orderedPolicies, podsOf, selectsPod, stepsOf, type ClusterStep } from './cluster-steps.ts';
import { clusterPeerCovers, namespacedCovers, protocolsCover } from './covers-cluster.ts';
import type { DryRun } from './dry-run.ts';
import { isClusterPolicyKey } from './explain-tiers.ts';
import type { LintFinding, LintInput } from './lint-rules.ts';
import { keyOf, livePods, peersField, somePods } from './lint-subject.ts';
import type { ClusterNetworkPolicy, Pod } from './model.ts';
import { clusterPeerText } from './rule-text.ts';
import type { Direction } from './simulate.ts';

/** Rules of one direction that are compared with one another. */
const RULES_COMPARED_MAX = 2_000;
const DIRECTIONS = ['ingress', 'egress'] as const;

export function* checkCluster({ dryRun }: LintInput): Generator<LintFinding> {
  const policies = orderedPolicies(dryRun);
  if (policies.length === 0) return;
  const pods = livePods(dryRun);
  for (const policy of policies) {
    if (pods.length > 0) yield* checkSubject(policy, dryRun, pods);
    for (const direction of DIRECTIONS) {
      if (pods.length > 0) yield* checkPeers(policy, direction, dryRun, pods);
      yield* checkPass(policy, direction, dryRun, pods);
    }
  }
  for (const direction of DIRECTIONS) yield* checkReached(policies, direction);
  yield* ties(dryRun);
}

export function clusterKey({ name }: ClusterNetworkPolicy): string {
  return `cnp:${name}`;
}

function* checkSubject(policy: ClusterNetworkPolicy, dryRun: DryRun, pods: readonly Pod[]): Generator<LintFinding> {
  const subject = podsOf(policy.subject);
  if (pods.some((pod) => selectsPod(dryRun, subject, pod))) return;
  yield {
    id: 'SL010',
    policy: clusterKey(policy),
    path: 'spec.subject',
    message: `selects no pod of the input: ${clusterPeerText(policy.subject)}`,
    hint: 'the namespaces must have the labels of the namespaceSelector, the pods those of the podSelector',
  };
}

function* checkPeers(
  policy: ClusterNetworkPolicy,
  direction: Direction,
  dryRun: DryRun,
  pods: readonly Pod[],
): Generator<LintFinding> {
  for (const { rule, path } of stepsOf(policy, direction)) {
    for (const [index, peer] of rule.peers.entries()) {
      if (peer.namespaces === undefined && peer.pods === undefined) continue;
      const selection = podsOf(peer);
      if (pods.some((pod) => selectsPod(dryRun, selection, pod))) continue;
      yield {
        id: 'SL011',
        policy: clusterKey(policy),
        path: `${path}.${peersField(direction)}[${index}]`,
        message: `matches no pod of the input: ${clusterPeerText(peer)}`,
        hint: 'add the pods and the namespaces with their labels to the input if they exist',
      };
    }
  }
}

/** What a Pass leads to: NetworkPolicies that isolate, or Baseline rules. */
function* checkPass(
  policy: ClusterNetworkPolicy,
  direction: Direction,
  dryRun: DryRun,
  pods: readonly Pod[],
): Generator<LintFinding> {
  const passes = stepsOf(policy, direction).filter(({ rule }) => rule.action === 'Pass' && isUnderstood(rule));
  if (passes.length === 0) return;
  const subject = podsOf(policy.subject);
  const selected = pods.filter((pod) => selectsPod(dryRun, subject, pod));
  if (selected.length === 0 || selected.some((pod) => hasMore(policy, pod, direction, dryRun))) return;
  const what = policy.tier === 'Baseline' ? 'no tier comes after Baseline' : 'no NetworkPolicy and no Baseline policy';
  for (const { path } of passes) {
    yield {
      id: 'SL072',
      policy: clusterKey(policy),
      path: `${path}.action`,
      message:
        policy.tier === 'Baseline'
          ? `Pass allows: ${what}`
          : `Pass allows: ${what} has a say for ${direction} at ${somePods(selected)}`,
      hint: 'write Accept if that is meant',
    };
  }
}

function hasMore(policy: ClusterNetworkPolicy, pod: Pod, direction: Direction, dryRun: DryRun): boolean {
  if (policy.tier === 'Baseline') return false;
  const isIsolated = dryRun.policiesOf(keyOf(pod))[direction].some((key) => !isClusterPolicyKey(key));
  return (
    isIsolated ||
    orderedPolicies(dryRun).some(
      (other) =>
        other.tier === 'Baseline' && other[direction].length > 0 && selectsPod(dryRun, podsOf(other.subject), pod),
    )
  );
}

/** A rule is never reached when one before it decides all that it could match. */
function* checkReached(policies: readonly ClusterNetworkPolicy[], direction: Direction): Generator<LintFinding> {
  const steps = policies.flatMap((policy) => stepsOf(policy, direction)).slice(0, RULES_COMPARED_MAX);
  for (const [i, step] of steps.entries()) {
    const covering = coveringSteps(step, steps.slice(0, i));
    if (covering === undefined) continue;
    const names = [...covering].map(({ policy, index, rule }) => {
      const own = policy === step.policy ? '' : `${clusterKey(policy)} `;
      return `${own}${direction}[${index}] (${rule.action})`;
    });
    yield {
      id: 'SL070',
      policy: clusterKey(step.policy),
      path: step.path,
      message: `is never reached: ${names.join(', ')} decides everything that it could match`,
      hint: 'move it in front, give its policy a lower priority number, or remove it',
    };
  }
}

/** Rules before it that together match all its peers; undefined when there are none. */
function coveringSteps(step: ClusterStep, before: readonly ClusterStep[]): ReadonlySet<ClusterStep> | undefined {
  const candidates = before.filter((other) => canDecideFor(other, step));
  const covering = new Set<ClusterStep>();
  for (const peer of step.rule.peers) {
    const found = candidates.find(({ rule }) => rule.peers.some((wide) => clusterPeerCovers(wide, peer)));
    if (found === undefined) return undefined;
    covering.add(found);
  }
  return covering;
}

/** A Pass ends its own tier only. */
function canDecideFor(other: ClusterStep, step: ClusterStep): boolean {
  return (
    isUnderstood(other.rule) &&
    (other.rule.action !== 'Pass' || other.policy.tier === step.policy.tier) &&
    (other.policy === step.policy || namespacedCovers(podsOf(other.policy.subject), podsOf(step.policy.subject))) &&
    protocolsCover(other.rule.protocols, step.rule.protocols)
  );
}

function* ties(dryRun: DryRun): Generator<LintFinding> {
  for (const problem of dryRun.result.problems) {
    if (problem.kind !== 'priority-tie') continue;
    const [first = '', ...others] = problem.policies;
    yield {
      id: 'SL071',
      policy: first,
      path: 'spec.priority',
      message: `has the tier and priority of ${others.join(', ')}: which comes first is not defined, and Sluice goes by name`,
      hint: 'give each a priority of its own',
    };
  }
}
