/**
 * BTF, the type information that clang keeps in a compiled BPF object (section `.BTF`): read into plain values. What
 * the types mean for Sluice is decided in bpf-abi.ts. Format: Documentation/bpf/btf.rst of the kernel.
 */
import { ObjectFormatError, textAt } from './elf.ts';

export interface BtfMember {
  readonly name: string;
  readonly type: number;
  readonly bitOffset: number;
  /** 0: not a bit-field. */
  readonly bitSize: number;
}

/** `other`: functions, forward declarations, floats; nothing of the ABI refers to them. */
export type BtfType =
  | { readonly kind: 'void' }
  | { readonly kind: 'int'; readonly name: string; readonly size: number }
  | { readonly kind: 'pointer'; readonly target: number }
  | { readonly kind: 'array'; readonly element: number; readonly length: number }
  | {
      readonly kind: 'struct' | 'union';
      readonly name: string;
      readonly size: number;
      readonly members: readonly BtfMember[];
    }
  | {
      readonly kind: 'enum';
      readonly name: string;
      readonly size: number;
      readonly members: readonly { readonly name: string; readonly value: bigint }[];
    }
  | { readonly kind: 'typedef'; readonly name: string; readonly target: number }
  | { readonly kind: 'qualifier'; readonly target: number }
  | { readonly kind: 'variable'; readonly name: string; readonly target: number; readonly isGlobal: boolean }
  | { readonly kind: 'section'; readonly name: string; readonly variables: readonly number[] }
  | { readonly kind: 'tag'; readonly text: string; readonly target: number; readonly member: number }
  | { readonly kind: 'other'; readonly name: string };

/** By type id; id 0 is void. */
export type Btf = readonly BtfType[];

const MAGIC = 0xeb9f;
const HEADER_BYTES = 24;
const TYPE_BYTES = 12;
/** More types than any object of Sluice has; a damaged count must not make the reader run long. */
const BTF_TYPES_MAX = 65536;

interface Cursor {
  readonly view: DataView;
  readonly strings: Uint8Array;
  at: number;
}

interface TypeHeader {
  readonly name: string;
  readonly kind: number;
  readonly count: number;
  readonly flag: boolean;
  /** Size in bytes or a type id, as the kind has it. */
  readonly sizeOrType: number;
}

/** @throws ObjectFormatError naming the type or byte where the section stops making sense. */
export function readBtf(section: Uint8Array): Btf {
  const view = new DataView(section.buffer, section.byteOffset, section.byteLength);
  if (section.length < HEADER_BYTES || view.getUint16(0, true) !== MAGIC) {
    throw new ObjectFormatError('.BTF does not start with the little-endian BTF magic 0xeb9f');
  }
  const headerBytes = view.getUint32(4, true);
  const types = part(section, headerBytes, view.getUint32(8, true), view.getUint32(12, true), 'types');
  const strings = part(section, headerBytes, view.getUint32(16, true), view.getUint32(20, true), 'strings');
  const cursor: Cursor = { view: new DataView(types.buffer, types.byteOffset, types.byteLength), strings, at: 0 };
  const result: BtfType[] = [{ kind: 'void' }];
  while (cursor.at < types.length) {
    if (result.length > BTF_TYPES_MAX) throw new ObjectFormatError(`.BTF has more than ${BTF_TYPES_MAX} types`);
    result.push(readType(cursor, result.length));
  }
  return result;
}

function part(section: Uint8Array, header: number, offset: number, length: number, what: string): Uint8Array {
  const start = header + offset;
  if (start + length > section.length) throw new ObjectFormatError(`.BTF ${what} lie outside the section`);
  return section.subarray(start, start + length);
}

function readType(cursor: Cursor, id: number): BtfType {
  need(cursor, TYPE_BYTES, id);
  const name = textAt(cursor.strings, word(cursor));
  const info = word(cursor);
  const sizeOrType = word(cursor);
  const header = { name, kind: (info >>> 24) & 0x1f, count: info & 0xffff, flag: info >>> 31 === 1, sizeOrType };
  const extra = extraBytes(header, id);
  need(cursor, extra, id);
  const end = cursor.at + extra;
  const type = readBody(cursor, header);
  cursor.at = end;
  return type;
}

