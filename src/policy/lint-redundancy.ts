/**
 * SL020: a rule all of which other rules allow. Proven by what selectors, blocks and ports say, so it holds in every
 * cluster: for each peer there is another rule, of this policy or of one that selects at least the same pods, with a peer
 * that covers it and ports that cover the rule's.
 */
import { peerCovers, portsCover, selectorCovers } from './covers.ts';
import type { LintFinding, LintInput } from './lint-rules.ts';
import { type RulePlace, rulesOf, validPolicies } from './lint-subject.ts';
import type { NetworkPolicyPeer } from './model.ts';

/** Rules of one namespace and direction that are compared with one another. */
const RULES_COMPARED_MAX = 2_000;

export function* checkRedundancy({ dryRun }: LintInput): Generator<LintFinding> {
  const groups = new Map<string, RulePlace[]>();
  for (const place of validPolicies(dryRun).flatMap(rulesOf)) {
    const key = `${place.direction} ${place.policy.namespace}`;
    groups.set(key, [...(groups.get(key) ?? []), place]);
  }
  for (const rules of groups.values()) {
    yield* redundantIn(rules.slice(0, RULES_COMPARED_MAX));
    const beyond = rules[RULES_COMPARED_MAX];
    if (beyond !== undefined) yield notCompared(beyond, rules.length);
  }
}

function notCompared({ key, path, policy }: RulePlace, rules: number): LintFinding {
  return {
    id: 'SL002',
    policy: key,
    path,
    message: `from this rule on, the ${rules} rules of namespace ${policy.namespace} are not compared with one another: RULES_COMPARED_MAX is ${RULES_COMPARED_MAX}`,
    hint: '',
  };
}

/** From the last to the first, so that of two equal rules the later is told; what is told covers no other. */
function* redundantIn(rules: readonly RulePlace[]): Generator<LintFinding> {
  const redundant = new Set<RulePlace>();
  for (const rule of rules.toReversed()) {
    const others = rules.filter((other) => other !== rule && !redundant.has(other) && selectsAtLeast(other, rule));
    const covering = coveringRules(rule, others);
    if (covering === undefined) continue;
    redundant.add(rule);
    const names = [...covering].map((other) => {
      const own = other.policy === rule.policy ? '' : `${other.key} `;
      return `${own}${other.direction}[${other.index}]`;
    });
    yield {
      id: 'SL020',
      policy: rule.key,
      path: rule.path,
      message: `allows nothing that ${names.join(', ')} would not allow without it`,
      hint: 'remove the rule, or narrow the other',
    };
  }
}

function selectsAtLeast(wide: RulePlace, narrow: RulePlace): boolean {
  return wide.policy === narrow.policy || selectorCovers(wide.policy.podSelector, narrow.policy.podSelector);
}

/** A set of rules that allow all that the rule allows; undefined when there is none. */
function coveringRules(rule: RulePlace, others: readonly RulePlace[]): ReadonlySet<RulePlace> | undefined {
  const covering = new Set<RulePlace>();
  const peers = rule.rule.peers.length === 0 ? [undefined] : rule.rule.peers;
  for (const peer of peers) {
    const found = others.find((other) => coversPeer(other, rule, peer));
    if (found === undefined) return undefined;
    covering.add(found);
  }
  return covering;
}

/** undefined stands for everyone. */
function coversPeer(other: RulePlace, rule: RulePlace, peer: NetworkPolicyPeer | undefined): boolean {
  const direction = rule.direction === 'ingress' ? 'Ingress' : 'Egress';
  const covers = (wide: NetworkPolicyPeer | undefined): boolean =>
    (wide === undefined || (peer !== undefined && peerCovers(wide, peer, rule.policy.namespace))) &&
    portsCover(other.rule.ports, rule.rule.ports, direction, wide);
  return other.rule.peers.length === 0 ? covers(undefined) : other.rule.peers.some(covers);
}
