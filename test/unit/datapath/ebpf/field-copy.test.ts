import { describe, expect, test } from 'vitest';
import { LayoutError, planFieldCopy } from '../../../../src/datapath/ebpf/field-copy.ts';
import type { AbiField, IntegerKind } from '../../../../src/kernel/bpf-abi.ts';

const WIDTHS: Readonly<Record<string, number>> = { u8: 1, u16: 2, u32: 4, u64: 8, be16: 2, be32: 4, s32: 4 };

/** Fields as `integer name` or `integer name length`, one behind the other. */
function layout(...texts: readonly string[]): AbiField[] {
  let offset = 0;
  return texts.map((text) => {
    const [integer = '', name = '', length] = text.split(' ');
    const width = WIDTHS[integer]!;
    const field = { name, offset, integer: integer as IntegerKind, width, length: length && Number(length), doc: '' };
    offset += width * Number(length ?? 1);
    return { ...field, length: length === undefined ? undefined : Number(length) };
  });
}

function convert(
  from: AbiField[],
  to: AbiField[],
  bytes: readonly number[],
  required: readonly string[] = [],
): number[] {
  const last = to.at(-1)!;
  const result = new Uint8Array(last.offset + last.width * (last.length ?? 1));
  planFieldCopy(from, to, required)(Uint8Array.from(bytes), 0, result, 0);
  return [...result];
}

describe('planFieldCopy', () => {
  test('fields of one name are copied wherever they lie; new ones are zero, old ones are left out', () => {
    const from = layout('u8 a', 'u16 b', 'u8 gone');
    const to = layout('u16 b', 'u32 fresh', 'u8 a');
    expect(convert(from, to, [1, 2, 3, 4])).toEqual([2, 3, 0, 0, 0, 0, 1]);
  });

  test('an unsigned integer may become wider, alone or in an array', () => {
    expect(convert(layout('u8 a', 'u16 b 2'), layout('u32 a', 'u32 b 3'), [9, 1, 2, 3, 4])).toEqual([
      9, 0, 0, 0, 1, 2, 0, 0, 3, 4, 0, 0, 0, 0, 0, 0,
    ]);
  });

  test.each([
    ['u32 a', 'u16 a', 'narrower'],
    ['u8 a 16', 'u8 a 8', 'a shorter array'],
    ['u8 a', 'u8 a 1', 'an array of one'],
    ['be16 a', 'u16 a', 'another byte order'],
    ['be16 a', 'be32 a', 'a wider one in network order'],
    ['s32 a', 'u64 a', 'unsigned'],
  ])('%s into %s is refused: %s', (from, to) => {
    expect(() => planFieldCopy(layout(from), layout(to), [])).toThrow(LayoutError);
  });

  test('room between fields may shrink or go, and is not copied', () => {
    expect(convert(layout('u8 reserve 4', 'u8 a'), layout('u8 a', 'u8 reserve 2'), [7, 7, 7, 7, 5])).toEqual([5, 0, 0]);
  });

  test('a field that means nothing as zero must be there', () => {
    expect(() => convert(layout('u8 a'), layout('u8 a', 'u8 b'), [1], ['b'])).toThrow('it has no field b');
  });
});
