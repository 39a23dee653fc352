/**
 * What a change of the cluster's objects does to flows: which become possible and which stop, between pods that are there
 * before and after, and between those and addresses outside. Pods that neither side's policies tell apart are judged once.
 *
 * What depends on places and not on policies is not in it: a pod and itself (NP-85), a pod and its own node (NP-80, NP-81).
 */
import { explainFlow, type EndChange, type Witness, witnessOf } from './diff-witness.ts';
import { type Delta, DiffGroups } from './diff-groups.ts';
import { type DiffEnd, outsideDiffEnds, podDiffEnds } from './diff-ends.ts';
import { type DiffSide, endPorts } from './diff-side.ts';
import { DryRun } from './dry-run.ts';
import type { ClusterChange } from './model.ts';
import { compareNames } from './name-order.ts';
import { knownAddresses, outsideCells } from './outside.ts';
import { onlyPods, type PodKey, type PodKinds, podKinds } from './pod-kind.ts';
import { NO_PORTS_AT_ALL, type PortSetId, PortSets } from './port-set.ts';
import { Reach } from './reach.ts';

/** Pairs of different ends that are judged; a cluster with more is refused. */
export const DIFF_PAIRS_MAX = 100_000_000;

/** Flows from every source to every destination, on all these ports, changed this way. */
export interface DiffGroup {
  readonly change: 'allowed' | 'denied';
  readonly ports: PortSetId;
  readonly sources: readonly DiffEnd[];
  readonly destinations: readonly DiffEnd[];
  readonly witness: Witness;
  /** The ends whose answer changed. */
  readonly ends: readonly EndChange[];
}

export interface PolicyDiff {
  /** Denials first, then by name. Empty: nothing changes. */
  readonly groups: readonly DiffGroup[];
  readonly sets: PortSets;
  /** Pods on one side only, sorted: nothing is said of their flows. */
  readonly onlyBefore: readonly PodKey[];
  readonly onlyAfter: readonly PodKey[];
  /** Pods on both sides, sorted. */
  readonly common: readonly PodKey[];
}

/** @throws RangeError when there are more than DIFF_PAIRS_MAX pairs of different ends. */
export function diffClusters(before: readonly ClusterChange[], after: readonly ClusterChange[]): PolicyDiff {
  const kindsBefore = podKinds(before);
  const kindsAfter = podKinds(after);
  const common = [...kindsBefore.pods.keys()].filter((key) => kindsAfter.pods.has(key)).sort(compareNames);
  const kinds = jointKinds(common, kindsBefore, kindsAfter);
  const speakers = kinds.flatMap((members) => members.slice(0, 1));
  const sets = new PortSets();
  const side = (changes: readonly ClusterChange[], { contested }: PodKinds): DiffSide => {
    const dryRun = new DryRun(onlyPods(changes, new Set([...speakers, ...contested])));
    return { dryRun, reach: new Reach(dryRun, sets) };
  };
  const sides = [side(before, kindsBefore), side(after, kindsAfter)] as const;
  const known = new Set([...knownAddresses(before), ...knownAddresses(after)]);
  const judged = sides.map(({ dryRun }) => ({ tables: dryRun.result.tables, reader: dryRun.reader }));
  const podEnds = podDiffEnds(kinds, sides);
  const ends = [...podEnds, ...outsideDiffEnds(outsideCells(judged, known))];
  if (ends.length * podEnds.length > DIFF_PAIRS_MAX) {
    throw new RangeError(`${ends.length} different ends make more pairs than DIFF_PAIRS_MAX, ${DIFF_PAIRS_MAX}`);
  }
  const groups = collect(ends, sides, sets).list();
  return {
    groups: groups.map(({ change, ports, sources, destinations }) => {
      const witness = witnessOf(sources, destinations, ports, {
        change,
        sides,
        sets,
        pods: [kindsBefore.pods, kindsAfter.pods],
      });
      return { change, ports, sources, destinations, witness, ends: explainFlow(witness, sides) };
    }),
    sets,
    common,
    onlyBefore: missingIn(kindsBefore, kindsAfter),
    onlyAfter: missingIn(kindsAfter, kindsBefore),
  };
}

/** Members of each kind; sorted as `common` is. */
function jointKinds(common: readonly PodKey[], before: PodKinds, after: PodKinds): readonly (readonly PodKey[])[] {
  const kinds = new Map<string, PodKey[]>();
  for (const key of common) {
    const kind = `${before.kindOf.get(key)}\n${after.kindOf.get(key)}`;
    const members = kinds.get(kind);
    if (members === undefined) kinds.set(kind, [key]);
    else members.push(key);
  }
  return [...kinds.values()];
}

function missingIn(here: PodKinds, there: PodKinds): readonly PodKey[] {
  return [...here.pods.keys()].filter((key) => !there.pods.has(key)).sort(compareNames);
}

function collect(ends: readonly DiffEnd[], sides: readonly [DiffSide, DiffSide], sets: PortSets): DiffGroups {
  const groups = new DiffGroups();
  for (const source of ends) {
    for (const destination of ends) {
      if (source.pods.length === 0 && destination.pods.length === 0) continue;
      if (source === destination && source.pods.length < 2) continue;
      const delta = deltaOf(source, destination, sides, sets);
      if (delta !== undefined) groups.add(source, destination, delta);
    }
  }
  return groups;
}

/** Undefined: the same before and after. */
function deltaOf(
  source: DiffEnd,
  destination: DiffEnd,
  sides: readonly [DiffSide, DiffSide],
  sets: PortSets,
): Delta | undefined {
  let allowed: PortSetId = NO_PORTS_AT_ALL;
  let denied: PortSetId = NO_PORTS_AT_ALL;
  let egress = false;
  let ingress = false;
  for (const from of source.lanes) {
    for (const to of destination.lanes) {
      if (from.family !== to.family) continue;
      const [before, after] = sides.map(({ reach }, i) => endPorts(reach, i, source, from, destination, to));
      if (before === undefined || after === undefined) continue;
      const passedBefore = sets.both(before.egress, before.ingress);
      const passesAfter = sets.both(after.egress, after.ingress);
      if (passedBefore === passesAfter) continue;
      allowed = sets.either(allowed, sets.without(passesAfter, passedBefore));
      denied = sets.either(denied, sets.without(passedBefore, passesAfter));
      egress ||= before.egress !== after.egress;
      ingress ||= before.ingress !== after.ingress;
    }
  }
  return allowed === NO_PORTS_AT_ALL && denied === NO_PORTS_AT_ALL ? undefined : { allowed, denied, egress, ingress };
}
