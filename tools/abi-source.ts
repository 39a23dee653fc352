/** Writes an ABI as TypeScript source: enums, struct types with their codecs, map specs. Pure text, no I/O. */
import { type Abi, type AbiEnum, type AbiField, type AbiStruct, type IntegerKind } from '../src/kernel/bpf-abi.ts';
import { MapType, type MapSpec } from '../src/kernel/bpf-map-spec.ts';

/** Members that only fill space: written as zero, not part of the TypeScript type. */
const FILLER = /^(pad|reserve)\d*$/;

/** Functions of src/kernel/abi-codec.ts; only those in use are imported. */
const CODECS = ['getBytes', 'getNumbers', 'inRange', 'putBytes', 'putNumbers', 'signed64', 'unsigned64'];

const WIDE: ReadonlySet<IntegerKind> = new Set(['u64', 's64']);

/** Read and write method of a DataView, and whether it takes the byte order. */
const ACCESS: Readonly<Record<IntegerKind, { readonly method: string; readonly order: string }>> = {
  u8: { method: 'Uint8', order: '' },
  s8: { method: 'Int8', order: '' },
  u16: { method: 'Uint16', order: ', true' },
  s16: { method: 'Int16', order: ', true' },
  be16: { method: 'Uint16', order: ', false' },
  u32: { method: 'Uint32', order: ', true' },
  s32: { method: 'Int32', order: ', true' },
  be32: { method: 'Uint32', order: ', false' },
  u64: { method: 'BigUint64', order: ', true' },
  s64: { method: 'BigInt64', order: ', true' },
};

/** The whole of src/kernel/abi.gen.ts, not yet formatted. */
export function abiSource(abi: Abi): string {
  const body = [...abi.enums.flatMap(enumSource), ...abi.structs.flatMap(structSource), ...mapsSource(abi.maps)];
  const used = CODECS.filter((name) => body.some((line) => new RegExp(`\\b${name}\\(`).test(line)));
  return [
    '/**',
    ' * The layouts, constants and maps that the BPF programs share with user space. Made from the type information of the',
    ' * compiled object by tools/gen-abi.ts; the source of all of it is bpf/abi.h. Do not edit.',
    ' */',
    ...(used.length === 0 ? [] : [`import { ${used.join(', ')} } from './abi-codec.ts';`]),
    `import { type MapSpec${body.some((line) => line.includes('MapType.')) ? ', MapType' : ''} } from './bpf-map-spec.ts';`,
    '',
    '/** Equal to the hash of the object these layouts were made from; the loader refuses any other object. */',
    `export const ABI_HASH = '${abi.hash}';`,
    '',
    ...body,
  ].join('\n');
}

