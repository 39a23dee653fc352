/** Numbers of the kernel's uapi/linux/bpf.h that Sluice uses, and what is known of a map before it exists. */

/** enum bpf_map_type. */
export const MapType = {
  HASH: 1,
  ARRAY: 2,
  PERCPU_HASH: 5,
  PERCPU_ARRAY: 6,
  LRU_HASH: 9,
  LRU_PERCPU_HASH: 10,
  LPM_TRIE: 11,
  RINGBUF: 27,
} as const;

/** Flags of a map, as bits. */
export const MapFlag = {
  NO_PREALLOC: 1,
  NO_COMMON_LRU: 2,
  MMAPABLE: 1024,
} as const;

/** What an update asks of the element. */
export const MapUpdate = {
  ANY: 0,
  /** Refused with EEXIST when the element is there. */
  NEW: 1,
  /** Refused with ENOENT when it is not. */
  EXISTING: 2,
} as const;

export type MapUpdate = (typeof MapUpdate)[keyof typeof MapUpdate];

/** What the kernel compares a map by. */
export interface MapShape {
  /** MapType. */
  readonly type: number;
  /** Bytes; 0 for a ring buffer. */
  readonly keySize: number;
  /** Bytes, of one CPU for per-CPU maps; 0 for a ring buffer. */
  readonly valueSize: number;
  /** Bytes for a ring buffer. */
  readonly maxEntries: number;
  /** MapFlag bits. */
  readonly flags: number;
}

/** A map as the object defines it. */
export interface MapSpec extends MapShape {
  readonly name: string;
  /** Name of the C type; undefined for a ring buffer. */
  readonly key: string | undefined;
  readonly value: string | undefined;
  /** 8 hex digits over type, flags and the layout of key and value: part of the name of the map's pin. */
  readonly layoutHash: string;
}
