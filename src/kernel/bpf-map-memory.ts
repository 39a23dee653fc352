/** Pages of a map mapped into this process. */
import koffi from 'koffi';
import { libc, native } from './native.ts';

export const Protection = { READ: 1, READ_WRITE: 3 } as const;

const MAP_SHARED = 1;

const mmap = libc.func(
  'intptr_t mmap(intptr_t address, size_t length, int protection, int flags, int fd, int64_t offset)',
);
const munmap = libc.func('int munmap(intptr_t address, size_t length)');
const pageSize = libc.func('int getpagesize()');

export function pageBytes(): number {
  return Number(pageSize());
}

/** A mapping. After unmap() the buffer is detached: reading it gives nothing, it cannot touch foreign memory. */
export class MappedMemory implements Disposable {
  readonly buffer: ArrayBuffer;
  readonly #address: number;
  readonly #length: number;
  #mapped = true;

  /**
   * Maps `length` bytes of the map behind fd from `offset` (a multiple of the page size) on.
   * @throws SysError (EPERM) when the map was not created with MMAPABLE.
   */
  constructor(fd: number, object: string, options: { length: number; offset: number; protection: number }) {
    const { length, offset, protection } = options;
    this.#length = Math.ceil(length / pageBytes()) * pageBytes();
    this.#address = native('mmap', object, () => Number(mmap(0, this.#length, protection, MAP_SHARED, fd, offset)));
    this.buffer = koffi.view(BigInt(this.#address), length);
  }

  /** Idempotent. */
  unmap(): void {
    if (!this.#mapped) return;
    this.#mapped = false;
    this.buffer.transfer();
    munmap(this.#address, this.#length);
  }

  [Symbol.dispose](): void {
    this.unmap();
  }
}
