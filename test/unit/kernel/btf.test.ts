import * as fc from 'fast-check';
import { beforeAll, expect, test } from 'vitest';
import { type Btf, readBtf } from '../../../src/kernel/btf.ts';
import { type ElfObject, ObjectFormatError, readElf } from '../../../src/kernel/elf.ts';
import { compileBpfFile, compileBpfText, PROBE_SOURCE } from '../../support/bpf/compile.ts';

let object: Uint8Array<ArrayBuffer>;
let elf: ElfObject;
let btf: Btf;

beforeAll(() => {
  object = compileBpfFile(PROBE_SOURCE);
  elf = readElf(object);
  btf = readBtf(section('.BTF'));
});

function section(name: string): Uint8Array {
  const bytes = elf.sections.get(name);
  if (bytes === undefined) throw new Error(`the test object has no section ${name}`);
  return bytes;
}

/** Either it can be read, or it is refused as what it is. */
function readsOrRefuses(read: () => unknown): void {
  try {
    read();
  } catch (error) {
    expect(error).toBeInstanceOf(ObjectFormatError);
  }
}

test('sections and constants of a compiled object are found by name', () => {
  expect(new TextDecoder().decode(section('license'))).toBe('Dual BSD/GPL\0');
  expect(elf.symbols.get('verdict_of_probe')).toEqual({ section: '.rodata.config', offset: 0, size: 4 });
});

test('a struct is read with names, sizes and bit offsets of its members', () => {
  const type = btf.find((candidate) => candidate.kind === 'struct' && candidate.name === 'row_key');
  expect(type).toMatchObject({
    size: 12,
    members: [
      { name: 'rule_set', bitOffset: 0, bitSize: 0 },
      { name: 'peer_class', bitOffset: 32, bitSize: 0 },
      { name: 'block', bitOffset: 64, bitSize: 0 },
    ],
  });
});

test('an enumerator above 2^31 is read as unsigned', () => {
  const type = btf.find((candidate) => candidate.kind === 'enum' && candidate.name === 'peer_class');
  expect(type).toMatchObject({ members: expect.arrayContaining([{ name: 'PEER_CLASS_NONE', value: 0xffffffffn }]) });
});

test('bit-fields are told from whole members', () => {
  const bits = compileBpfText('struct s { unsigned a : 3; unsigned b : 5; }; struct s it;');
  const type = readBtf(readElf(bits).sections.get('.BTF') ?? new Uint8Array()).find((one) => one.kind === 'struct');
  expect(type).toMatchObject({
    members: [
      { name: 'a', bitOffset: 0, bitSize: 3 },
      { name: 'b', bitOffset: 3, bitSize: 5 },
    ],
  });
});

test.each([
  ['nothing', new Uint8Array(), 'not an ELF file'],
  ['text', new TextEncoder().encode('#include <linux/bpf.h>\n'.repeat(4)), 'not an ELF file'],
])('%s is refused as an object', (_, bytes, message) => {
  expect(() => readElf(bytes)).toThrow(message);
});

test('an object for another machine is refused with the flag that cures it', () => {
  const other = object.slice();
  new DataView(other.buffer).setUint16(18, 62, true);
  expect(() => readElf(other)).toThrow('ELF machine 62 is not BPF (247): compile with clang -target bpf');
});

test('an object cut off anywhere is read or refused, never misread into another error', () => {
  for (let length = 0; length < object.length; length += 977) readsOrRefuses(() => readElf(object.subarray(0, length)));
});

test('type information with any damage is read or refused, never misread into another error', () => {
  const good = section('.BTF');
  fc.assert(
    fc.property(
      fc.nat({ max: good.length - 1 }),
      fc.integer({ min: 0, max: 255 }),
      fc.nat(good.length),
      (at, byte, cut) => {
        const damaged = good.slice(0, Math.max(cut, at + 1));
        damaged[at] = byte;
        readsOrRefuses(() => readBtf(damaged));
      },
    ),
    { numRuns: 300 },
  );
});
