/**
 * All pairs of pods counted by what passes between them, without going through the pairs. Rules:
 * 1. each address family is counted for itself, by the first address that a pod has of it;
 * 2. what most rule sets say to everybody is multiplied out, and only classes that a rule set treats otherwise are visited:
 *    the cost follows the rows of the tables, not the square of the pods;
 * 3. a pod and itself is no pair (NP-85); a pod and its own node is not seen (NP-80, NP-81).
 */
import type { Family } from '../net/address.ts';
import { type JudgedPods, judgePods } from './matrix.ts';
import type { ClusterChange } from './model.ts';
import type { PortSetId, PortSets } from './port-set.ts';
import { type Atom, IPV4, IPV6, type Reach } from './reach.ts';
import type { RuleSetPorts } from './row-ports.ts';

export interface FamilyCount {
  readonly family: Family;
  /** Pods with an address of the family. */
  readonly pods: number;
  /** Ordered pairs of two different pods by what passes from the first to the second; all but zero, the most first. */
  readonly pairs: readonly { readonly ports: PortSetId; readonly pairs: number }[];
}

export interface PairCount {
  /** Live pods that policies select. */
  readonly pods: number;
  /** Pods that the policies tell apart. */
  readonly kinds: number;
  /** Families that pods have addresses of. */
  readonly families: readonly FamilyCount[];
  readonly sets: PortSets;
  readonly problems: readonly string[];
}

/** Pods with one answer to everything, in one family. */
interface Lane {
  readonly peerClass: number;
  readonly egress: number;
  readonly ingress: number;
  readonly out: RuleSetPorts;
  readonly into: RuleSetPorts;
  pods: number;
}

export function countPairs(changes: readonly ClusterChange[]): PairCount {
  const judged = judgePods(changes);
  const { sets } = judged.reach;
  const weights = weigh(judged);
  const families = ([4, 6] as const).flatMap((family): readonly FamilyCount[] => {
    const lanes = lanesOf(weights, family, judged.reach);
    if (lanes.length === 0) return [];
    const pods = lanes.reduce((sum, lane) => sum + lane.pods, 0);
    return [{ family, pods, pairs: countFamily(lanes, sets) }];
  });
  return { pods: judged.pods.size, kinds: weights.size, families, sets, problems: judged.problems };
}

/** How many pods each atom stands for. */
function weigh({ pods, atomOf }: JudgedPods): ReadonlyMap<Atom, number> {
  const weights = new Map<Atom, number>();
  for (const key of pods.keys()) {
    const atom = atomOf(key);
    if (atom !== undefined) weights.set(atom, (weights.get(atom) ?? 0) + 1);
  }
  return weights;
}

function lanesOf(weights: ReadonlyMap<Atom, number>, family: Family, reach: Reach): readonly Lane[] {
  const bit = family === 4 ? IPV4 : IPV6;
  const lanes = new Map<string, Lane>();
  for (const [{ egress, ingress, addresses }, pods] of weights) {
    const peerClass = addresses.find(({ families }) => (families & bit) !== 0)?.peerClass;
    if (peerClass === undefined) continue;
    const key = `${egress} ${ingress} ${peerClass}`;
    const known = lanes.get(key);
    if (known !== undefined) known.pods += pods;
    else lanes.set(key, { peerClass, egress, ingress, out: reach.lineOf(egress), into: reach.lineOf(ingress), pods });
  }
  return [...lanes.values()];
}

function countFamily(lanes: readonly Lane[], sets: PortSets): FamilyCount['pairs'] {
  const counts = new Counts();
  const add = (ports: PortSetId, pairs: number): void => counts.add(ports, pairs);
  addDefaults(lanes, sets, add);
  const senders = groupBy(lanes, ({ egress }) => egress);
  const receivers = groupBy(lanes, ({ ingress }) => ingress);
  const byClass = groupBy(lanes, ({ peerClass }) => peerClass);
  const move = (from: Lane, to: Lane): void => {
    const before = sets.both(from.out.everyone, to.into.everyone);
    const now = passing(from, to, sets);
    if (now === before) return;
    add(before, -from.pods * to.pods);
    add(now, from.pods * to.pods);
  };
  for (const group of senders.values()) {
    for (const peerClass of group[0]!.out.byClass.keys())
      for (const to of byClass.get(peerClass) ?? []) for (const from of group) move(from, to);
  }
  for (const group of receivers.values()) {
    for (const peerClass of group[0]!.into.byClass.keys())
      for (const from of byClass.get(peerClass) ?? [])
        // Where the sender's end has a word of its own, the pair was moved above.
        for (const to of group) if (!from.out.byClass.has(to.peerClass)) move(from, to);
  }
  for (const lane of lanes) add(passing(lane, lane, sets), -lane.pods);
  return counts.list().sort((a, b) => b.pairs - a.pairs || a.ports - b.ports);
}

/** Counts of pairs go beyond what a Map holds without an object for each number. */
class Counts {
  #pairs = new Float64Array(1024);

  add(ports: PortSetId, pairs: number): void {
    if (ports >= this.#pairs.length) {
      const more = new Float64Array(2 * ports);
      more.set(this.#pairs);
      this.#pairs = more;
    }
    this.#pairs[ports]! += pairs;
  }

  /** All but zero. */
  list(): { readonly ports: PortSetId; readonly pairs: number }[] {
    return Array.from(this.#pairs, (pairs, ports) => ({ ports, pairs })).filter(({ pairs }) => pairs > 0);
  }
}

/** As if no rule set told anybody apart. */
function addDefaults(lanes: readonly Lane[], sets: PortSets, add: (ports: PortSetId, pairs: number) => void): void {
  const total = (everyone: (lane: Lane) => PortSetId): ReadonlyMap<PortSetId, number> => {
    const totals = new Map<PortSetId, number>();
    for (const lane of lanes) totals.set(everyone(lane), (totals.get(everyone(lane)) ?? 0) + lane.pods);
    return totals;
  };
  const receiving = total(({ into }) => into.everyone);
  for (const [out, from] of total((lane) => lane.out.everyone))
    for (const [into, to] of receiving) add(sets.both(out, into), from * to);
}

function passing({ out, peerClass }: Lane, to: Lane, sets: PortSets): PortSetId {
  return sets.both(out.byClass.get(to.peerClass) ?? out.everyone, to.into.byClass.get(peerClass) ?? to.into.everyone);
}

function groupBy(lanes: readonly Lane[], keyOf: (lane: Lane) => number): ReadonlyMap<number, readonly Lane[]> {
  const groups = new Map<number, Lane[]>();
  for (const lane of lanes) {
    const group = groups.get(keyOf(lane));
    if (group === undefined) groups.set(keyOf(lane), [lane]);
    else group.push(lane);
  }
  return groups;
}
