/** Writing and deleting many elements with few system calls; one by one where the kernel has no batch for the type. */
import { constants } from 'node:os';
import { isSysError, SysError } from '../lib/errors.ts';
import type { BpfMap } from './bpf-map.ts';
import { askLibbpf, callLibbpf } from './libbpf.ts';

const { ENOENT } = constants.errno;

/** The kernel's errno for an operation that a map type lacks; not in userspace's errno.h. */
export const ENOTSUPP = 524;

/** Elements of one system call: at 0.4 us an element it holds up the event loop for a few ms. */
export const BATCH_ELEMENTS_MAX = 8192;

/** An element of a batch was refused. Those before it were done. */
export class BatchError extends SysError {
  /** Position in the keys that were passed. */
  readonly index: number;

  constructor(cause: SysError, map: string, index: number) {
    const { call, errno, code, hint } = cause;
    super({ call, errno, code, object: `map ${map}, element ${index} of the batch`, hint });
    this.index = index;
  }
}

/** @throws BatchError */
export function updateBatch(map: BpfMap, count: number, keys: Uint8Array, values: Uint8Array): void {
  const { keySize, valueBytes } = map;
  for (let done = 0; done < count;) {
    const wanted = Math.min(BATCH_ELEMENTS_MAX, count - done);
    const processed = Uint32Array.of(wanted);
    try {
      callLibbpf('bpf_map_update_batch', `map ${map.name}`, (lib) =>
        lib.updateBatch(map.fd, keys.subarray(done * keySize), values.subarray(done * valueBytes), processed, null),
      );
    } catch (error) {
      if (!isSysError(error)) throw error;
      if (error.errno !== ENOTSUPP) throw new BatchError(error, map.name, done + doneBefore(processed, wanted));
      updateOneByOne(map, done, done + wanted, keys, values);
    }
    done += wanted;
  }
}

/** Returns how many were there. @throws BatchError */
export function deleteBatch(map: BpfMap, count: number, keys: Uint8Array): number {
  let deleted = 0;
  for (let done = 0; done < count;) {
    const wanted = Math.min(BATCH_ELEMENTS_MAX, count - done);
    const processed = Uint32Array.of(wanted);
    try {
      const code = askLibbpf('bpf_map_delete_batch', `map ${map.name}`, [ENOENT], (lib) =>
        lib.removeBatch(map.fd, keys.subarray(done * map.keySize), processed, null),
      );
      const gone = code === 0 ? wanted : doneBefore(processed, wanted);
      deleted += gone;
      // The kernel stops at a key that is not there: go on behind it.
      done += code === 0 ? wanted : gone + 1;
    } catch (error) {
      if (!isSysError(error)) throw error;
      if (error.errno !== ENOTSUPP) throw new BatchError(error, map.name, done + doneBefore(processed, wanted));
      deleted += deleteOneByOne(map, done, done + wanted, keys);
      done += wanted;
    }
  }
  return deleted;
}

/** How many elements the kernel did before it stopped; a count left as it was means it did not begin. */
function doneBefore(processed: Uint32Array, wanted: number): number {
  const count = processed[0] ?? 0;
  return count < wanted ? count : 0;
}

function updateOneByOne(map: BpfMap, from: number, to: number, keys: Uint8Array, values: Uint8Array): void {
  for (let index = from; index < to; index += 1) {
    const value = values.subarray(index * map.valueBytes, (index + 1) * map.valueBytes);
    nameElement(map, index, () => {
      map.update(keys.subarray(index * map.keySize, (index + 1) * map.keySize), value);
    });
  }
}

function deleteOneByOne(map: BpfMap, from: number, to: number, keys: Uint8Array): number {
  let deleted = 0;
  for (let index = from; index < to; index += 1) {
    nameElement(map, index, () => {
      if (map.delete(keys.subarray(index * map.keySize, (index + 1) * map.keySize))) deleted += 1;
    });
  }
  return deleted;
}

function nameElement(map: BpfMap, index: number, run: () => void): void {
  try {
    run();
  } catch (error) {
    throw isSysError(error) ? new BatchError(error, map.name, index) : error;
  }
}
