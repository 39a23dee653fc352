/** How many addresses and prefixes of the tables have each peer class: whether a packet can meet its rows. */
import { PEER_CLASS_NONE } from '../policy/ids.ts';

/** Ids below this are elements of an array; rarer larger ones are in a Map. */
const DENSE_IDS = 1 << 22;

export class ClassUse {
  #dense: Uint32Array = new Uint32Array(64);
  readonly #large = new Map<number, number>();

  /** Of these columns of classes. */
  static of(...columns: readonly Uint32Array[]): ClassUse {
    const use = new ClassUse();
    for (const classes of columns) for (const peerClass of classes) use.#add(peerClass, 1);
    return use;
  }

  has(peerClass: number): boolean {
    return this.#count(peerClass) > 0;
  }

  /** With more of some classes, or fewer. */
  with(change: ReadonlyMap<number, number>): ClassUse {
    if (change.size === 0) return this;
    const next = new ClassUse();
    next.#dense = this.#dense.slice();
    for (const [peerClass, count] of this.#large) next.#large.set(peerClass, count);
    for (const [peerClass, by] of change) next.#add(peerClass, by);
    return next;
  }

  #count(peerClass: number): number {
    return (peerClass < DENSE_IDS ? this.#dense[peerClass] : this.#large.get(peerClass)) ?? 0;
  }

  #add(peerClass: number, by: number): void {
    if (by === 0 || peerClass === PEER_CLASS_NONE) return;
    const count = this.#count(peerClass) + by;
    if (peerClass >= DENSE_IDS) {
      this.#large.set(peerClass, count);
      return;
    }
    if (peerClass >= this.#dense.length) {
      const grown = new Uint32Array(Math.max(peerClass + 1, this.#dense.length * 2));
      grown.set(this.#dense);
      this.#dense = grown;
    }
    this.#dense[peerClass] = count;
  }
}

/** Counts what a change takes from classes and gives to others. */
export class ClassMoves {
  readonly by: Map<number, number> = new Map();

  move(before: number, after: number): void {
    if (before === after) return;
    this.#add(before, -1);
    this.#add(after, 1);
  }

  #add(peerClass: number, by: number): void {
    if (peerClass !== PEER_CLASS_NONE) this.by.set(peerClass, (this.by.get(peerClass) ?? 0) + by);
  }
}
