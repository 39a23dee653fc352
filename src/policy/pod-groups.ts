/**
 * Pods that no policy can tell apart: one namespace, equal labels, equal named ports. Terms are matched against groups,
 * so a cluster of replicas costs as much as one pod of each. A group knows which pod terms it matches and which numbers
 * its named ports have, as far as terms in use ask for them.
 */
import { SpaceTable, type Space } from './spaces.ts';
import type { Labels, Pod } from './model.ts';
import {
  isPodTerm,
  type PeerTerm,
  type PeerTerms,
  type PodTerm,
  type TermChange,
  type TermScope,
} from './peer-terms.ts';
import { declaredNumbers, NO_NUMBERS, numbersText, type NamedNumbers } from './port-term.ts';
import type { PodRecord } from './records.ts';
import { SelectorIndex } from './selector-index.ts';
import type { TermSet, TermSets } from './term-set.ts';

export interface PodGroup {
  readonly key: string;
  readonly space: Space;
  readonly labels: Labels;
  /** Every named port its pods declare. */
  readonly declared: NamedNumbers;
  readonly members: Set<PodRecord>;
  terms: TermSet;
  /** Those of `declared` that a term it matches, or a rule for everyone, is used with. */
  numbers: NamedNumbers;
  numbersKey: string;
}

export class PodGroups {
  readonly #terms: PeerTerms;
  readonly #sets: TermSets;
  readonly #spaces: SpaceTable;
  readonly #byName = new Map<string, Set<PodGroup>>();
  /** To be matched against every term: new, or in a namespace whose labels changed. */
  readonly #unmatched = new Set<PodGroup>();

  constructor(terms: PeerTerms, sets: TermSets) {
    this.#terms = terms;
    this.#sets = sets;
    this.#spaces = new SpaceTable(terms);
  }

  get size(): number {
    return this.#spaces.values().reduce((sum, space) => sum + space.groups.size, 0);
  }

  /** Undefined labels: the Namespace object is not known (NP-28). */
  setNamespace(name: string, labels: Labels | undefined): void {
    this.#spaces.setLabels(name, labels);
  }

  /** Undefined: the Namespace object is not known. */
  namespaceLabels(name: string): Labels | undefined {
    return this.#spaces.labelsOf(name);
  }

  join(record: PodRecord, pod: Pod): PodGroup {
    const space = this.#spaces.of(pod.namespace);
    const declared = declaredNumbers(pod.namedPorts);
    const key = `${labelsText(pod.labels)}\0${numbersText(declared)}`;
    let group = space.groups.get(key);
    if (group === undefined) {
      const terms = this.#sets.acquire(this.#sets.empty);
      const members = new Set<PodRecord>();
      group = { key, space, labels: pod.labels, declared, members, terms, numbers: NO_NUMBERS, numbersKey: '' };
      space.groups.set(key, group);
      this.#unmatched.add(group);
      for (const name of declared.keys()) {
        const declaring = this.#byName.get(name);
        if (declaring === undefined) this.#byName.set(name, new Set([group]));
        else declaring.add(group);
      }
    }
    group.members.add(record);
    return group;
  }

  /** An empty group stays until `settle`: the pod may only be changing its address. */
  leave(record: PodRecord, group: PodGroup): void {
    group.members.delete(record);
    if (group.members.size === 0) this.#unmatched.add(group);
  }

