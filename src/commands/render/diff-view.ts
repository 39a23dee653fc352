/** A diff in words: what every form of output is made of. */
import type { DiffGroup, PolicyDiff } from '../../policy/diff.ts';
import type { DiffEnd } from '../../policy/diff-ends.ts';
import type { EndChange, WitnessEnd } from '../../policy/diff-witness.ts';
import type { EndExplanation } from '../../policy/explain.ts';
import { compareNames } from '../../policy/name-order.ts';
import type { PortInterval } from '../../policy/port-set.ts';
import type { PodNames } from './pod-names.ts';

export interface EndStateView {
  readonly verdict: 'allow' | 'deny';
  /** Policies that isolate the pod in this direction. */
  readonly policies: readonly string[];
  /** Rules that allow the flow: `shop/web ingress[0]`. */
  readonly allowedBy: readonly string[];
  readonly text: string;
}

export interface ChangedEndView {
  readonly direction: 'egress' | 'ingress';
  readonly pod: string;
  readonly before: EndStateView;
  readonly after: EndStateView;
}

export interface DiffGroupView {
  readonly change: 'allowed' | 'denied';
  readonly ports: string;
  readonly portList: readonly PortInterval[];
  readonly sources: readonly string[];
  readonly destinations: readonly string[];
  readonly witness: {
    readonly source: string;
    readonly destination: string;
    readonly sourceAddress: string;
    readonly destinationAddress: string;
    readonly protocol: string;
    readonly port: number;
  };
  readonly because: readonly ChangedEndView[];
}

export interface DiffView {
  readonly changed: boolean;
  readonly groups: readonly DiffGroupView[];
  readonly onlyBefore: readonly string[];
  readonly onlyAfter: readonly string[];
  readonly commonPods: number;
  readonly notes: readonly string[];
}

/** `names`: of the pods on both sides. */
export function viewDiff(diff: PolicyDiff, names: PodNames, notes: readonly string[]): DiffView {
  const groups = diff.groups.map((group) => viewGroup(group, diff, names));
  return {
    changed: groups.length > 0,
    groups: groups.sort(byChangeAndName),
    onlyBefore: diff.onlyBefore,
    onlyAfter: diff.onlyAfter,
    commonPods: diff.common.length,
    notes,
  };
}

function viewGroup(group: DiffGroup, { sets }: PolicyDiff, names: PodNames): DiffGroupView {
  const { change, ports, sources, destinations, witness } = group;
  const { protocol, port } = witness;
  return {
    change,
    ports: sets.text(ports),
    portList: sets.intervals(ports),
    sources: namesOf(sources, names),
    destinations: namesOf(destinations, names),
    witness: {
      source: nameOf(witness.source),
      destination: nameOf(witness.destination),
      // Where both differ, the address of the side on which the flow passes says more.
      sourceAddress: witness.source.addresses[change === 'allowed' ? 1 : 0] ?? '',
      destinationAddress: witness.destination.addresses[change === 'allowed' ? 1 : 0] ?? '',
      protocol,
      port,
    },
    because: group.ends.map(viewEnd),
  };
}

function namesOf(ends: readonly DiffEnd[], names: PodNames): readonly string[] {
  const labels = new Set(ends.filter(({ pods }) => pods.length === 0).map(({ label }) => label));
  return [...names.of(ends.flatMap(({ pods }) => pods)), ...labels];
}

function nameOf({ pod, end }: WitnessEnd): string {
  return pod ?? end.label;
}

function viewEnd({ direction, pod, before, after }: EndChange): ChangedEndView {
  return { direction, pod, before: viewState(before), after: viewState(after) };
}

function viewState(end: EndExplanation): EndStateView {
  const { verdict, policies, allowedBy } = end;
  const rules = allowedBy.map(({ policy, direction, index }) => `${policy} ${direction}[${index}]`);
  return { verdict, policies, allowedBy: rules, text: stateText(end, rules) };
}

function stateText(
  { verdict, reason, policies, invalid, direction, clusterRule }: EndExplanation,
  rules: readonly string[],
): string {
  switch (reason) {
    case 'not-isolated':
      return 'allowed, no policy isolates it';
    case 'rule':
      return `allowed by ${rules.join(', ')}`;
    case 'no-rule': {
      const marked = policies.map((policy) => (invalid.includes(policy) ? `${policy} (invalid)` : policy));
      const verb = policies.length === 1 ? 'isolates' : 'isolate';
      return `denied, ${marked.join(', ')} ${verb} it and no ${direction} rule allows this`;
    }
    case 'cluster-rule':
      return `${verdict === 'deny' ? 'denied' : 'allowed'} by ClusterNetworkPolicy ${clusterRule?.policy ?? ''} ${direction}[${clusterRule?.index ?? 0}]`;
    case 'unknown-pod':
      return `${verdict === 'deny' ? 'denied' : 'allowed'}, it shares its address with another pod`;
  }
}

function byChangeAndName(a: DiffGroupView, b: DiffGroupView): number {
  if (a.change !== b.change) return a.change === 'denied' ? -1 : 1;
  return (
    compareNames(a.destinations[0] ?? '', b.destinations[0] ?? '') ||
    compareNames(a.sources[0] ?? '', b.sources[0] ?? '')
  );
}
