/** Rules of ClusterNetworkPolicies that would have let a denied flow through, had they matched, and what they lack. */
import { isUnderstood, orderedPolicies, podsOf, selectsPod, stepsOf } from './cluster-steps.ts';
import type { DryRun, Party } from './dry-run.ts';
import type { Flow, NearMiss } from './explain.ts';
import type { ClusterRule } from './explain-tiers.ts';
import { clusterPeerFailures, clusterProtocolFailures } from './match-cluster.ts';
import type { Failure } from './match.ts';
import type { ClusterNetworkPolicyRule, Pod } from './model.ts';
import type { Direction } from './simulate.ts';

/**
 * One for each Accept rule that is asked before the denial: before the rule that denies, or (undefined) before the
 * NetworkPolicies, in tier Admin.
 */
export function clusterMisses(
  dryRun: DryRun,
  direction: Direction,
  subject: Pod,
  party: Party,
  flow: Flow,
  denied: ClusterRule | undefined,
): readonly NearMiss[] {
  const misses: NearMiss[] = [];
  // Of the tier that is looked at: a rule that passes the flow on ends the tier for it (CNP-23).
  let passed: { readonly tier: string; readonly failure: Failure } | undefined;
  const question = { party, address: direction === 'egress' ? flow.destination : flow.source, flow };
  const destination = direction === 'ingress' ? subject : party.kind === 'pod' ? party.pod : undefined;
  for (const policy of orderedPolicies(dryRun)) {
    if (denied === undefined && policy.tier === 'Baseline') break;
    if (!selectsPod(dryRun, podsOf(policy.subject), subject)) continue;
    for (const { index, rule } of stepsOf(policy, direction)) {
      if (denied?.policy === policy.name && denied.index === index) return misses;
      if (rule.action === 'Deny') continue;
      const best = bestMiss(dryRun, rule, question, destination);
      if (rule.action === 'Accept') {
        const earlier = passed?.tier === policy.tier ? [passed.failure] : [];
        const failures = [...earlier, ...best.failures];
        misses.push({ rule: { policy: `cnp:${policy.name}`, direction, index }, ...best, failures });
      } else if (best.failures.length === 0 && passed?.tier !== policy.tier) {
        passed = { tier: policy.tier, failure: passedOn(policy.name, direction, index) };
      }
    }
  }
  return misses;
}

function passedOn(policy: string, direction: Direction, index: number): Failure {
  const text = `rule ${direction}[${index}] of cnp:${policy} comes first and passes it on`;
  return { distance: 1, kind: 'passed-on', text };
}

/** Of all pairs of a peer and a protocol the one with the least that is wrong. */
function bestMiss(
  dryRun: DryRun,
  rule: ClusterNetworkPolicyRule,
  { party, address, flow }: { readonly party: Party; readonly address: string; readonly flow: Flow },
  destination: Pod | undefined,
): Omit<NearMiss, 'rule'> {
  let best: Omit<NearMiss, 'rule'> | undefined;
  for (const [peerIndex, peer] of rule.peers.entries()) {
    const ofPeer = clusterPeerFailures(peer, { party, address, namespaces: dryRun.namespaces });
    const all = isUnderstood(rule) || ofPeer.length > 0 ? ofPeer : NOT_WHOLE;
    const protocols = rule.protocols.length === 0 ? [undefined] : rule.protocols;
    for (const [i, protocol] of protocols.entries()) {
      const ofPort = protocol === undefined ? [] : clusterProtocolFailures(protocol, { ...flow, destination });
      const portIndex = protocol === undefined ? undefined : i;
      const miss = { peerIndex, portIndex, failures: [...all, ...ofPort] };
      if (best === undefined || distanceOf(miss.failures) < distanceOf(best.failures)) best = miss;
    }
  }
  return best ?? { peerIndex: undefined, portIndex: undefined, failures: [] };
}

/** CNP-8: one peer that is not enforced makes the whole rule accept nothing. */
const NOT_WHOLE: readonly Failure[] = [
  { distance: 1, kind: 'not-enforced', text: 'another peer of the rule is not enforced, so the rule accepts nothing' },
];

function distanceOf(failures: readonly Failure[]): number {
  return failures.reduce((sum, { distance }) => sum + distance, 0);
}