  /** Brings every group up to date. Returns those that match other terms, or have other numbers, than before. */
  settle(change: TermChange): ReadonlySet<PodGroup> {
    for (const space of this.#spaces.settle(change))
      for (const group of space.groups.values()) this.#unmatched.add(group);
    const changed = new Set<PodGroup>();
    if (change.gone.size > 0) this.#dropTerms(change.gone, changed);
    if (change.added.length > 0) this.#addTerms(change.added.filter(isPodTerm), changed);
    for (const group of this.#unmatched) {
      if (group.members.size === 0) this.#drop(group);
      else if (this.#setTerms(group, this.#match(group))) changed.add(group);
    }
    const recount = new Set<PodGroup>([...changed, ...this.#unmatched]);
    for (const name of change.names) for (const group of this.#byName.get(name) ?? []) recount.add(group);
    for (const group of recount) if (this.#setNumbers(group)) changed.add(group);
    this.#unmatched.clear();
    return changed;
  }

  /** Sets are few where groups are many: the shorter set is made once for each. */
  #dropTerms(gone: ReadonlySet<PeerTerm>, changed: Set<PodGroup>): void {
    const shorter = new Map<TermSet, TermSet>();
    for (const group of this.#allGroups()) {
      let next = shorter.get(group.terms);
      if (next === undefined) {
        const rest = group.terms.terms.filter((term) => !gone.has(term));
        next = rest.length === group.terms.terms.length ? group.terms : this.#sets.intern(rest);
        shorter.set(group.terms, next);
      }
      if (this.#setTerms(group, next)) changed.add(group);
    }
  }

  /** One walk over the groups that any of the new terms could match, however many terms are new. */
  #addTerms(added: readonly PodTerm[], changed: Set<PodGroup>): void {
    const byScope = new Map<TermScope, SelectorIndex<PodTerm>>();
    for (const term of added) {
      const scope = this.#terms.scopeOf(term);
      if (scope === undefined) continue;
      const index = byScope.get(scope);
      if (index === undefined) byScope.set(scope, new SelectorIndex());
      byScope.get(scope)?.add(term);
    }
    for (const space of this.#spaces.reachedBy(byScope.keys())) {
      const indexes = this.#scopesOf(space).flatMap((scope) => byScope.get(scope) ?? []);
      for (const group of space.groups.values()) {
        if (this.#unmatched.has(group)) continue;
        const found: PeerTerm[] = [];
        for (const index of indexes) index.forEachMatch(group.labels, (term) => found.push(term));
        if (found.length === 0) continue;
        this.#setTerms(group, this.#sets.intern([...group.terms.terms, ...found]));
        changed.add(group);
      }
    }
  }

  #match(group: PodGroup): TermSet {
    const found: PeerTerm[] = [];
    for (const scope of this.#scopesOf(group.space)) scope.terms.forEachMatch(group.labels, (term) => found.push(term));
    return this.#sets.intern(found);
  }

  #scopesOf(space: Space): readonly TermScope[] {
    const own = this.#terms.namespaceScope(space.name);
    return own === undefined ? space.scopes : [own, ...space.scopes];
  }

  #setTerms(group: PodGroup, terms: TermSet): boolean {
    if (group.terms === terms) return false;
    this.#sets.acquire(terms);
    this.#sets.release(group.terms);
    group.terms = terms;
    return true;
  }

  #setNumbers(group: PodGroup): boolean {
    if (group.declared.size === 0) return false;
    const isAsked = (name: string): boolean =>
      this.#terms.everyoneNames.has(name) || group.terms.terms.some((term) => term.names.has(name));
    const numbers = mostly(group.declared, isAsked);
    const key = numbersText(numbers);
    if (key === group.numbersKey) return false;
    group.numbers = numbers;
    group.numbersKey = key;
    return true;
  }

  #drop(group: PodGroup): void {
    this.#sets.release(group.terms);
    this.#spaces.drop(group.space, group.key);
    for (const name of group.declared.keys()) {
      const declaring = this.#byName.get(name);
      declaring?.delete(group);
      if (declaring?.size === 0) this.#byName.delete(name);
    }
  }

  *#allGroups(): Generator<PodGroup> {
    for (const space of this.#spaces.values()) yield* space.groups.values();
  }
}

/** Those that are asked for; the same map when all are. */
function mostly(declared: NamedNumbers, isAsked: (name: string) => boolean): NamedNumbers {
  const asked = [...declared].filter(([name]) => isAsked(name));
  if (asked.length === declared.size) return declared;
  return asked.length === 0 ? NO_NUMBERS : new Map(asked);
}

/**
 * In the order of the object: replicas have their labels in one order, those from an API server in that of the alphabet.
 * Where two pods do not, there is one more group, which changes no verdict.
 */
function labelsText(labels: Labels): string {
  let text = '';
  for (const key of Object.keys(labels)) text += `${key}\0${labels[key]}\0`;
  return text;
}
