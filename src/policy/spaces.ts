/**
 * Namespaces as the compiler sees them: which scopes of pod terms reach into them, and the groups of pods they hold. A
 * namespace whose object is not known is reached by no namespaceSelector (NP-28), only by peers that name no namespace
 * and by those that ask for what might match.
 */
import type { Labels } from './model.ts';
import { includesUnknown, type PeerTerms, type TermChange, type TermScope } from './peer-terms.ts';
import type { PodGroup } from './pod-groups.ts';
import { SelectorIndex } from './selector-index.ts';

export interface Space {
  readonly name: string;
  labels: Labels | undefined;
  /** Those by namespace selector. */
  scopes: readonly TermScope[];
  readonly groups: Map<string, PodGroup>;
}

export class SpaceTable {
  readonly #terms: PeerTerms;
  readonly #byName = new Map<string, Space>();
  readonly #relabelled = new Set<Space>();

  constructor(terms: PeerTerms) {
    this.#terms = terms;
  }

  of(name: string): Space {
    let space = this.#byName.get(name);
    if (space === undefined) {
      space = { name, labels: undefined, scopes: [...this.#terms.unknownScopes], groups: new Map() };
      this.#byName.set(name, space);
    }
    return space;
  }

  values(): MapIterator<Space> {
    return this.#byName.values();
  }

  setLabels(name: string, labels: Labels | undefined): void {
    const space = this.of(name);
    if (sameLabels(space.labels, labels)) return;
    space.labels = labels;
    this.#relabelled.add(space);
  }

  /** Undefined: the Namespace object is not known. */
  labelsOf(name: string): Labels | undefined {
    return this.#byName.get(name)?.labels;
  }

  drop(space: Space, groupKey: string): void {
    space.groups.delete(groupKey);
    if (space.groups.size === 0 && space.labels === undefined) this.#byName.delete(space.name);
  }

  /** Returns the spaces whose labels changed so that other scopes than before reach into them. */
  settle(change: TermChange): readonly Space[] {
    if (change.goneScopes.size > 0) {
      for (const space of this.values()) {
        const rest = space.scopes.filter((scope) => !change.goneScopes.has(scope));
        if (rest.length < space.scopes.length) space.scopes = rest;
      }
    }
    const added = new SelectorIndex<TermScope>();
    const addedUnknown = change.addedScopes.filter(includesUnknown);
    for (const scope of change.addedScopes) if (scope.scope.kind === 'selector') added.add(scope);
    if (added.size > 0) {
      for (const space of this.values()) {
        if (!this.#relabelled.has(space)) space.scopes = [...space.scopes, ...reaching(added, addedUnknown, space)];
      }
    }
    const changed: Space[] = [];
    for (const space of this.#relabelled) {
      space.scopes = reaching(this.#terms.scopes, this.#terms.unknownScopes, space);
      if (space.groups.size === 0 && space.labels === undefined) this.#byName.delete(space.name);
      changed.push(space);
    }
    this.#relabelled.clear();
    return changed;
  }

  /** Spaces that any of these scopes reaches into. */
  reachedBy(scopes: Iterable<TermScope>): ReadonlySet<Space> {
    const reached = new Set<Space>();
    const bySelector = new Set<TermScope>();
    for (const scope of scopes) {
      if (scope.scope.kind === 'selector') bySelector.add(scope);
      const space = scope.scope.kind === 'namespace' ? this.#byName.get(scope.scope.namespace) : undefined;
      if (space !== undefined) reached.add(space);
    }
    if (bySelector.size === 0) return reached;
    for (const space of this.values()) if (space.scopes.some((scope) => bySelector.has(scope))) reached.add(space);
    return reached;
  }
}

function reaching(
  index: SelectorIndex<TermScope>,
  unknownScopes: Iterable<TermScope>,
  space: Space,
): readonly TermScope[] {
  if (space.labels === undefined) return [...unknownScopes];
  const scopes: TermScope[] = [];
  index.forEachMatch(space.labels, (scope) => scopes.push(scope));
  return scopes;
}

/** A repeated list of unchanged objects must cost nothing. */
function sameLabels(a: Labels | undefined, b: Labels | undefined): boolean {
  if (a === b) return a !== undefined;
  if (a === undefined || b === undefined) return false;
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => Object.hasOwn(b, key) && a[key] === b[key]);
}
