/**
 * The C library through koffi, and the one way to call it: `native()` passes a fault point, and turns a failure into a
 * `SysError` that names call, errno and object. Pointers and koffi types do not leave src/kernel.
 */
import { constants } from 'node:os';
import koffi, { type LibraryHandle } from 'koffi';
import { SysError } from '../lib/errors.ts';
import { passFaultPoint } from './fault.ts';

/** EAGAIN, not its other name EWOULDBLOCK: of names with one number the first counts. */
const NAMES = new Map(
  Object.entries(constants.errno)
    .toReversed()
    .map(([name, number]) => [number, name]),
);

export function errnoName(errno: number): string {
  return NAMES.get(errno) ?? `E${errno}`;
}

export function sysError(call: string, object: string, errno: number, hint = ''): SysError {
  return new SysError({ call, errno, code: errnoName(errno), object, hint });
}

export const libc: LibraryHandle = koffi.load('libc.so.6');

/**
 * Runs one native call that reports failure as -1 and errno. Returns its result when it is not negative.
 * @throws SysError otherwise.
 */
export function native(call: string, object: string, run: () => number | bigint): number {
  passFaultPoint(call, object);
  const result = Number(run());
  if (result < 0) throw sysError(call, object, koffi.errno());
  return result;
}

/** The same for calls that return -errno (libbpf). */
export function nativeNegative(call: string, object: string, run: () => number | bigint, hint?: () => string): number {
  passFaultPoint(call, object);
  const result = Number(run());
  if (result < 0) throw sysError(call, object, -result, hint?.());
  return result;
}
