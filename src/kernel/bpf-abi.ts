/**
 * The ABI of a compiled object, read from its type information: every struct that is the key or value of a map or the
 * type of a global, every enum that is the type of a global, every map. The rules of bpf/abi.h are enforced here:
 *
 * 1. fixed-width integers (`__u8` ... `__u64`, `__s8` ... `__s64`, `__be16`, `__be32`) and arrays of them only;
 * 2. no pointers, no bit-fields, no unions, no nested structs;
 * 3. no implicit padding, neither between members nor at the end;
 * 4. a map's name has at most 15 characters (the kernel keeps 16 with the NUL).
 */
import { createHash } from 'node:crypto';
import type { MapSpec } from './bpf-map-spec.ts';
import { type Btf, type BtfType, readBtf } from './btf.ts';
import { ObjectFormatError, readElf } from './elf.ts';

/** `be16` and `be32` are in network order, all others little-endian. */
export type IntegerKind = 'u8' | 'u16' | 'u32' | 'u64' | 's8' | 's16' | 's32' | 's64' | 'be16' | 'be32';

export interface AbiField {
  readonly name: string;
  /** Bytes from the start of the struct. */
  readonly offset: number;
  readonly integer: IntegerKind;
  /** Bytes of one integer. */
  readonly width: number;
  /** Elements of an array; undefined: a single integer. */
  readonly length: number | undefined;
  readonly doc: string;
}

export interface AbiStruct {
  readonly name: string;
  readonly size: number;
  readonly fields: readonly AbiField[];
  readonly doc: string;
}

export interface AbiEnum {
  readonly name: string;
  readonly members: readonly { readonly name: string; readonly value: bigint }[];
}

/** Each list is sorted by name, so that it does not depend on the order in which the C code uses the types. */
export interface Abi {
  readonly structs: readonly AbiStruct[];
  readonly enums: readonly AbiEnum[];
  readonly maps: readonly MapSpec[];
  /** 16 hex digits over all of the above but the comments: equal hashes mean equal layouts and constants. */
  readonly hash: string;
}

const MAP_NAME_LENGTH_MAX = 15;
const STRUCT_FIELDS_MAX = 64;
const HASH_DIGITS_ABI = 16;
const HASH_DIGITS_LAYOUT = 8;
const DOC_PREFIX = 'doc:';

const INTEGERS: ReadonlyMap<string, { readonly integer: IntegerKind; readonly width: number }> = new Map([
  ['__u8', { integer: 'u8', width: 1 }],
  ['__u16', { integer: 'u16', width: 2 }],
  ['__u32', { integer: 'u32', width: 4 }],
  ['__u64', { integer: 'u64', width: 8 }],
  ['__s8', { integer: 's8', width: 1 }],
  ['__s16', { integer: 's16', width: 2 }],
  ['__s32', { integer: 's32', width: 4 }],
  ['__s64', { integer: 's64', width: 8 }],
  ['__be16', { integer: 'be16', width: 2 }],
  ['__be32', { integer: 'be32', width: 4 }],
]);

/** Attributes of a map definition (bpf_helpers.h's __uint and __type) and the field of MapSpec each sets. */
const MAP_NUMBERS: ReadonlyMap<string, 'type' | 'maxEntries' | 'flags' | 'keySize' | 'valueSize'> = new Map([
  ['type', 'type'],
  ['max_entries', 'maxEntries'],
  ['map_flags', 'flags'],
  ['key_size', 'keySize'],
  ['value_size', 'valueSize'],
]);

/**
 * Reads the ABI of a compiled object.
 * @throws ObjectFormatError for a file that is not such an object, or a type that breaks one of the rules.
 */
export function readAbi(object: Uint8Array): Abi {
  const section = readElf(object).sections.get('.BTF');
  if (section === undefined) throw new ObjectFormatError('no .BTF section: compile with clang -g');
  return new AbiReader(readBtf(section)).read();
}

/**
 * The fields of the type of a map's key or value, by the rules above; a plain integer is one field without a name.
 * @throws ObjectFormatError for a type that breaks one of the rules.
 */
export function readFields(btf: Btf, typeId: number): readonly AbiField[] {
  return new AbiReader(btf).fields(typeId);
}

