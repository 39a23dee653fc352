/**
 * The matrix of a cluster: what every end may send to every other. Ends are pods, workloads or namespaces, and the
 * addresses outside. One pod of each kind is compiled, so the cost follows the number of different pods.
 *
 * What depends on places and not on policies is not in it: a pod and itself (NP-85), a pod and its own node (NP-80, NP-81).
 */
import { DryRun } from './dry-run.ts';
import { RULE_SET_OPEN } from './ids.ts';
import type { ClusterChange, Pod } from './model.ts';
import { compareNames } from './name-order.ts';
import { knownAddresses, type OutsideCell, outsideCells } from './outside.ts';
import { onlyPods, type PodKey, podKinds } from './pod-kind.ts';
import { PortSets } from './port-set.ts';
import { type Atom, IPV4, IPV6, mergeFamilies, type Passage, Reach } from './reach.ts';

export interface MatrixQuestion {
  readonly changes: readonly ClusterChange[];
  /** The end that a pod is part of; undefined: it is left out. */
  readonly endOf: (pod: PodKey) => string | undefined;
  /** Whether addresses outside are ends too. */
  readonly outside: boolean;
}

export interface MatrixEnd {
  readonly name: string;
  readonly kind: 'pods' | 'outside';
  /** Pods that it stands for; 0 for addresses outside. */
  readonly pods: number;
  readonly atoms: readonly Atom[];
}

export interface Matrix {
  /** Pods by name, then what is outside: internet, then by address. */
  readonly ends: readonly MatrixEnd[];
  readonly sets: PortSets;
  /** Why the tables would not fit a node, and the like. */
  readonly problems: readonly string[];
  /**
   * Undefined where policies have no say: both outside, one pod and itself, no address of a common family.
   */
  readonly passage: (from: MatrixEnd, to: MatrixEnd) => Passage | undefined;
}

/** Every pod as one of few atoms. */
export interface JudgedPods {
  readonly pods: ReadonlyMap<PodKey, Pod>;
  /** Undefined: it is no subject of policies. */
  readonly atomOf: (pod: PodKey) => Atom | undefined;
  readonly dryRun: DryRun;
  readonly reach: Reach;
  /** Why the tables would not fit a node, and the like. */
  readonly problems: readonly string[];
}

/** Compiles one pod of each kind. */
export function judgePods(changes: readonly ClusterChange[]): JudgedPods {
  const { pods, kindOf } = podKinds(changes);
  const speakers = new Map<number, PodKey>();
  for (const [key, kind] of kindOf) if (!speakers.has(kind)) speakers.set(kind, key);
  const dryRun = new DryRun(onlyPods(changes, new Set(speakers.values())));
  const reach = new Reach(dryRun, new PortSets());
  const atoms = new Map<number, Atom>();
  for (const [kind, key] of speakers) atoms.set(kind, reach.atomOfPod(key));
  return {
    pods,
    atomOf: (pod) => {
      const kind = kindOf.get(pod);
      return kind === undefined ? undefined : atoms.get(kind);
    },
    dryRun,
    reach,
    problems: dryRun.result.problems.filter(({ kind }) => kind !== 'unknown-pod').map(({ message }) => message),
  };
}

export function buildMatrix({ changes, endOf, outside }: MatrixQuestion): Matrix {
  const { pods, atomOf, dryRun, reach, problems } = judgePods(changes);
  const ends = new Map<string, EndCount>();
  for (const key of pods.keys()) {
    const name = endOf(key);
    const atom = name === undefined ? undefined : atomOf(key);
    if (name === undefined || atom === undefined) continue;
    const end = ends.get(name);
    if (end === undefined) ends.set(name, new EndCount().add(atom));
    else end.add(atom);
  }
  const list = Array.from(ends, ([name, end]) => end.finish(name)).sort((a, b) => compareNames(a.name, b.name));
  const families = list.reduce(
    (all, { atoms: own }) =>
      own.reduce((sum, atom) => atom.addresses.reduce((bits, each) => bits | each.families, sum), all),
    0,
  );
  const judged = [{ tables: dryRun.result.tables, reader: dryRun.reader }];
  const beyond = outside ? outsideEnds(outsideCells(judged, knownAddresses(changes)), families) : [];
  return {
    ends: [...list, ...beyond],
    sets: reach.sets,
    problems,
    passage: (from, to) => {
      return from.kind === 'outside' && to.kind === 'outside' ? undefined : reach.passage(from.atoms, to.atoms);
    },
  };
}

/** Atoms of one end, each once with the pods it stands for. */
class EndCount {
  readonly #atoms = new Map<string, { readonly atom: Atom; pods: number }>();
  #pods = 0;

  add(atom: Atom): this {
    const key = atomKey(atom);
    const known = this.#atoms.get(key);
    if (known === undefined) this.#atoms.set(key, { atom, pods: 1 });
    else known.pods += 1;
    this.#pods += 1;
    return this;
  }

  finish(name: string): MatrixEnd {
    const atoms = Array.from(this.#atoms.values(), ({ atom, pods }) => ({ ...atom, pods }));
    return { name, kind: 'pods', pods: this.#pods, atoms };
  }
}

const KEYS = new WeakMap<Atom, string>();

function atomKey(atom: Atom): string {
  let key = KEYS.get(atom);
  if (key === undefined) {
    key = `${atom.egress} ${atom.ingress} ${atom.addresses
      .map((each) => `${each.families}:${each.peerClass}`)
      .sort()
      .join(' ')}`;
    KEYS.set(atom, key);
  }
  return key;
}

/** One end a label: the internet has addresses of both families. `families`: those that pods have. */
function outsideEnds(cells: readonly OutsideCell[], families: number): readonly MatrixEnd[] {
  const byLabel = new Map<string, Atom>();
  for (const { label, family, classes } of cells) {
    const own = family === 4 ? IPV4 : IPV6;
    if ((families & own) === 0) continue;
    const before = byLabel.get(label)?.addresses ?? [];
    const addresses = mergeFamilies([...before, ...classes.map((peerClass) => ({ families: own, peerClass }))]);
    byLabel.set(label, { egress: RULE_SET_OPEN, ingress: RULE_SET_OPEN, addresses, pods: 0 });
  }
  return Array.from(byLabel, ([name, atom]) => ({ name, kind: 'outside', pods: 0, atoms: [atom] }));
}
