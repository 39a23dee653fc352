/**
 * A compiled object loaded into the kernel: its maps made or taken from their pins, its programs verified. All or
 * nothing: when loading fails, no file descriptor, map or new pin is left.
 */
import { readFileSync, unlinkSync } from 'node:fs';
import koffi from 'koffi';
import { ConfigError, isSysError } from '../lib/errors.ts';
import { readAbi } from './bpf-abi.ts';
import { BpfMap } from './bpf-map.ts';
import type { MapShape } from './bpf-map-spec.ts';
import { type ElfObject, readElf } from './elf.ts';
import { callLibbpf, callLibbpfHandle, type Handle, libbpf } from './libbpf.ts';

/** Holds nothing but type information: the programs never read it, so the kernel need not keep it. */
const ABI_SECTION = '.rodata.abi';

export interface MapOptions {
  /** Instead of what the object says. */
  readonly maxEntries?: number;
  /** The map pinned there is used if there is one; otherwise the new map is pinned there. */
  readonly pin?: string;
}

export interface ObjectOptions {
  /** The file, or its path. */
  readonly source: Uint8Array | string;
  /** Name for messages; the kernel shows its first characters in the names of its data maps. */
  readonly name: string;
  /** ABI_HASH of abi.gen.ts: an object with another ABI is refused. */
  readonly abiHash?: string;
  /** By map name. */
  readonly maps?: Readonly<Record<string, MapOptions>>;
  /** Initial values of integer constants (`const volatile` globals), by variable name. */
  readonly constants?: Readonly<Record<string, number | bigint>>;
}

/** What a definition says, by libbpf's name of the map; only used before the map exists. */
type Shapes = ReadonlyMap<string, MapShape>;

export class BpfObject implements Disposable {
  readonly name: string;
  readonly #handle: Handle;
  readonly #maps = new Map<string, BpfMap>();
  readonly #reused = new Set<string>();
  #isOpen = true;

  private constructor(name: string, handle: Handle) {
    this.name = name;
    this.#handle = handle;
  }

  /**
   * @throws ObjectFormatError for a file that is no such object, ConfigError for an object, map or constant other than
   * expected, MapMismatchError for a pinned map of another shape, SysError with the verifier's last words as the hint.
   */
  static load(options: ObjectOptions): BpfObject {
    const bytes = typeof options.source === 'string' ? readFileSync(options.source) : options.source;
    const elf = readElf(bytes);
    const abi = readAbi(bytes);
    if (options.abiHash !== undefined && abi.hash !== options.abiHash) {
      throw new ConfigError(
        `object ${options.name} was compiled from another bpf/abi.h (${abi.hash}, this program has ${options.abiHash}): ` +
          'install object and program of the same build',
      );
    }
    const shapes = new Map<string, MapShape>(abi.maps.map((map) => [map.name, map]));
    const handle = callLibbpfHandle('bpf_object__open_mem', options.name, (lib) =>
      lib.openMem(bytes, bytes.length, { sz: OPEN_OPTIONS_BYTES, object_name: options.name }),
    );
    const object = new BpfObject(options.name, handle);
    const pinned: string[] = [];
    try {
      object.#prepare(options, elf, shapes);
      callLibbpf('bpf_object__load', options.name, (lib) => lib.load(handle));
      object.#pinNew(options, pinned);
      return object;
    } catch (error) {
      for (const path of pinned) unlinkSync(path);
      object.close();
      throw error;
    }
  }

