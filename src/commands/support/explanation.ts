/** Answers as data, with the rules' texts and places: the stable form that docs/output.md describes. */
import type { LoadedCluster } from '../../cluster/manifests/load-cluster.ts';
import type { Answer, AnswerPart } from '../../policy/answer.ts';
import type { DryRun } from '../../policy/dry-run.ts';
import type { EndExplanation, RuleRef } from '../../policy/explain.ts';
import { type ClusterRule, clusterPolicyName, isClusterPolicyKey } from '../../policy/explain-tiers.ts';
import type { FlowCell } from '../../policy/flow-cells.ts';
import { clusterRuleText, ruleText } from '../../policy/rule-text.ts';

/** A rule in words, with where it stands. */
export interface RuleView {
  readonly policy: string;
  /** `ingress[0]`. */
  readonly rule: string;
  readonly text: string;
  readonly file: string | null;
  readonly line: number | null;
}

/** A rule of a ClusterNetworkPolicy that decided. */
export interface ClusterRuleView extends RuleView {
  readonly tier: 'Admin' | 'Baseline';
  readonly action: 'Accept' | 'Deny' | 'Pass';
}

export interface NearMissView extends RuleView {
  readonly failures: readonly string[];
}

export interface EndView {
  readonly direction: 'egress' | 'ingress';
  readonly pod: string;
  readonly verdict: 'allow' | 'deny';
  readonly reason: EndExplanation['reason'];
  readonly policies: readonly string[];
  readonly invalidPolicies: readonly string[];
  readonly allowedBy: readonly RuleView[];
  readonly nearMiss: NearMissView | null;
  readonly clusterRule: ClusterRuleView | null;
}

export interface PartView {
  readonly verdict: 'allow' | 'deny';
  readonly reason: AnswerPart['reason'];
  readonly pairs: number;
  readonly sources: readonly string[];
  readonly destinations: readonly string[];
  readonly example: {
    readonly source: string;
    readonly destination: string;
    readonly protocol: string;
    readonly port: number;
  };
  readonly egress: EndView | null;
  readonly ingress: EndView | null;
  readonly notes: readonly string[];
}

/** Labels of one side that are listed; the rest is only counted. */
const LABELS_MAX = 100;

export function viewParts(answer: Answer, dryRun: DryRun, cluster: LoadedCluster): readonly PartView[] {
  return answer.parts.map((part) => viewPart(part, dryRun, cluster));
}

function viewPart(part: AnswerPart, dryRun: DryRun, cluster: LoadedCluster): PartView {
  const { flow } = part;
  return {
    verdict: part.verdict,
    reason: part.reason,
    pairs: part.pairs,
    sources: labelsOf(part.sources, dryRun, cluster),
    destinations: labelsOf(part.destinations, dryRun, cluster),
    example: { source: flow.source, destination: flow.destination, protocol: flow.protocol, port: flow.port },
    egress: part.egress === undefined ? null : viewEnd(part.egress, dryRun, cluster),
    ingress: part.ingress === undefined ? null : viewEnd(part.ingress, dryRun, cluster),
    notes: notesOf(part, cluster),
  };
}

function viewEnd(end: EndExplanation, dryRun: DryRun, cluster: LoadedCluster): EndView {
  const { nearMiss } = end;
  return {
    direction: end.direction,
    pod: end.pod,
    verdict: end.verdict,
    reason: end.reason,
    policies: end.policies,
    invalidPolicies: end.invalid,
    clusterRule: end.clusterRule === undefined ? null : viewClusterRule(end.clusterRule, dryRun, cluster),
    allowedBy: end.allowedBy.map((ref) => viewRule(ref, dryRun, cluster)),
    nearMiss:
      nearMiss === undefined
        ? null
        : { ...viewRule(nearMiss.rule, dryRun, cluster), failures: nearMiss.failures.map(({ text }) => text) },
  };
}

