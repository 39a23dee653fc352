/** What the kernel says of a map it holds, and whether that is the map a program was written for. */
import { MapFlag, type MapShape, MapType } from './bpf-map-spec.ts';
import { callLibbpf } from './libbpf.ts';
import { possibleCpus } from './system.ts';

export interface MapInfo extends MapShape {
  /** As the kernel keeps it: at most 15 characters. */
  readonly name: string;
  /** Unique in the kernel while the map lives. */
  readonly id: number;
  /** Of the type information it was made with, and of its types; 0: none. */
  readonly btfId: number;
  readonly btfKeyType: number;
  readonly btfValueType: number;
}

/** The first members of struct bpf_map_info; the kernel fills as much as it is given. */
const MAP_INFO_BYTES = 80;
const NAME_OFFSET = 24;
const NAME_BYTES = 16;

/** @throws SysError (EBADF) when fd is not a map's. */
export function mapInfo(fd: number, object: string): MapInfo {
  const bytes = new Uint8Array(MAP_INFO_BYTES);
  callLibbpf('bpf_obj_get_info_by_fd', object, (lib) => lib.info(fd, bytes, new Uint32Array([MAP_INFO_BYTES])));
  const view = new DataView(bytes.buffer);
  const name = bytes.subarray(NAME_OFFSET, NAME_OFFSET + NAME_BYTES);
  const end = name.indexOf(0);
  return {
    type: view.getUint32(0, true),
    id: view.getUint32(4, true),
    keySize: view.getUint32(8, true),
    valueSize: view.getUint32(12, true),
    maxEntries: view.getUint32(16, true),
    flags: view.getUint32(20, true),
    name: new TextDecoder().decode(end < 0 ? name : name.subarray(0, end)),
    btfId: view.getUint32(64, true),
    btfKeyType: view.getUint32(68, true),
    btfValueType: view.getUint32(72, true),
  };
}

/** A pinned map is not the one that the program was written for; it was not touched. */
export class MapMismatchError extends Error {
  override readonly name = 'MapMismatchError';
  readonly path: string;

  constructor(path: string, differences: readonly string[]) {
    super(`the map pinned at ${path} has another shape: ${differences.join(', ')}; it is left as it is`);
    this.path = path;
  }
}

/** Every difference between the two, as `valueSize 16 (expected 64)`; empty when there is none. */
export function shapeDifferences(actual: MapShape, expected: MapShape): readonly string[] {
  const wanted = { ...expected, maxEntries: roundedEntries(expected) };
  const fields = ['type', 'keySize', 'valueSize', 'maxEntries', 'flags'] as const;
  return fields
    .filter((field) => actual[field] !== wanted[field])
    .map((field) => `${field} ${actual[field]} (expected ${wanted[field]})`);
}

/** The kernel gives an LRU map with one list a CPU the same number of elements on each. */
function roundedEntries(shape: MapShape): number {
  const isLru = shape.type === MapType.LRU_HASH || shape.type === MapType.LRU_PERCPU_HASH;
  const isPerCpuList = isLru && (shape.flags & MapFlag.NO_COMMON_LRU) !== 0;
  if (!isPerCpuList) return shape.maxEntries;
  const cpus = possibleCpus();
  return Math.ceil(shape.maxEntries / cpus) * cpus;
}