  /** The map; closed together with the object. @throws ConfigError when the object has no such map. */
  map(name: string): BpfMap {
    const known = this.#maps.get(name);
    if (known !== undefined) return known;
    const fd = callLibbpf('bpf_map__fd', `map ${name}`, (lib) => lib.mapFd(this.#findMap(name)));
    // libbpf owns the descriptor and closes it with the object.
    const map = new BpfMap(fd, name, () => undefined);
    this.#maps.set(name, map);
    return map;
  }

  /** Whether the map was taken from its pin, with all it holds. */
  isReused(name: string): boolean {
    return this.#reused.has(name);
  }

  /** File descriptor of a program; belongs to the object. @throws ConfigError when it has none of that name. */
  program(name: string): number {
    this.#requireOpen();
    const program = libbpf().findProgram(this.#handle, name);
    if (program === null) throw new ConfigError(`object ${this.name} has no program ${name}`);
    return callLibbpf('bpf_program__fd', `program ${name}`, (lib) => lib.programFd(program));
  }

  /** Idempotent. What is pinned or attached by a link lives on. */
  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    for (const map of this.#maps.values()) map.close();
    libbpf().close(this.#handle);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #prepare(options: ObjectOptions, elf: ElfObject, shapes: Shapes): void {
    for (const [name, map] of Object.entries(options.maps ?? {})) {
      const shape = shapes.get(name);
      if (shape === undefined) throw new ConfigError(`object ${this.name} has no map ${name}`);
      const maxEntries = map.maxEntries ?? shape.maxEntries;
      const handle = this.#findMap(name);
      callLibbpf('bpf_map__set_max_entries', `map ${name}`, (lib) => lib.setMaxEntries(handle, maxEntries));
      if (map.pin !== undefined) this.#reuse(name, handle, map.pin, { ...shape, maxEntries });
    }
    if (elf.sections.has(ABI_SECTION)) {
      const handle = this.#findMap(ABI_SECTION);
      callLibbpf('bpf_map__set_autocreate', `map ${ABI_SECTION}`, (lib) => lib.setAutocreate(handle, false));
    }
    for (const [name, value] of Object.entries(options.constants ?? {})) this.#setConstant(elf, name, value);
  }

  #reuse(name: string, handle: Handle, path: string, expected: MapShape): void {
    let map: BpfMap;
    try {
      map = BpfMap.openPinned(path, expected);
    } catch (error) {
      if (isSysError(error, 'ENOENT')) return;
      throw error;
    }
    try {
      callLibbpf('bpf_map__reuse_fd', `map ${name}`, (lib) => lib.reuseFd(handle, map.fd));
      this.#reused.add(name);
    } finally {
      map.close();
    }
  }

  #setConstant(elf: ElfObject, name: string, value: number | bigint): void {
    const symbol = elf.symbols.get(name);
    if (symbol === undefined || !symbol.section.startsWith('.rodata')) {
      throw new ConfigError(`object ${this.name} has no constant ${name}`);
    }
    const wide = BigInt(value);
    const isInteger = symbol.size <= 8;
    if (!isInteger || BigInt.asUintN(symbol.size * 8, wide) !== wide) {
      throw new ConfigError(`constant ${name} of object ${this.name} has ${symbol.size} bytes: ${value} does not fit`);
    }
    const size: [number | bigint | null] = [null];
    const section = this.#findMap(symbol.section);
    const memory = callLibbpfHandle('bpf_map__initial_value', `map ${symbol.section}`, (lib) =>
      lib.initialValue(section, size),
    );
    const buffer = koffi.view(memory, Number(size[0]));
    const bytes = new Uint8Array(buffer, symbol.offset, symbol.size);
    for (let index = 0; index < bytes.length; index += 1) bytes[index] = Number((wide >> BigInt(index * 8)) & 0xffn);
    // libbpf frees this memory with the object: nothing may read it later.
    buffer.transfer();
  }

  #pinNew(options: ObjectOptions, pinned: string[]): void {
    for (const [name, { pin }] of Object.entries(options.maps ?? {})) {
      if (pin === undefined || this.#reused.has(name)) continue;
      this.map(name).pin(pin);
      pinned.push(pin);
    }
  }

  #findMap(name: string): Handle {
    this.#requireOpen();
    const map = libbpf().findMap(this.#handle, name);
    if (map === null) throw new ConfigError(`object ${this.name} has no map ${name}`);
    return map;
  }

  #requireOpen(): void {
    if (!this.#isOpen) throw new Error(`object ${this.name} is closed`);
  }
}

/** sizeof(struct { size_t sz; const char *object_name; }), the part of bpf_object_open_opts that is used. */
const OPEN_OPTIONS_BYTES = 16;
