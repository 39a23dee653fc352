import { join } from 'node:path';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import * as generated from '../../../src/kernel/abi.gen.ts';
import { type AbiField, type AbiStruct, readAbi } from '../../../src/kernel/bpf-abi.ts';
import { fieldName, typeName, visibleFields } from '../../../tools/abi-source.ts';
import { compileBpfFile } from '../../support/bpf/compile.ts';

type Codec = {
  readonly encode: (view: DataView, offset: number, value: unknown) => void;
  readonly decode: (view: DataView, offset: number) => unknown;
};

const EXPORTS: ReadonlyMap<string, unknown> = new Map(Object.entries(generated));
const ABI = readAbi(compileBpfFile(join(import.meta.dirname, '../../../bpf/sluice.bpf.c')));
const MARGIN_BYTES = 5;

function codecOf(struct: AbiStruct): Codec {
  const encode = EXPORTS.get(`encode${typeName(struct.name)}`);
  const decode = EXPORTS.get(`decode${typeName(struct.name)}`);
  if (typeof encode !== 'function' || typeof decode !== 'function') throw new Error(`no codec of ${struct.name}`);
  return {
    encode: (view, offset, value) => void encode(view, offset, value),
    decode: (view, offset) => decode(view, offset) as unknown,
  };
}

function valuesOf(struct: AbiStruct): fc.Arbitrary<Record<string, unknown>> {
  const fields = visibleFields(struct).map((field) => [fieldName(field.name), valueOf(field)] as const);
  return fc.record(Object.fromEntries(fields));
}

function valueOf(field: AbiField): fc.Arbitrary<unknown> {
  const exact = { minLength: field.length ?? 1, maxLength: field.length ?? 1 };
  if (field.length !== undefined && field.integer === 'u8') return fc.uint8Array(exact);
  const integer =
    field.width === 8
      ? fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })
      : fc.integer({ min: 0, max: 2 ** (field.width * 8) - 1 });
  return field.length === undefined ? integer : fc.array<unknown>(integer, exact);
}

test('the generated file is of the object that the sources compile to', () => {
  expect(generated.ABI_HASH).toBe(ABI.hash);
});

test.each(ABI.structs.map((struct) => [struct.name, struct] as const))(
  'decode(encode(x)) is x for struct %s, every byte of it is written and none beside it',
  (_, struct) => {
    const { encode, decode } = codecOf(struct);
    expect(EXPORTS.get(`${struct.name.toUpperCase()}_SIZE`)).toBe(struct.size);
    fc.assert(
      fc.property(valuesOf(struct), fc.constantFrom(0x00, 0xff), (value, old) => {
        const bytes = new Uint8Array(struct.size + 2 * MARGIN_BYTES).fill(old);
        const again = new Uint8Array(bytes.length).fill(old ^ 0xff);
        encode(new DataView(bytes.buffer), MARGIN_BYTES, value);
        encode(new DataView(again.buffer), MARGIN_BYTES, value);
        expect(decode(new DataView(bytes.buffer), MARGIN_BYTES)).toEqual(value);
        const inside = (all: Uint8Array): Uint8Array => all.subarray(MARGIN_BYTES, MARGIN_BYTES + struct.size);
        expect(inside(bytes)).toEqual(inside(again));
        const margins = [...bytes.subarray(0, MARGIN_BYTES), ...bytes.subarray(MARGIN_BYTES + struct.size)];
        expect(margins.every((byte) => byte === old)).toBe(true);
      }),
      { numRuns: 50 },
    );
  },
);

test('network-order fields are written big-endian, all others little-endian', () => {
  const bytes = new Uint8Array(generated.FLOW_KEY_SIZE);
  const address = new Uint8Array(16);
  const key = { addressLo: address, addressHi: address, portLo: 0x1234, portHi: 0, family: 4, protocol: 6 };
  generated.encodeFlowKey(new DataView(bytes.buffer), 0, key);
  expect([...bytes.subarray(32, 34)]).toEqual([0x12, 0x34]);
  const row = new Uint8Array(generated.ROW_KEY_SIZE);
  generated.encodeRowKey(new DataView(row.buffer), 0, { ruleSet: 0x1234, peerClass: 0, block: 0 });
  expect([...row.subarray(0, 4)]).toEqual([0x34, 0x12, 0, 0]);
});

test.each([
  ['too large', { ruleSet: 2 ** 32, peerClass: 0, block: 0 }],
  ['negative', { ruleSet: -1, peerClass: 0, block: 0 }],
  ['a fraction', { ruleSet: 0.5, peerClass: 0, block: 0 }],
  ['not a number', { ruleSet: NaN, peerClass: 0, block: 0 }],
])('a value that is %s is refused with the name of its field', (_, value) => {
  const view = new DataView(new ArrayBuffer(generated.ROW_KEY_SIZE));
  expect(() => {
    generated.encodeRowKey(view, 0, value);
  }).toThrow('row_key.rule_set: ');
});

test('an array of the wrong length is refused with the name of its field', () => {
  const row = new DataView(new ArrayBuffer(generated.ROW_VALUE_SIZE));
  expect(() => {
    generated.encodeRowValue(row, 0, { allow: new Uint8Array(31), audit: new Uint8Array(32) });
  }).toThrow('row_value.allow: 31 bytes where 32 belong');
  const cell = new DataView(new ArrayBuffer(generated.PORT_CELL_SIZE));
  expect(() => {
    generated.encodePortCell(cell, 0, { portClass: [1, 2, 3] });
  }).toThrow('port_cell.port_class: 3 elements where 4 belong');
});

test('a 64-bit value that does not fit is refused', () => {
  const view = new DataView(new ArrayBuffer(generated.COUNTER_VALUE_SIZE));
  expect(() => {
    generated.encodeCounterValue(view, 0, { packets: 2n ** 64n, bytes: 0n });
  }).toThrow('counter_value.packets: 18446744073709551616 does not fit 64 bits');
});
