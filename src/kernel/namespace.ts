/**
 * Network namespaces. A thread is in one namespace and libuv's threads inherit the main thread's, so another one is
 * entered only for one synchronous stretch on the main thread: `withNetns`. A process that can't get back would do
 * everything after in the wrong namespace; it ends instead.
 */
import { closeSync, fstatSync, openSync, writeSync } from 'node:fs';
import { constants } from 'node:os';
import { isMainThread } from 'node:worker_threads';
import { ConfigError, errorMessage, isSysError } from '../lib/errors.ts';
import { libc, native, sysError } from './native.ts';

const CLONE_NEWNET = 0x40000000;
const NS_GET_NSTYPE = 0xb703;
const OWN_NETNS_PATH = '/proc/thread-self/ns/net';

const setns = libc.func('int setns(int fd, int nstype)');
const ioctl = libc.func('int ioctl(int fd, unsigned long request, long argument)');

/** Two descriptors are of one namespace exactly when these are equal. */
export interface NetnsIdentity {
  readonly device: bigint;
  readonly inode: bigint;
}

let ownFd: number | undefined;
let inside = false;

/** The namespace that this process was in when it first asked; kept open, never close it. */
export function ownNetns(): number {
  ownFd ??= openPath(OWN_NETNS_PATH);
  return ownFd;
}

/**
 * Opens a namespace by path (`/run/netns/x`, `/proc/PID/ns/net`, `/proc/PID/fd/N`). The caller closes the descriptor.
 * @throws SysError when the path can't be opened, ConfigError when it is something else than a network namespace.
 */
export function openNetns(path: string): number {
  const fd = openPath(path);
  try {
    checkNetns(fd, path);
  } catch (error) {
    closeSync(fd);
    throw error;
  }
  return fd;
}

/** @throws ConfigError when the descriptor is of something else than a network namespace. `object` names it there. */
export function checkNetns(fd: number, object: string): void {
  let type: number;
  try {
    type = native('ioctl NS_GET_NSTYPE', object, () => ioctl(fd, NS_GET_NSTYPE, 0) as number);
  } catch (error) {
    if (!isSysError(error, 'ENOTTY')) throw error;
    throw new ConfigError(`${object} is not a network namespace: the file behind it is no namespace (unmounted?)`, {
      cause: error,
    });
  }
  if (type !== CLONE_NEWNET) {
    throw new ConfigError(`${object} is not a network namespace: it is one of type 0x${type.toString(16)}`);
  }
}

export function netnsIdentity(fd: number): NetnsIdentity {
  const { dev, ino } = fstatSync(fd, { bigint: true });
  return { device: dev, inode: ino };
}

export function isSameNetns(a: number, b: number): boolean {
  const one = netnsIdentity(a);
  const other = netnsIdentity(b);
  return one.device === other.device && one.inode === other.inode;
}

/** Whether it is the namespace of this process (CNI-14). */
export function isOwnNetns(fd: number): boolean {
  return isSameNetns(fd, ownNetns());
}

/**
 * Runs `fn` in the namespace and comes back. `fn` must finish in this call: what it would do after an `await` would
 * happen outside. Sockets made inside stay in that namespace and can be used from anywhere.
 * @throws SysError when the namespace can't be entered, TypeError when `fn` returns a promise, what `fn` throws.
 */
export function withNetns<T>(fd: number, fn: () => T): T {
  if (!isMainThread) throw new Error('withNetns runs on the main thread only');
  if (inside) throw new Error('withNetns does not nest: the way back leads to the own namespace');
  const back = ownNetns();
  native('setns', `network namespace (fd ${fd})`, () => setns(fd, CLONE_NEWNET) as number);
  inside = true;
  let result: T;
  try {
    result = fn();
  } finally {
    comeBack(back);
  }
  if (isThenable(result)) throw new TypeError('withNetns: the function returned a promise; it must be synchronous');
  return result;
}

function comeBack(fd: number): void {
  try {
    native('setns', 'own network namespace', () => setns(fd, CLONE_NEWNET) as number);
    inside = false;
  } catch (error) {
    writeSync(2, `fatal: no way back to the own network namespace: ${errorMessage(error)}\n`);
    process.abort();
  }
}

function isThenable(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function';
}

function openPath(path: string): number {
  try {
    return openSync(path, 'r');
  } catch (error) {
    const errno = error instanceof Error && 'errno' in error ? Math.abs(Number(error.errno)) : constants.errno.EIO;
    throw sysError('open', path, errno);
  }
}