/** Bytes after the common part, by kind (1 INT ... 19 ENUM64). */
function extraBytes({ kind, count }: TypeHeader, id: number): number {
  switch (kind) {
    case 1: // INT
    case 14: // VAR
    case 17: // DECL_TAG
      return 4;
    case 3: // ARRAY
      return 12;
    case 4: // STRUCT
    case 5: // UNION
    case 15: // DATASEC
    case 19: // ENUM64
      return count * 12;
    case 6: // ENUM
    case 13: // FUNC_PROTO
      return count * 8;
    case 2: // PTR
    case 7: // FWD
    case 8: // TYPEDEF
    case 9: // VOLATILE
    case 10: // CONST
    case 11: // RESTRICT
    case 12: // FUNC
    case 16: // FLOAT
    case 18: // TYPE_TAG
      return 0;
    default:
      throw new ObjectFormatError(`.BTF type ${id} has the unknown kind ${kind}`);
  }
}

function readBody(cursor: Cursor, header: TypeHeader): BtfType {
  const { name, sizeOrType } = header;
  switch (header.kind) {
    case 1:
      return { kind: 'int', name, size: sizeOrType };
    case 2:
      return { kind: 'pointer', target: sizeOrType };
    case 3: {
      const element = word(cursor);
      word(cursor); // the type of the index
      return { kind: 'array', element, length: word(cursor) };
    }
    case 4:
    case 5:
      return {
        kind: header.kind === 4 ? 'struct' : 'union',
        name,
        size: sizeOrType,
        members: repeat(header.count, () => readMember(cursor, header.flag)),
      };
    case 6:
    case 19:
      return { kind: 'enum', name, size: sizeOrType, members: readEnumerators(cursor, header) };
    case 8:
      return { kind: 'typedef', name, target: sizeOrType };
    case 9:
    case 10:
    case 11:
    case 18:
      return { kind: 'qualifier', target: sizeOrType };
    case 14:
      return { kind: 'variable', name, target: sizeOrType, isGlobal: word(cursor) === 1 };
    case 15:
      return { kind: 'section', name, variables: repeat(header.count, () => readSectionEntry(cursor)) };
    case 17:
      return { kind: 'tag', text: name, target: sizeOrType, member: word(cursor) | 0 };
    default:
      return { kind: 'other', name };
  }
}

function readMember(cursor: Cursor, hasBitSizes: boolean): BtfMember {
  const name = textAt(cursor.strings, word(cursor));
  const type = word(cursor);
  const offset = word(cursor);
  // With the flag, the offset word carries the width of a bit-field in its high byte.
  return hasBitSizes
    ? { name, type, bitOffset: offset & 0xffffff, bitSize: offset >>> 24 }
    : { name, type, bitOffset: offset, bitSize: 0 };
}

/** Without the flag values are unsigned, as Sluice's own enums are; clang before 15 never sets it. */
function readEnumerators(cursor: Cursor, header: TypeHeader): { name: string; value: bigint }[] {
  const width = header.kind === 19 ? 64 : 32;
  return repeat(header.count, () => {
    const name = textAt(cursor.strings, word(cursor));
    const low = BigInt(word(cursor));
    const raw = width === 64 ? low | (BigInt(word(cursor)) << 32n) : low;
    return { name, value: header.flag ? BigInt.asIntN(width, raw) : raw };
  });
}

function readSectionEntry(cursor: Cursor): number {
  const variable = word(cursor);
  cursor.at += 8; // offset and size: zero until the object is linked
  return variable;
}

function word(cursor: Cursor): number {
  const value = cursor.view.getUint32(cursor.at, true);
  cursor.at += 4;
  return value;
}

function need(cursor: Cursor, bytes: number, id: number): void {
  if (cursor.at + bytes > cursor.view.byteLength) throw new ObjectFormatError(`.BTF ends inside type ${id}`);
}

function repeat<T>(count: number, read: () => T): T[] {
  return Array.from({ length: count }, read);
}