function viewClusterRule(rule: ClusterRule, dryRun: DryRun, cluster: LoadedCluster): ClusterRuleView {
  const { policy, direction, index, tier, action, invalid } = rule;
  const object = dryRun.clusterPolicies.get(policy)?.[direction][index];
  const said = object === undefined ? '' : clusterRuleText(object, direction);
  const text = invalid ? 'the policy is invalid, and denies' : said;
  return {
    policy: `cnp:${policy}`,
    tier,
    action,
    text,
    ...placeOf(`ClusterNetworkPolicy ${policy}`, { direction, index }, cluster),
  };
}

function viewRule(ref: RuleRef, dryRun: DryRun, cluster: LoadedCluster): RuleView {
  const { policy, direction, index } = ref;
  if (isClusterPolicyKey(policy)) {
    const object = dryRun.clusterPolicies.get(clusterPolicyName(policy));
    const rule = object?.[direction][index];
    const text = rule === undefined ? '' : clusterRuleText(rule, direction);
    return { policy, text, ...placeOf(`ClusterNetworkPolicy ${clusterPolicyName(policy)}`, ref, cluster) };
  }
  const object = dryRun.policies.get(policy);
  const rule = object?.[direction][index];
  const text = object === undefined || rule === undefined ? '' : ruleText(rule, direction, object.namespace);
  return { policy, text, ...placeOf(`NetworkPolicy ${policy}`, ref, cluster) };
}

function placeOf(
  object: string,
  { direction, index }: Pick<RuleRef, 'direction' | 'index'>,
  cluster: LoadedCluster,
): Pick<RuleView, 'rule' | 'file' | 'line'> {
  const source = cluster.sources.get(object);
  const rule = `${direction}[${index}]`;
  return { rule, file: source?.file ?? null, line: source?.place(`spec.${rule}`)?.line ?? null };
}

/** Labels of the cells, each once, with the pod that an address turned out to be. */
export function labelsOf(cells: readonly FlowCell[], dryRun: DryRun, cluster: LoadedCluster): readonly string[] {
  const labels = new Set(
    cells.map(({ label, pod, address, range }) => {
      if (pod !== undefined || (range !== undefined && range.first !== range.last)) return label;
      const party = dryRun.partyAt(address);
      if (party.kind === 'pod') {
        const key = `${party.pod.namespace}/${party.pod.name}`;
        return `${label} (pod ${key}${cluster.madeUp.has(key) ? ', address made up' : ''})`;
      }
      return party.kind === 'node' ? `${label} (node ${party.nodes.join(', ')})` : label;
    }),
  );
  const shown = [...labels].slice(0, LABELS_MAX);
  return labels.size > shown.length ? [...shown, `and ${labels.size - shown.length} more`] : shown;
}

/** What limits the answer. */
function notesOf(part: AnswerPart, cluster: LoadedCluster): readonly string[] {
  const notes: string[] = [];
  const { sourceParty, destinationParty } = part;
  for (const [party, side] of [
    [sourceParty, 'source'],
    [destinationParty, 'destination'],
  ] as const) {
    if (party.kind === 'node') {
      notes.push(
        `the ${side} is an address of node ${party.nodes.join(', ')}: policies do not select it, nor pods on its network; only ipBlocks match it`,
      );
    } else if (party.kind === 'unknown-pod') {
      notes.push(
        `the ${side} is in a range of pods but is no one pod's that is known: only rules for everyone match it`,
      );
    }
  }
  if (dependsOnMadeUp(part, cluster)) {
    notes.push(
      'an ipBlock was compared with an address that is made up, because the input gives the pod none: set --pod-cidr to the range of your pods',
    );
  }
  return notes;
}

/** Whether a rule with an ipBlock said yes or nearly yes about a pod whose address was made up. */
function dependsOnMadeUp(part: AnswerPart, cluster: LoadedCluster): boolean {
  const isMadeUp = ({ sourceParty, destinationParty }: AnswerPart, end: 'egress' | 'ingress'): boolean => {
    const party = end === 'egress' ? destinationParty : sourceParty;
    return party.kind === 'pod' && cluster.madeUp.has(`${party.pod.namespace}/${party.pod.name}`);
  };
  return (['egress', 'ingress'] as const).some((direction) => {
    const end = part[direction];
    if (end === undefined || !isMadeUp(part, direction)) return false;
    return end.blocksAsked;
  });
}
