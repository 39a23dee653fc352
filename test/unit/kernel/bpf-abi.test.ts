import { expect, test } from 'vitest';
import { type Abi, readAbi } from '../../../src/kernel/bpf-abi.ts';
import { MapFlag, MapType } from '../../../src/kernel/bpf-map-spec.ts';
import { compileBpfFile, compileBpfText, PROBE_SOURCE } from '../../support/bpf/compile.ts';

const PRELUDE = `
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "../../../bpf/abi.h"
`;

/** The ABI of an object with one global of the struct. */
function abiOfStruct(members: string): Abi {
  return readAbi(compileBpfText(`${PRELUDE} struct s { ${members} }; struct s it;`));
}

/** The ABI of an object with one map. */
function abiOfMap(name: string, attributes: string): Abi {
  return readAbi(compileBpfText(`${PRELUDE} struct { ${attributes} } ${name} SEC(".maps");`));
}

function hashOf(abi: Abi): string | undefined {
  return abi.maps[0]?.layoutHash;
}

test('maps are read with type, sizes, limits and the names of key and value', () => {
  const abi = readAbi(compileBpfFile(PROBE_SOURCE));
  expect(abi.maps.find((map) => map.name === 'rows')).toMatchObject({
    type: MapType.HASH,
    keySize: 12,
    valueSize: 64,
    maxEntries: 30000,
    flags: MapFlag.NO_PREALLOC,
    key: 'row_key',
    value: 'row_value',
  });
  expect(abi.maps.find((map) => map.name === 'events')).toMatchObject({
    type: MapType.RINGBUF,
    keySize: 0,
    valueSize: 0,
    maxEntries: 4096,
    key: undefined,
    value: undefined,
  });
});

test('structs of maps and of globals are read, those of programs alone are not', () => {
  const names = readAbi(compileBpfFile(PROBE_SOURCE)).structs.map((struct) => struct.name);
  expect(names).toEqual([...names].sort());
  expect(names).toEqual(expect.arrayContaining(['row_key', 'flow_value', 'drop_event', 'config']));
  expect(names).not.toContain('__sk_buff');
});

test('a field keeps its byte order, array length and doc comment', () => {
  const struct = readAbi(compileBpfFile(PROBE_SOURCE)).structs.find(({ name }) => name === 'flow_key');
  expect(struct?.fields).toEqual(
    expect.arrayContaining([
      { name: 'address_lo', offset: 0, integer: 'u8', width: 1, length: 16, doc: '' },
      {
        name: 'port_lo',
        offset: 32,
        integer: 'be16',
        width: 2,
        length: undefined,
        doc: 'ICMP echo: the identifier, at both ends',
      },
    ]),
  );
});

test.each([
  ['implicit padding between members', '__u8 a; __u32 b;', 'struct s: b has 3 bytes of implicit padding before it'],
  ['implicit padding at the end', '__u64 a; __u8 b;', 'struct s ends in 7 bytes of implicit padding'],
  ['a bit-field', '__u32 a : 4; __u32 b : 28;', 'struct s: a is a bit-field'],
  ['a pointer', 'void *a;', 'struct s: a is a pointer'],
  ['a plain int', 'int a;', 'struct s: a has the type int: use a fixed-width one such as __u32'],
  ['an unsigned long', 'unsigned long a;', 'struct s: a has the type'],
  ['an enum', 'enum reason a;', 'struct s: a is of kind enum'],
  ['a union', 'union { __u32 a; __u8 b[4]; } u;', 'struct s: u is of kind union'],
  ['a nested struct', 'struct row_key a;', 'struct s: a is of kind struct'],
  ['an array of arrays', '__u8 a[2][2];', 'struct s: a is an array of arrays'],
])('%s is refused with struct and member', (_, members, message) => {
  expect(() => abiOfStruct(members)).toThrow(message);
});

test('a map name of more than 15 characters is refused', () => {
  expect(() => abiOfMap('sixteen_letters_', '__uint(type, BPF_MAP_TYPE_ARRAY);')).toThrow(
    'map sixteen_letters_: the name is longer than 15 characters',
  );
});

test('a map attribute that user space would not know of is refused', () => {
  expect(() => abiOfMap('m', '__uint(type, BPF_MAP_TYPE_ARRAY); __uint(pinning, LIBBPF_PIN_BY_NAME);')).toThrow(
    'map m has the attribute pinning',
  );
});

test('a map of plain integers has their sizes', () => {
  const abi = abiOfMap('m', '__uint(type, BPF_MAP_TYPE_HASH); __type(key, __u32); __type(value, __u64);');
  expect(abi.maps[0]).toMatchObject({ keySize: 4, valueSize: 8, key: '__u32', value: '__u64' });
});

test('the layout hash changes with type, flags, key and value, and not with the size of the map', () => {
  const base = { type: 'BPF_MAP_TYPE_HASH', flags: 0, key: '__u32', value: 'struct row_key', entries: 1 };
  const hash = (change: Partial<typeof base>): string | undefined => {
    const { type, flags, key, value, entries } = { ...base, ...change };
    return hashOf(
      abiOfMap(
        'm',
        `__uint(type, ${type}); __uint(map_flags, ${flags}); __uint(max_entries, ${entries}); ` +
          `__type(key, ${key}); __type(value, ${value});`,
      ),
    );
  };
  expect(hash({})).toMatch(/^[0-9a-f]{8}$/);
  expect(hash({ entries: 2 })).toBe(hash({}));
  const others = [
    hash({}),
    hash({ type: 'BPF_MAP_TYPE_LRU_HASH' }),
    hash({ flags: 1 }),
    hash({ key: '__be32' }),
    hash({ value: 'struct row_value' }),
  ];
  expect(new Set(others).size).toBe(others.length);
});

test('the hash of the ABI does not depend on the order in which types are used, and not on comments', () => {
  const one = readAbi(compileBpfText(`${PRELUDE} struct row_key a; struct row_value b; enum reason c;`));
  const other = readAbi(
    compileBpfText(
      `${PRELUDE} enum reason c; struct row_value b; struct row_key a; int unrelated(int x) { return x; }`,
    ),
  );
  expect(other.hash).toBe(one.hash);
  const enumChanged = readAbi(compileBpfText(`${PRELUDE} struct row_key a; struct row_value b; enum verdict c;`));
  expect(enumChanged.hash).not.toBe(one.hash);
  const bare = (doc: string): string => readAbi(compileBpfText(`${PRELUDE} struct s { __u32 a ${doc}; } it;`)).hash;
  expect(bare('DOC("a comment")')).toBe(bare(''));
});
