/**
 * SL073: a ClusterNetworkPolicy that denies a pod what it sends to itself through a Service. The specification has it
 * denied (CNP-26); Sluice judges no pod against itself.
 */
import { isUnderstood, orderedPolicies, podsOf, selectsPod, stepsOf, type ClusterStep } from './cluster-steps.ts';
import type { DryRun } from './dry-run.ts';
import { clusterKey } from './lint-cluster.ts';
import type { LintFinding, LintInput } from './lint-rules.ts';
import { isBehind } from './lint-services.ts';
import { keyOf, livePods } from './lint-subject.ts';
import type { ClusterNetworkPolicy, Pod } from './model.ts';
import type { Direction } from './simulate.ts';

const DIRECTIONS = ['ingress', 'egress'] as const;

export function* checkItself({ dryRun, services }: LintInput): Generator<LintFinding> {
  const policies = orderedPolicies(dryRun);
  if (policies.length === 0 || services.length === 0) return;
  const told = new Set<string>();
  for (const pod of livePods(dryRun)) {
    const service = services.find((each) => isBehind(each, pod));
    if (service === undefined) continue;
    for (const direction of DIRECTIONS) {
      const step = denialOfItself(dryRun, policies, pod, direction);
      const place = step && `${clusterKey(step.policy)} ${step.path}`;
      // Once a rule, however many pods it is about.
      if (step === undefined || place === undefined || told.has(place)) continue;
      told.add(place);
      yield {
        id: 'SL073',
        policy: clusterKey(step.policy),
        path: step.path,
        message: `denies ${keyOf(pod)} what it sends to itself through Service ${keyOf(service)}; Sluice lets that pass`,
        hint: 'nothing needs to be done if a pod may reach itself; no policy can keep it from that',
      };
    }
  }
}

/** The first rule that can decide about the pod and itself, if that is a Deny. */
function denialOfItself(
  dryRun: DryRun,
  policies: readonly ClusterNetworkPolicy[],
  pod: Pod,
  direction: Direction,
): ClusterStep | undefined {
  const isPassed = new Set<ClusterNetworkPolicy['tier']>();
  for (const policy of policies) {
    if (isPassed.has(policy.tier) || !selectsPod(dryRun, podsOf(policy.subject), pod)) continue;
    for (const step of stepsOf(policy, direction)) {
      const { action, peers, protocols } = step.rule;
      const isAbout = peers.some(
        (peer) => (peer.namespaces ?? peer.pods) !== undefined && selectsPod(dryRun, podsOf(peer), pod),
      );
      if (!isAbout || !isUnderstood(step.rule)) continue;
      if (action === 'Deny') return step;
      if (protocols !== undefined && protocols.length > 0) continue;
      if (action === 'Accept') return undefined;
      isPassed.add(policy.tier);
      break;
    }
  }
  return undefined;
}
