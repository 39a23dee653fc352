/**
 * Slot tables by the method of Maglev (Eisenbud et al., NSDI 2016, section 3.4): every backend has a permutation of the
 * slots of its own, and the backends take turns at claiming the next free slot of theirs. What follows from it:
 * 1. the table is a pure function of the backend set: every node, and every start of an agent, makes the same;
 * 2. no two backends differ by more than one slot;
 * 3. when a backend goes, its slots are shared out and few others move.
 */
import { BACKEND_KEY_BYTES } from './key.ts';
import { murmur3 } from './murmur.ts';

/** Seeds of the two hashes that make a permutation. */
const OFFSET_SEED = 0x6f666673;
const SKIP_SEED = 0x736b6970;

/** A table is this many times as large as the set at least, so loads differ by one in fifteen at most. */
const SLOTS_PER_BACKEND = 16;
/** Primes. The next is taken when the set outgrows one; only the last is filled beyond SLOTS_PER_BACKEND. */
const TABLE_SIZES = [
  61, 89, 127, 179, 251, 359, 509, 719, 1021, 1447, 2039, 2887, 4093, 5791, 8191, 11_579, 16_381, 23_167, 32_749,
  46_327, 65_521,
] as const;
const LARGEST = 65_521;

/** Slots of a table for so many backends; none for none, one for one. */
export function tableSize(backends: number): number {
  if (backends <= 1) return backends;
  return TABLE_SIZES.find((size) => size >= backends * SLOTS_PER_BACKEND) ?? LARGEST;
}

/**
 * For every slot the index of its backend. The keys (backendKey) are sorted and each is there once; at most
 * FRONTEND_BACKENDS_MAX of them.
 */
export function buildTable(keys: readonly string[]): Uint16Array {
  const size = tableSize(keys.length);
  const table = new Uint16Array(size);
  if (keys.length <= 1) return table;
  const free = new Uint8Array(size).fill(1);
  const next = new Uint32Array(keys.length);
  const skip = new Uint32Array(keys.length);
  const words = new Uint32Array(5);
  for (const [i, key] of keys.entries()) {
    packKey(key, words);
    next[i] = murmur3(words, OFFSET_SEED) % size;
    skip[i] = (murmur3(words, SKIP_SEED) % (size - 1)) + 1;
  }
  for (let taken = 0; taken < size;) {
    for (let i = 0; i < keys.length && taken < size; i++, taken++) {
      let slot = next[i]!;
      while (free[slot] === 0) slot = (slot + skip[i]!) % size;
      free[slot] = 0;
      table[slot] = i;
      next[i] = (slot + skip[i]!) % size;
    }
  }
  return table;
}

/** The 19 bytes of the key and a zero as five words. */
function packKey(key: string, words: Uint32Array): void {
  words.fill(0);
  for (let i = 0; i < BACKEND_KEY_BYTES; i++) words[i >> 2]! |= key.charCodeAt(i) << ((i & 3) * 8);
}
