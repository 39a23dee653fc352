/** Reading a whole map: by batches, or key by key where the kernel has no batch for the type. */
import { constants } from 'node:os';
import { isSysError } from '../lib/errors.ts';
import { BATCH_ELEMENTS_MAX, ENOTSUPP } from './bpf-map-batch.ts';
import type { BpfMap } from './bpf-map.ts';
import { askLibbpf } from './libbpf.ts';

const { ENOENT, ENOSPC } = constants.errno;

/** Elements as one flat array each; the i-th key belongs to the i-th value. */
export interface MapSnapshot {
  readonly count: number;
  readonly keys: Uint8Array;
  readonly values: Uint8Array;
}

/** Elements may come and go while a map is read, but not as many as this: reading would then not end. */
const READ_FACTOR_MAX = 2;

/** The kernel's place in a hash is 4 bytes; in other types it is a key. */
const PLACE_BYTES_MIN = 4;

/** @param room elements asked of the kernel at a time; doubled whenever one bucket of a hash holds more. */
export function readSnapshot(map: BpfMap, room: number = Math.min(BATCH_ELEMENTS_MAX, map.maxEntries)): MapSnapshot {
  const elements = new Elements(map);
  try {
    readByBatches(map, elements, room);
  } catch (error) {
    if (!isSysError(error) || error.errno !== ENOTSUPP) throw error;
    readByKeys(map, elements);
  }
  return elements.finish();
}

function readByBatches(map: BpfMap, elements: Elements, startRoom: number): void {
  const places = [placeOf(map), placeOf(map)] as const;
  let from: Uint8Array | null = null;
  let to = places[0];
  // A bucket of a hash is never cut in two: one that does not fit asks for more room.
  let room = startRoom;
  for (;;) {
    const count = Uint32Array.of(room);
    const { keys, values } = elements.reserve(room);
    const code = askLibbpf('bpf_map_lookup_batch', `map ${map.name}`, [ENOENT, ENOSPC], (lib) =>
      lib.lookupBatch(map.fd, from, to, keys, values, count, null),
    );
    if (code === -ENOSPC) {
      room *= 2;
      continue;
    }
    elements.add(count[0] ?? 0);
    if (code === -ENOENT) return;
    from = to;
    to = to === places[0] ? places[1] : places[0];
  }
}

function placeOf(map: BpfMap): Uint8Array {
  return new Uint8Array(Math.max(PLACE_BYTES_MIN, map.keySize));
}

function readByKeys(map: BpfMap, elements: Elements): void {
  let previous: Uint8Array | null = null;
  for (;;) {
    const { keys, values } = elements.reserve(1);
    const key = keys.subarray(0, map.keySize);
    const code = askLibbpf('bpf_map_get_next_key', `map ${map.name}`, [ENOENT], (lib) =>
      lib.nextKey(map.fd, previous, key),
    );
    if (code !== 0) return;
    previous = key.slice();
    const value = map.lookup(key);
    if (value === undefined) continue;
    values.set(value);
    elements.add(1);
  }
}

/** Growing room for elements. */
class Elements {
  readonly #map: BpfMap;
  #keys = new Uint8Array(0);
  #values = new Uint8Array(0);
  #capacity = 0;
  #count = 0;

  constructor(map: BpfMap) {
    this.#map = map;
  }

  /** Memory for at least `room` further elements. @throws Error when the map would be read more than twice over. */
  reserve(room: number): { keys: Uint8Array; values: Uint8Array } {
    const needed = this.#count + room;
    if (needed > READ_FACTOR_MAX * this.#map.maxEntries + BATCH_ELEMENTS_MAX) {
      throw new Error(`map ${this.#map.name} changes faster than it can be read`);
    }
    if (needed > this.#capacity) {
      this.#capacity = Math.max(needed, this.#capacity * 2);
      this.#keys = grown(this.#keys, this.#capacity * this.#map.keySize);
      this.#values = grown(this.#values, this.#capacity * this.#map.valueBytes);
    }
    return {
      keys: this.#keys.subarray(this.#count * this.#map.keySize),
      values: this.#values.subarray(this.#count * this.#map.valueBytes),
    };
  }

  add(count: number): void {
    this.#count += count;
  }

  finish(): MapSnapshot {
    return {
      count: this.#count,
      keys: this.#keys.subarray(0, this.#count * this.#map.keySize),
      values: this.#values.subarray(0, this.#count * this.#map.valueBytes),
    };
  }
}

function grown(old: Uint8Array, bytes: number): Uint8Array<ArrayBuffer> {
  const larger = new Uint8Array(bytes);
  larger.set(old);
  return larger;
}
