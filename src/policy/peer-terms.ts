/**
 * The peer terms in use: every peer of every rule set that a local endpoint has. A term that nothing uses is gone, and
 * with it the distinction it made between addresses. Pod terms are grouped by scope, and in it by label.
 */
import type { PeerClass } from './class-table.ts';
import type { Peer, Scope } from './peer.ts';
import type { RuleSet } from './rule-set.ts';
import { entriesOf, type RuleSetContent } from './rule-content.ts';
import type { Selector } from './selector.ts';
import { SelectorIndex, type Selecting } from './selector-index.ts';

export interface PeerTerm {
  /** Never used for another term, nor for the same one when it comes back. */
  readonly id: number;
  readonly peer: Peer;
  /** Rule sets in use that have it. */
  readonly ruleSets: Set<RuleSet>;
  /** Classes in use that match it. */
  readonly classes: Set<PeerClass>;
  /** Named ports it is used with, and by how many rule sets. */
  readonly names: NameCounts;
}

type NameCounts = Map<string, number>;

export interface PodTerm extends PeerTerm, Selecting {}

/** The pod terms of one scope. */
export interface TermScope extends Selecting {
  readonly scope: Scope;
  readonly terms: SelectorIndex<PodTerm>;
}

export interface TermChange {
  readonly added: readonly PeerTerm[];
  readonly gone: ReadonlySet<PeerTerm>;
  readonly addedScopes: readonly TermScope[];
  readonly goneScopes: ReadonlySet<TermScope>;
  /** Named ports whose use together with terms changed. */
  readonly names: ReadonlySet<string>;
}

const NEVER: Selector = { text: '', required: { key: '', values: [] }, matches: () => false };

export class PeerTerms {
  readonly #byText = new Map<string, PeerTerm>();
  readonly #scopes = new Map<string, TermScope>();
  readonly #touched = new Map<PeerTerm, 'known' | 'new'>();
  /** Counts that changed, with the names that were in use before. */
  readonly #touchedNames = new Map<NameCounts, Map<string, boolean>>();
  /** Scopes by namespace selector. */
  readonly scopes: SelectorIndex<TermScope> = new SelectorIndex();
  /** Those that reach into namespaces of which nothing is known. */
  readonly unknownScopes: Set<TermScope> = new Set();
  /** Named ports used with every peer, and by how many rule sets. */
  readonly everyoneNames: NameCounts = new Map();
  #nextId = 1;

  get size(): number {
    return this.#byText.size;
  }

  values(): IterableIterator<PeerTerm> {
    return this.#byText.values();
  }

  /** Scope of the pods of one namespace. */
  namespaceScope(namespace: string): TermScope | undefined {
    return this.#scopes.get(`namespace ${namespace}`);
  }

  scopeOf(term: PodTerm): TermScope | undefined {
    return term.peer.kind === 'pods' ? this.#scopes.get(term.peer.scope.text) : undefined;
  }

  /** The rule set is in use from now on. Returns its terms, in the order of `entriesOf`. */
  use(ruleSet: RuleSet, content: RuleSetContent): PeerTerm[] {
    this.#count(this.everyoneNames, content.everyone.names, 1);
    return entriesOf(content).map(({ peer, ports }) => {
      const term = this.#byText.get(peer.text) ?? this.#create(peer);
      term.ruleSets.add(ruleSet);
      this.#count(term.names, ports.names, 1);
      return term;
    });
  }

  /** The rule set is not in use any more. */
  disuse(ruleSet: RuleSet, content: RuleSetContent): void {
    this.#count(this.everyoneNames, content.everyone.names, -1);
    for (const { peer, ports } of entriesOf(content)) {
      const term = this.#byText.get(peer.text);
      if (term === undefined) continue;
      term.ruleSets.delete(ruleSet);
      this.#count(term.names, ports.names, -1);
      if (term.ruleSets.size === 0 && !this.#touched.has(term)) this.#touched.set(term, 'known');
    }
  }

  /** Applies what was used and disused since the last call, and says what that changed. */
  settle(): TermChange {
    const added: PeerTerm[] = [];
    const gone = new Set<PeerTerm>();
    const addedScopes: TermScope[] = [];
    const goneScopes = new Set<TermScope>();
    for (const [term, was] of this.#touched) {
      if (term.ruleSets.size === 0) this.#byText.delete(term.peer.text);
      if (was === 'new' && term.ruleSets.size > 0) {
        added.push(term);
        if (isPodTerm(term)) this.#addToScope(term, addedScopes);
      } else if (was === 'known' && term.ruleSets.size === 0) {
        gone.add(term);
        if (isPodTerm(term)) this.#takeFromScope(term);
      }
    }
    for (const term of gone) {
      const scope = isPodTerm(term) ? this.scopeOf(term) : undefined;
      if (scope === undefined || scope.terms.size > 0) continue;
      this.#scopes.delete(scope.scope.text);
      if (scope.scope.kind === 'selector') this.scopes.delete(scope);
      this.unknownScopes.delete(scope);
      goneScopes.add(scope);
    }
    this.#touched.clear();
    return { added, gone, addedScopes, goneScopes, names: this.#settleNames() };
  }

  /** Those that came into use, or out of it, for good: a rule set that gives way to another one mostly changes none. */
  #settleNames(): ReadonlySet<string> {
    const names = new Set<string>();
    for (const [counts, touched] of this.#touchedNames) {
      for (const [name, wasInUse] of touched) if (counts.has(name) !== wasInUse) names.add(name);
    }
    this.#touchedNames.clear();
    return names;
  }

  #create(peer: Peer): PeerTerm {
    const base = { id: this.#nextId++, peer, ruleSets: new Set<RuleSet>(), classes: new Set<PeerClass>() };
    const names = new Map<string, number>();
    const podTerm: PodTerm | undefined = peer.kind === 'pods' ? { ...base, names, selector: peer.selector } : undefined;
    const term = podTerm ?? { ...base, names };
    this.#byText.set(peer.text, term);
    this.#touched.set(term, 'new');
    return term;
  }

  #addToScope(term: PodTerm, addedScopes: TermScope[]): void {
    if (term.peer.kind !== 'pods') return;
    const { scope } = term.peer;
    let group = this.#scopes.get(scope.text);
    if (group === undefined) {
      const selector = scope.kind === 'selector' ? scope.selector : NEVER;
      group = { scope, selector, terms: new SelectorIndex() };
      this.#scopes.set(scope.text, group);
      if (scope.kind === 'selector') this.scopes.add(group);
      if (includesUnknown(group)) this.unknownScopes.add(group);
      addedScopes.push(group);
    }
    group.terms.add(term);
  }

  #takeFromScope(term: PodTerm): void {
    this.scopeOf(term)?.terms.delete(term);
  }

  #count(counts: NameCounts, names: readonly string[], step: 1 | -1): void {
    if (names.length === 0) return;
    const touched = this.#touchedNames.get(counts) ?? new Map<string, boolean>();
    this.#touchedNames.set(counts, touched);
    for (const name of names) {
      if (!touched.has(name)) touched.set(name, counts.has(name));
      const count = (counts.get(name) ?? 0) + step;
      if (count === 0) counts.delete(name);
      else counts.set(name, count);
    }
  }
}

export function isPodTerm(term: PeerTerm): term is PodTerm {
  return term.peer.kind === 'pods';
}

export function includesUnknown({ scope }: TermScope): boolean {
  return scope.kind === 'selector' && scope.unknownToo;
}
