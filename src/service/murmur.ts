/**
 * MurmurHash3_x86_32 over whole words: 32-bit multiplications, rotations and exclusive ors only, so that the kernel side
 * computes the same. Not for secrets: a sender who wants one certain backend can find a source port that leads there,
 * which a client of any Service may try anyway.
 */

/** `words` are the input's bytes read four by four as little-endian numbers. The result is 0 to 2^32 - 1. */
export function murmur3(words: ArrayLike<number>, seed: number): number {
  let hash = seed;
  for (let i = 0; i < words.length; i++) {
    let word = Math.imul(words[i]!, 0xcc9e2d51);
    word = (word << 15) | (word >>> 17);
    hash ^= Math.imul(word, 0x1b873593);
    hash = (hash << 13) | (hash >>> 19);
    hash = (Math.imul(hash, 5) + 0xe6546b64) | 0;
  }
  hash ^= words.length * 4;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
