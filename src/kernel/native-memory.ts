import { libc } from './native.ts';

const mallocTrim = libc.func('int malloc_trim(size_t pad)');

/**
 * Returns to the system what native code has freed: the C library keeps it, in pieces between what is in use, and beside
 * it takes more. Takes up to a tenth of a second; other threads that allocate wait meanwhile.
 */
export function trimNativeMemory(): void {
  mallocTrim(0);
}
