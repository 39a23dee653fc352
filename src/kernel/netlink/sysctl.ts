/** Network settings under /proc/sys; which namespace they belong to is that of the thread: use inside `withNetns`. */
import { readFileSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { isSysError, type SysError } from '../../lib/errors.ts';
import { passFaultPoint } from '../fault.ts';
import { sysError } from '../native.ts';

/** Containers see /proc/sys read-only; what they are given to write to is mounted elsewhere. */
let root = '/proc/sys';

/** For every namespace, from now on. @param path of the folder in which `net` is. */
export function useSysctlRoot(path: string): void {
  root = path;
}

/**
 * @param path with slashes (`net/ipv4/conf/eth0/rp_filter`): interface names may contain dots.
 * @throws SysError ENOENT when the kernel or the namespace has no such setting.
 */
export function readSysctl(path: string): string {
  passFaultPoint('read', path);
  try {
    return readFileSync(`${root}/${path}`, 'utf8').trim();
  } catch (error) {
    throw asSysError('read', path, error);
  }
}

/** Writes it when it has another value; returns whether it had. @throws SysError */
export function setSysctl(path: string, value: string): boolean {
  if (readSysctl(path) === value) return false;
  passFaultPoint('write', path);
  try {
    writeFileSync(`${root}/${path}`, value);
  } catch (error) {
    throw asSysError('write', path, error);
  }
  return true;
}

/** The same for a setting that may not exist, as those of IPv6 where it is not compiled in: then nothing is changed. */
export function setSysctlIfPresent(path: string, value: string): boolean {
  try {
    return setSysctl(path, value);
  } catch (error) {
    if (isSysError(error, 'ENOENT')) return false;
    throw error;
  }
}

function asSysError(call: string, path: string, error: unknown): SysError {
  const errno = error instanceof Error && 'errno' in error ? Math.abs(Number(error.errno)) : constants.errno.EIO;
  const hint =
    errno === constants.errno.EROFS
      ? `${root} is read-only here: mount a writable one elsewhere and name it (procSys)`
      : '';
  return sysError(call, `${root}/${path}`, errno, hint);
}
