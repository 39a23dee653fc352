/**
 * Sets of peer terms, interned: equal sets are one object, so a set can be compared and used in a key by its id. Users
 * count themselves; a set that nobody uses is dropped by `sweep`, not before, so equal sets stay one object in between.
 */
import type { PeerTerm } from './peer-terms.ts';

export interface TermSet {
  /** Never used for another set. */
  readonly id: number;
  readonly key: string;
  /** Sorted by id. */
  readonly terms: readonly PeerTerm[];
  refs: number;
}

export class TermSets {
  readonly #byKey = new Map<string, TermSet>();
  /** Nobody used them when they were last looked at. */
  readonly #idle = new Set<TermSet>();
  #nextId = 1;
  /** Never swept. */
  readonly empty: TermSet = { id: 0, key: '', terms: [], refs: 1 };

  constructor() {
    this.#byKey.set('', this.empty);
  }

  get size(): number {
    return this.#byKey.size;
  }

  /** The set of these terms, in any order, without duplicates. The caller counts itself with `acquire` if it keeps it. */
  intern(terms: PeerTerm[]): TermSet {
    if (terms.length === 0) return this.empty;
    if (!isInOrder(terms)) terms.sort((a, b) => a.id - b.id);
    let key = `${terms[0]!.id}`;
    for (let i = 1; i < terms.length; i++) key += `,${terms[i]!.id}`;
    let set = this.#byKey.get(key);
    if (set === undefined) {
      set = { id: this.#nextId++, key, terms, refs: 0 };
      this.#byKey.set(key, set);
      this.#idle.add(set);
    }
    return set;
  }

  acquire(set: TermSet): TermSet {
    set.refs += 1;
    return set;
  }

  release(set: TermSet): void {
    set.refs -= 1;
    if (set.refs === 0) this.#idle.add(set);
  }

  sweep(): void {
    for (const set of this.#idle) if (set.refs === 0) this.#byKey.delete(set.key);
    this.#idle.clear();
  }
}

function isInOrder(terms: readonly PeerTerm[]): boolean {
  for (let i = 1; i < terms.length; i++) if (terms[i - 1]!.id > terms[i]!.id) return false;
  return true;
}
