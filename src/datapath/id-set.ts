/** A set of ids that are mostly small and dense, filled from columns of 100,000 elements. */

/** Ids below this are bits of an array of 512 KiB at most; rarer larger ones go into a Set. */
const DENSE_IDS = 1 << 22;

export class IdSet {
  #bits = new Uint8Array(64);
  readonly #large = new Set<number>();

  add(id: number): this {
    if (id >= DENSE_IDS) {
      this.#large.add(id);
      return this;
    }
    if (id >> 3 >= this.#bits.length) this.#grow(id >> 3);
    this.#bits[id >> 3]! |= 1 << (id & 7);
    return this;
  }

  addAll(ids: Iterable<number>): this {
    for (const id of ids) this.add(id);
    return this;
  }

  has(id: number): boolean {
    if (id >= DENSE_IDS) return this.#large.has(id);
    return ((this.#bits[id >> 3] ?? 0) >> (id & 7)) % 2 === 1;
  }

  #grow(index: number): void {
    const bits = new Uint8Array(Math.max(index + 1, this.#bits.length * 2));
    bits.set(this.#bits);
    this.#bits = bits;
  }
}
