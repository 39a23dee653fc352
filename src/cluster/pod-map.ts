import type { Pod } from '../policy/model.ts';
import type { PackedPod } from './packed-pod.ts';

/** Packed pods as a map of pods; each is made when it is asked for, so that a walk over all of them has its price. */
export class PodMap implements ReadonlyMap<string, Pod> {
  readonly #packed: ReadonlyMap<string, PackedPod>;

  constructor(packed: ReadonlyMap<string, PackedPod>) {
    this.#packed = packed;
  }

  get size(): number {
    return this.#packed.size;
  }

  get(key: string): Pod | undefined {
    return this.#packed.get(key)?.unpack();
  }

  has(key: string): boolean {
    return this.#packed.has(key);
  }

  keys(): MapIterator<string> {
    return this.#packed.keys();
  }

  values(): MapIterator<Pod> {
    return this.#packed.values().map((packed) => packed.unpack());
  }

  entries(): MapIterator<[string, Pod]> {
    return this.#packed.entries().map(([key, packed]): [string, Pod] => [key, packed.unpack()]);
  }

  [Symbol.iterator](): MapIterator<[string, Pod]> {
    return this.entries();
  }

  forEach(take: (pod: Pod, key: string, map: ReadonlyMap<string, Pod>) => void): void {
    for (const [key, pod] of this) take(pod, key, this);
  }
}
