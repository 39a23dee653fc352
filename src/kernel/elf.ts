/**
 * The parts of a compiled BPF object (ELF64, little-endian) that Sluice reads itself: named sections and the symbols
 * of global variables. Needs no libbpf and no privilege. Relocations and code are libbpf's business.
 */

/** A compiled object, or its type information, is not what it has to be. The message names the place. */
export class ObjectFormatError extends Error {
  override readonly name = 'ObjectFormatError';
}

export interface ElfSymbol {
  readonly section: string;
  /** Bytes from the start of the section. */
  readonly offset: number;
  readonly size: number;
}

export interface ElfObject {
  readonly sections: ReadonlyMap<string, Uint8Array>;
  /** Data symbols by name. */
  readonly symbols: ReadonlyMap<string, ElfSymbol>;
}

interface SectionHeader {
  readonly name: string;
  readonly type: number;
  readonly offset: number;
  readonly size: number;
  readonly link: number;
}

const ELF_HEADER_BYTES = 64;
const SECTION_HEADER_BYTES = 64;
const SYMBOL_BYTES = 24;
const MACHINE_BPF = 247;
const SECTION_SYMTAB = 2;
const SECTION_NOBITS = 8;
const SYMBOL_TYPE_OBJECT = 1;

/** @throws ObjectFormatError when the bytes are not a whole little-endian ELF64 object for BPF. */
export function readElf(bytes: Uint8Array): ElfObject {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  checkHeader(view);
  const headers = readSectionHeaders(view);
  const sections = new Map<string, Uint8Array>();
  for (const header of headers) {
    if (header.type === SECTION_NOBITS || header.size === 0) continue;
    sections.set(header.name, sliceOf(bytes, header.offset, header.size, `section ${header.name}`));
  }
  return { sections, symbols: readSymbols(bytes, headers) };
}

function checkHeader(view: DataView): void {
  if (view.byteLength < ELF_HEADER_BYTES || view.getUint32(0, false) !== 0x7f454c46) {
    throw new ObjectFormatError('not an ELF file');
  }
  if (view.getUint8(4) !== 2 || view.getUint8(5) !== 1) {
    throw new ObjectFormatError('not a little-endian ELF64 file: compile with clang -target bpfel');
  }
  const machine = view.getUint16(18, true);
  if (machine !== MACHINE_BPF) {
    throw new ObjectFormatError(`ELF machine ${machine} is not BPF (${MACHINE_BPF}): compile with clang -target bpf`);
  }
}

function readSectionHeaders(view: DataView): readonly SectionHeader[] {
  const start = safeNumber(view.getBigUint64(40, true));
  const count = view.getUint16(60, true);
  const namesIndex = view.getUint16(62, true);
  if (start + count * SECTION_HEADER_BYTES > view.byteLength || namesIndex >= count) {
    throw new ObjectFormatError('ELF section headers lie outside the file: it is truncated');
  }
  const field = (index: number, at: number): number => view.getUint32(start + index * SECTION_HEADER_BYTES + at, true);
  const wide = (index: number, at: number): number =>
    safeNumber(view.getBigUint64(start + index * SECTION_HEADER_BYTES + at, true));
  const names = sliceOf(bytesOf(view), wide(namesIndex, 24), wide(namesIndex, 32), 'ELF section names');
  return Array.from({ length: count }, (_, index) => ({
    name: textAt(names, field(index, 0)),
    type: field(index, 4),
    offset: wide(index, 24),
    size: wide(index, 32),
    link: field(index, 40),
  }));
}

function readSymbols(bytes: Uint8Array, headers: readonly SectionHeader[]): ReadonlyMap<string, ElfSymbol> {
  const symbols = new Map<string, ElfSymbol>();
  const table = headers.find((header) => header.type === SECTION_SYMTAB);
  const names = table === undefined ? undefined : headers[table.link];
  if (table === undefined || names === undefined) return symbols;
  const nameBytes = sliceOf(bytes, names.offset, names.size, 'ELF symbol names');
  const data = sliceOf(bytes, table.offset, table.size, 'ELF symbols');
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  for (let at = 0; at + SYMBOL_BYTES <= data.length; at += SYMBOL_BYTES) {
    const section = headers[view.getUint16(at + 6, true)];
    if ((view.getUint8(at + 4) & 0xf) !== SYMBOL_TYPE_OBJECT || section === undefined) continue;
    symbols.set(textAt(nameBytes, view.getUint32(at, true)), {
      section: section.name,
      offset: safeNumber(view.getBigUint64(at + 8, true)),
      size: safeNumber(view.getBigUint64(at + 16, true)),
    });
  }
  return symbols;
}

/** The NUL-terminated text at an offset of a string table. */
export function textAt(strings: Uint8Array, offset: number): string {
  const end = strings.indexOf(0, offset);
  if (offset >= strings.length || end < 0) {
    throw new ObjectFormatError(`string offset ${offset} lies outside the string table of ${strings.length} bytes`);
  }
  return new TextDecoder().decode(strings.subarray(offset, end));
}

function sliceOf(bytes: Uint8Array, offset: number, size: number, what: string): Uint8Array {
  if (offset + size > bytes.length) {
    throw new ObjectFormatError(`${what} (${size} bytes at ${offset}) lies outside the file of ${bytes.length} bytes`);
  }
  return bytes.subarray(offset, offset + size);
}

function bytesOf(view: DataView): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}

function safeNumber(value: bigint): number {
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw new ObjectFormatError(`ELF offset ${value} is not possible`);
  return Number(value);
}