/** `peer_class` -> `PeerClass`. */
export function typeName(name: string): string {
  return name.replaceAll(/(?:^|_)([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}

/** `last_seen_ns` -> `lastSeenNs`. */
export function fieldName(name: string): string {
  return name.replaceAll(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}

/** Fields that a value of the struct's type has. */
export function visibleFields(struct: AbiStruct): readonly AbiField[] {
  return struct.fields.filter((field) => !FILLER.test(field.name));
}

/** A plural enum (`limits`) becomes singular; a prefix that all members share with the enum's name goes. */
function enumSource(type: AbiEnum): string[] {
  const singular = type.name.replace(/([^s])s$/, '$1');
  const name = typeName(singular);
  const prefix = `${singular.toUpperCase()}_`;
  const strip = type.members.every((member) => member.name.startsWith(prefix)) ? prefix.length : 0;
  return [
    `/** enum ${type.name}. */`,
    `export const ${name} = {`,
    ...type.members.map((member) => `  ${member.name.slice(strip)}: ${member.value},`),
    '} as const;',
    '',
    `export type ${name} = (typeof ${name})[keyof typeof ${name}];`,
    '',
  ];
}

function structSource(struct: AbiStruct): string[] {
  const name = typeName(struct.name);
  const doc = struct.doc === '' ? `struct ${struct.name}.` : `struct ${struct.name}: ${struct.doc}.`;
  return [
    `/** ${doc} */`,
    `export interface ${name} {`,
    ...visibleFields(struct).flatMap((field) => [
      ...(fieldDoc(field) === '' ? [] : [`  /** ${fieldDoc(field)} */`]),
      `  readonly ${fieldName(field.name)}: ${fieldType(field)};`,
    ]),
    '}',
    '',
    `export const ${struct.name.toUpperCase()}_SIZE = ${struct.size};`,
    '',
    `export function encode${name}(view: DataView, offset: number, value: ${name}): void {`,
    ...struct.fields.map((field) => `  ${encodeStatement(struct, field)}`),
    '}',
    '',
    `export function decode${name}(view: DataView, offset: number): ${name} {`,
    '  return {',
    ...visibleFields(struct).map((field) => `    ${fieldName(field.name)}: ${decodeExpression(field)},`),
    '  };',
    '}',
    '',
  ];
}

function fieldDoc(field: AbiField): string {
  const length = field.length === undefined ? '' : `${field.length} ${field.integer === 'u8' ? 'bytes' : 'elements'}`;
  return [field.doc, length].filter((part) => part !== '').join('; ');
}

function fieldType(field: AbiField): string {
  if (field.length === undefined) return WIDE.has(field.integer) ? 'bigint' : 'number';
  if (field.integer === 'u8') return 'Uint8Array';
  return WIDE.has(field.integer) ? 'readonly bigint[]' : 'readonly number[]';
}

function at(field: AbiField): string {
  return field.offset === 0 ? 'offset' : `offset + ${field.offset}`;
}

/** A value that does not fit its field is refused: cut to size it would be another rule set or another port. */
function checked(struct: AbiStruct, field: AbiField, value: string): string {
  const place = `'${struct.name}.${field.name}'`;
  const bits = field.width * 8;
  const signed = field.integer.startsWith('s');
  if (WIDE.has(field.integer)) return `${signed ? 'signed64' : 'unsigned64'}(${place}, ${value})`;
  const low = signed ? -(2 ** (bits - 1)) : 0;
  const high = signed ? 2 ** (bits - 1) - 1 : 2 ** bits - 1;
  return `inRange(${place}, ${value}, ${low}, ${high})`;
}

function encodeStatement(struct: AbiStruct, field: AbiField): string {
  const { method, order } = ACCESS[field.integer];
  const place = `'${struct.name}.${field.name}'`;
  if (FILLER.test(field.name)) return `putBytes(view, ${at(field)}, ${field.width * (field.length ?? 1)}, ${place});`;
  const value = `value.${fieldName(field.name)}`;
  if (field.length === undefined) return `view.set${method}(${at(field)}, ${checked(struct, field, value)}${order});`;
  if (field.integer === 'u8') return `putBytes(view, ${at(field)}, ${field.length}, ${place}, ${value});`;
  const body = `view.set${method}(position, ${checked(struct, field, 'element')}${order})`;
  return `putNumbers(${at(field)}, ${field.width}, ${field.length}, ${place}, ${value}, (position, element) => ${body});`;
}

function decodeExpression(field: AbiField): string {
  const { method, order } = ACCESS[field.integer];
  if (field.length === undefined) return `view.get${method}(${at(field)}${order})`;
  if (field.integer === 'u8') return `getBytes(view, ${at(field)}, ${field.length})`;
  return `getNumbers(${at(field)}, ${field.width}, ${field.length}, (position) => view.get${method}(position${order}))`;
}

function mapsSource(maps: readonly MapSpec[]): string[] {
  const names = maps.map((map) => `'${fieldName(map.name)}'`).join(' | ');
  return [
    '/** Every map of the object, by its name in camel case. */',
    `export const MAPS: Readonly<Record<${names === '' ? 'never' : names}, MapSpec>> = {`,
    ...maps.flatMap((map) => [
      `  ${fieldName(map.name)}: {`,
      `    name: '${map.name}',`,
      `    type: ${mapType(map)},`,
      `    keySize: ${map.keySize},`,
      `    valueSize: ${map.valueSize},`,
      `    maxEntries: ${map.maxEntries},`,
      `    flags: ${map.flags},`,
      `    key: ${map.key === undefined ? 'undefined' : `'${map.key}'`},`,
      `    value: ${map.value === undefined ? 'undefined' : `'${map.value}'`},`,
      `    layoutHash: '${map.layoutHash}',`,
      '  },',
    ]),
    '};',
    '',
  ];
}

function mapType(map: MapSpec): string {
  const name = Object.entries(MapType).find(([, number]) => number === map.type)?.[0];
  return name === undefined ? String(map.type) : `MapType.${name}`;
}
