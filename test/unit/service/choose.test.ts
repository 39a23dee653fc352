/** The vectors come from a program in C that reads the 24 bytes as six words; the kernel side is held to the same. */
import { expect, test } from 'vitest';
import { hashTuple, slotOf } from '../../../src/service/choose.ts';
import type { Protocol } from '../../../src/service/model.ts';
import { murmur3 } from '../../../src/service/murmur.ts';

/** Little-endian words of ASCII text. */
function words(text: string): Uint32Array {
  return Uint32Array.from({ length: text.length / 4 }, (_, i) =>
    [0, 1, 2, 3].reduce((word, byte) => word + text.charCodeAt(i * 4 + byte) * 256 ** byte, 0),
  );
}

test.each([
  ['', 0, 0],
  ['', 1, 0x514e28b7],
  ['test', 0, 0xba6bd213],
  ['aaaa', 0x9747b28c, 0x5a97808a],
  ['abcd', 0x9747b28c, 0xf0478627],
])('the hash of %j with seed %i is that of MurmurHash3_x86_32', (text, seed, hash) => {
  expect(murmur3(words(text), seed)).toBe(hash);
});

const VECTORS: readonly [string, number, number, Protocol, number, number, number][] = [
  ['10.0.0.1', 40000, 80, 'TCP', 0x2754c874, 251, 38],
  ['10.0.0.1', 40001, 80, 'TCP', 0x98706347, 251, 149],
  ['10.0.0.1', 40000, 53, 'UDP', 0xbefef3af, 251, 187],
  ['10.244.1.17', 52341, 443, 'TCP', 0x0cafc0bb, 1021, 50],
  ['10.244.255.254', 65535, 65535, 'SCTP', 0x8155a6b0, 4093, 2067],
  ['fd00::1', 40000, 80, 'TCP', 0xce3b94c0, 251, 202],
  ['2001:db8:ffff::abcd', 1024, 5353, 'UDP', 0x1e3ef46e, 65521, 7741],
  ['192.168.10.200', 1, 1, 'TCP', 0x6550d4c5, 1, 0],
];

test.each(VECTORS)('%s:%i to port %i/%s', (source, sourcePort, port, protocol, hash, size, slot) => {
  const found = hashTuple({ source, sourcePort, destinationPort: port, protocol });
  expect([found, slotOf(found, size)]).toEqual([hash, slot]);
});

test('every slot is reached, the first and the last by the ends of the hash', () => {
  expect([slotOf(0, 251), slotOf(0xffffffff, 251), slotOf(0xffffffff, 65521)]).toEqual([0, 250, 65520]);
  const seen = new Set<number>();
  for (let port = 1; port <= 65535; port++) {
    const tuple = { source: '10.0.0.1', sourcePort: port, destinationPort: 80, protocol: 'TCP' } as const;
    seen.add(slotOf(hashTuple(tuple), 4093));
  }
  expect(seen.size).toBe(4093);
});
