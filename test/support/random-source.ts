/** Numbers that the same seed gives again (xorshift128, G. Marsaglia 2003). */
export class RandomSource {
  #state: [number, number, number, number];

  constructor(seed: number) {
    this.#state = [seed >>> 0 || 1, 0x9e37_79b9, 0x243f_6a88, 0xb7e1_5162];
    for (let i = 0; i < 16; i += 1) this.#next();
  }

  /** 0 to n - 1. */
  below(n: number): number {
    return Math.floor((this.#next() / 2 ** 32) * n);
  }

  chance(probability: number): boolean {
    return this.#next() < probability * 2 ** 32;
  }

  pick<T>(values: readonly T[]): T {
    const value = values[this.below(values.length)];
    if (value === undefined) throw new RangeError('nothing to pick from');
    return value;
  }

  bytes(count: number): Uint8Array {
    return Uint8Array.from({ length: count }, () => this.below(256));
  }

  #next(): number {
    let [t, , , s] = this.#state;
    t ^= t << 11;
    t ^= t >>> 8;
    s = (t ^ s ^ (s >>> 19)) >>> 0;
    this.#state = [this.#state[1], this.#state[2], this.#state[3], s];
    return s;
  }
}
