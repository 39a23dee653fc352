/**
 * One BPF map, by file descriptor. Keys and values are bytes as the generated codecs write them; many elements are one
 * flat array, key after key and value after value. For per-CPU maps a value is `valueBytes` long: the value of every
 * possible CPU, each padded to 8 bytes.
 */
import { closeSync } from 'node:fs';
import { constants } from 'node:os';
import { deleteBatch, updateBatch } from './bpf-map-batch.ts';
import { type MapInfo, mapInfo, MapMismatchError, shapeDifferences } from './bpf-map-info.ts';
import { MappedMemory, Protection } from './bpf-map-memory.ts';
import { type MapSnapshot, readSnapshot } from './bpf-map-snapshot.ts';
import { type MapShape, MapType, MapUpdate } from './bpf-map-spec.ts';
import { askLibbpf, callLibbpf } from './libbpf.ts';
import { possibleCpus } from './system.ts';

const { ENOENT } = constants.errno;
const PER_CPU: ReadonlySet<number> = new Set([MapType.PERCPU_HASH, MapType.PERCPU_ARRAY, MapType.LRU_PERCPU_HASH]);

export interface MapEntry {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

export class BpfMap implements Disposable {
  /** As named in the object, or where it is pinned; for messages. */
  readonly name: string;
  readonly type: number;
  readonly keySize: number;
  readonly valueSize: number;
  /** Bytes of one element's value as user space sees it. */
  readonly valueBytes: number;
  readonly maxEntries: number;
  readonly flags: number;
  readonly #release: (fd: number) => void;
  #fd: number;

  /** Takes over fd: `release` is called with it on close. @throws SysError when fd is not a map's. */
  constructor(fd: number, name: string, release: (fd: number) => void = closeSync) {
    const info = mapInfo(fd, `map ${name}`);
    this.name = name;
    this.type = info.type;
    this.keySize = info.keySize;
    this.valueSize = info.valueSize;
    this.valueBytes = PER_CPU.has(info.type) ? alignTo8(info.valueSize) * possibleCpus() : info.valueSize;
    this.maxEntries = info.maxEntries;
    this.flags = info.flags;
    this.#fd = fd;
    this.#release = release;
  }

  /**
   * @throws SysError (ENOENT) when nothing is pinned there.
   * @throws MapMismatchError when `expected` is given and the map has another shape.
   */
  static openPinned(path: string, expected?: MapShape): BpfMap {
    const fd = callLibbpf('bpf_obj_get', path, (lib) => lib.openPin(path));
    let map: BpfMap;
    try {
      map = new BpfMap(fd, path);
    } catch (error) {
      closeSync(fd);
      throw error;
    }
    const differences = expected === undefined ? [] : shapeDifferences(map, expected);
    if (differences.length === 0) return map;
    map.close();
    throw new MapMismatchError(path, differences);
  }

  /** -1 once closed. */
  get fd(): number {
    return this.#fd;
  }

  info(): MapInfo {
    return mapInfo(this.#fd, this.#object);
  }

  /** A copy of the value; undefined when the key is not there. */
  lookup(key: Uint8Array): Uint8Array | undefined {
    this.#check('key', key, this.keySize);
    const value = new Uint8Array(this.valueBytes);
    const code = askLibbpf('bpf_map_lookup_elem', this.#object, [ENOENT], (lib) => lib.lookup(this.#fd, key, value));
    return code === 0 ? value : undefined;
  }

  /** The value of every possible CPU, in order; undefined when the key is not there. */
  lookupPerCpu(key: Uint8Array): readonly Uint8Array[] | undefined {
    const value = this.lookup(key);
    return value === undefined ? undefined : this.splitPerCpu(value);
  }

  /** Cuts what lookup() or entries() gave for one element into the values of the CPUs. */
  splitPerCpu(value: Uint8Array): readonly Uint8Array[] {
    const step = alignTo8(this.valueSize);
    return Array.from({ length: this.valueBytes / step }, (_, cpu) =>
      value.subarray(cpu * step, cpu * step + this.valueSize),
    );
  }

  /** @throws SysError: E2BIG full, EEXIST or ENOENT as `mode` asks. */
  update(key: Uint8Array, value: Uint8Array, mode: MapUpdate = MapUpdate.ANY): void {
    this.#check('key', key, this.keySize);
    this.#check('value', value, this.valueBytes);
    callLibbpf('bpf_map_update_elem', this.#object, (lib) => lib.update(this.#fd, key, value, mode));
  }

  /** Whether it was there. */
  delete(key: Uint8Array): boolean {
    this.#check('key', key, this.keySize);
    return askLibbpf('bpf_map_delete_elem', this.#object, [ENOENT], (lib) => lib.remove(this.#fd, key)) === 0;
  }

  /** @throws BatchError naming the element that was refused; those before it are written. */
  updateBatch(keys: Uint8Array, values: Uint8Array): void {
    const count = this.#count(keys);
    this.#check('values', values, count * this.valueBytes);
    updateBatch(this, count, keys, values);
  }

  /**
   * Deletes those that are there; returns how many were.
   * @throws BatchError naming the element that was refused; those before it are gone.
   */
  deleteBatch(keys: Uint8Array): number {
    return deleteBatch(this, this.#count(keys), keys);
  }

  /** Every element, read now. What the programs change meanwhile may or may not be in it. */
  snapshot(): MapSnapshot {
    return readSnapshot(this);
  }

  /** The elements of one snapshot, one by one; changes made while iterating are not seen. */
  *entries(): Generator<MapEntry, void> {
    const { count, keys, values } = this.snapshot();
    for (let index = 0; index < count; index += 1) {
      yield {
        key: keys.subarray(index * this.keySize, (index + 1) * this.keySize),
        value: values.subarray(index * this.valueBytes, (index + 1) * this.valueBytes),
      };
    }
  }

  /**
   * The elements of an array with MMAPABLE as memory, each padded to 8 bytes: a store there is seen by the programs
   * at once. Use Atomics on aligned words where a program may read at the same time.
   */
  mmap(): MappedMemory {
    const length = alignTo8(this.valueSize) * this.maxEntries;
    return new MappedMemory(this.#fd, this.#object, { length, offset: 0, protection: Protection.READ_WRITE });
  }

  /** @throws SysError (EEXIST) when the path is taken. */
  pin(path: string): void {
    callLibbpf('bpf_obj_pin', path, (lib) => lib.pin(this.#fd, path));
  }

  /** Idempotent. Mappings made from it stay. */
  close(): void {
    if (this.#fd < 0) return;
    const fd = this.#fd;
    this.#fd = -1;
    this.#release(fd);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  get #object(): string {
    return `map ${this.name}`;
  }

  #count(keys: Uint8Array): number {
    if (keys.length % this.keySize !== 0) {
      throw new RangeError(`${this.#object}: ${keys.length} bytes are not whole keys of ${this.keySize} bytes`);
    }
    return keys.length / this.keySize;
  }

  /** The kernel reads and writes as many bytes as the map says, whatever the length of the array. */
  #check(what: string, bytes: Uint8Array, length: number): void {
    if (bytes.length !== length) {
      throw new RangeError(`${this.#object}: ${what} has ${bytes.length} bytes where ${length} belong`);
    }
  }
}

function alignTo8(bytes: number): number {
  return Math.ceil(bytes / 8) * 8;
}