class AbiReader {
  readonly #btf: Btf;
  readonly #structs = new Map<string, AbiStruct>();
  readonly #enums = new Map<string, AbiEnum>();
  readonly #maps = new Map<string, MapSpec>();
  /** Text of `doc:` tags by "type id:member index"; -1 is the type itself. */
  readonly #docs = new Map<string, string>();

  constructor(btf: Btf) {
    this.#btf = btf;
    for (const type of btf) {
      if (type.kind !== 'tag' || !type.text.startsWith(DOC_PREFIX)) continue;
      this.#docs.set(`${type.target}:${type.member}`, type.text.slice(DOC_PREFIX.length));
    }
  }

  read(): Abi {
    for (const section of this.#btf) {
      if (section.kind !== 'section') continue;
      for (const id of section.variables) this.#addVariable(section.name, id);
    }
    const structs = sorted(this.#structs);
    const enums = sorted(this.#enums);
    const maps = sorted(this.#maps);
    const text = [...structs.map(structText), ...enums.map(enumText), ...maps.map(mapText)].join('\n');
    return { structs, enums, maps, hash: digest(text, HASH_DIGITS_ABI) };
  }

  fields(id: number): readonly AbiField[] {
    const plain = this.#unqualified(id);
    if (this.#type(plain).kind === 'struct') return this.#struct(plain).fields;
    return [{ name: '', offset: 0, ...this.#fieldType(plain, `type ${id}`), doc: '' }];
  }

  #addVariable(section: string, id: number): void {
    const variable = this.#type(id);
    if (variable.kind !== 'variable') throw new ObjectFormatError(`.BTF section ${section} lists type ${id}`);
    if (section === '.maps') {
      this.#maps.set(variable.name, this.#map(variable.name, variable.target));
    } else if (variable.isGlobal) {
      this.#addGlobal(variable.target);
    }
  }

  #addGlobal(id: number): void {
    const type = this.#type(this.#unqualified(id));
    if (type.kind === 'struct') this.#struct(this.#unqualified(id));
    if (type.kind === 'enum') this.#enums.set(type.name, { name: type.name, members: type.members });
  }

  #struct(id: number): AbiStruct {
    const type = this.#type(id);
    if (type.kind !== 'struct') throw new ObjectFormatError(`type ${id} of .BTF is not a struct`);
    const known = this.#structs.get(type.name);
    if (known !== undefined) return known;
    if (type.name === '') throw new ObjectFormatError('a struct of the ABI has no name');
    if (type.members.length > STRUCT_FIELDS_MAX) {
      throw new ObjectFormatError(`struct ${type.name} has more than ${STRUCT_FIELDS_MAX} members`);
    }
    let end = 0;
    const fields = type.members.map((member, index): AbiField => {
      const place = `struct ${type.name}: ${member.name || 'a member without a name'}`;
      if (member.bitSize !== 0 || member.bitOffset % 8 !== 0) throw new ObjectFormatError(`${place} is a bit-field`);
      const { integer, width, length } = this.#fieldType(member.type, place);
      const offset = member.bitOffset / 8;
      if (offset !== end) {
        throw new ObjectFormatError(
          `${place} has ${offset - end} bytes of implicit padding before it: add a pad member`,
        );
      }
      end = offset + width * (length ?? 1);
      return { name: member.name, offset, integer, width, length, doc: this.#docs.get(`${id}:${index}`) ?? '' };
    });
    if (end !== type.size) {
      throw new ObjectFormatError(
        `struct ${type.name} ends in ${type.size - end} bytes of implicit padding: add a pad member`,
      );
    }
    const struct = { name: type.name, size: type.size, fields, doc: this.#docs.get(`${id}:-1`) ?? '' };
    this.#structs.set(type.name, struct);
    return struct;
  }

  #fieldType(id: number, place: string): Pick<AbiField, 'integer' | 'width' | 'length'> {
    const type = this.#type(id);
    if (type.kind === 'qualifier') return this.#fieldType(type.target, place);
    if (type.kind === 'typedef') {
      const known = INTEGERS.get(type.name);
      return known === undefined ? this.#fieldType(type.target, place) : { ...known, length: undefined };
    }
    if (type.kind === 'array') {
      const element = this.#fieldType(type.element, place);
      if (element.length !== undefined) throw new ObjectFormatError(`${place} is an array of arrays`);
      return { ...element, length: type.length };
    }
    if (type.kind === 'pointer') {
      throw new ObjectFormatError(`${place} is a pointer, which means nothing to user space`);
    }
    if (type.kind === 'int') {
      throw new ObjectFormatError(`${place} has the type ${type.name}: use a fixed-width one such as __u32`);
    }
    throw new ObjectFormatError(`${place} is of kind ${type.kind}: only fixed-width integers and arrays of them`);
  }

  #map(name: string, id: number): MapSpec {
    const definition = this.#type(this.#unqualified(id));
    if (definition.kind !== 'struct') throw new ObjectFormatError(`map ${name} is not defined by a struct`);
    if (name.length > MAP_NAME_LENGTH_MAX) {
      throw new ObjectFormatError(`map ${name}: the name is longer than ${MAP_NAME_LENGTH_MAX} characters`);
    }
    const numbers = { type: 0, maxEntries: 0, flags: 0, keySize: 0, valueSize: 0 };
    const types: { key: MapSide | undefined; value: MapSide | undefined } = { key: undefined, value: undefined };
    for (const member of definition.members) {
      const pointer = this.#type(member.type);
      const number = MAP_NUMBERS.get(member.name);
      if (pointer.kind !== 'pointer')
        throw new ObjectFormatError(`map ${name}: ${member.name} is not __uint or __type`);
      if (number !== undefined) numbers[number] = this.#arrayLength(pointer.target, `map ${name}: ${member.name}`);
      else if (member.name === 'key' || member.name === 'value') types[member.name] = this.#side(name, pointer.target);
      else throw new ObjectFormatError(`map ${name} has the attribute ${member.name}, which Sluice does not know`);
    }
    const layout = [`type=${numbers.type}`, `flags=${numbers.flags}`, types.key?.text, types.value?.text].join(';');
    return {
      name,
      ...numbers,
      keySize: types.key?.size ?? numbers.keySize,
      valueSize: types.value?.size ?? numbers.valueSize,
      key: types.key?.name,
      value: types.value?.name,
      layoutHash: digest(layout, HASH_DIGITS_LAYOUT),
    };
  }

  #side(map: string, id: number): MapSide {
    const plain = this.#unqualified(id);
    const type = this.#type(plain);
    if (type.kind === 'struct') {
      const struct = this.#struct(plain);
      return { name: struct.name, size: struct.size, text: structText(struct) };
    }
    const integer = type.kind === 'typedef' ? INTEGERS.get(type.name) : undefined;
    if (type.kind !== 'typedef' || integer === undefined) {
      throw new ObjectFormatError(`map ${map}: key and value must be structs or fixed-width integers`);
    }
    return { name: type.name, size: integer.width, text: integer.integer };
  }

  #arrayLength(id: number, place: string): number {
    const type = this.#type(id);
    if (type.kind !== 'array') throw new ObjectFormatError(`${place} is not written with __uint`);
    return type.length;
  }

  #unqualified(id: number): number {
    const type = this.#type(id);
    return type.kind === 'qualifier' ? this.#unqualified(type.target) : id;
  }

  #type(id: number): BtfType {
    const type = this.#btf[id];
    if (type === undefined) throw new ObjectFormatError(`.BTF refers to type ${id}, which it does not have`);
    return type;
  }
}

interface MapSide {
  readonly name: string;
  readonly size: number;
  readonly text: string;
}

function sorted<T extends { readonly name: string }>(items: ReadonlyMap<string, T>): readonly T[] {
  return [...items.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}

function structText(struct: AbiStruct): string {
  const fields = struct.fields.map(
    ({ name, offset, integer, length }) => `${offset} ${name} ${integer} ${length ?? ''}`,
  );
  return `struct ${struct.name} ${struct.size} {${fields.join(';')}}`;
}

function enumText(type: AbiEnum): string {
  return `enum ${type.name} {${type.members.map(({ name, value }) => `${name}=${value}`).join(';')}}`;
}

function mapText(map: MapSpec): string {
  const { name, layoutHash, keySize, valueSize, maxEntries } = map;
  return `map ${name} ${layoutHash} ${keySize} ${valueSize} ${maxEntries}`;
}

function digest(text: string, digits: number): string {
  return createHash('sha256').update(text).digest('hex').slice(0, digits);
}
