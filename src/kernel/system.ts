/** Small system services that node has no API for: locks, peer credentials, identity of files, grace periods, clocks. */
import { closeSync, fstatSync, ftruncateSync, openSync, readFileSync, statSync, writeSync } from 'node:fs';
import { constants } from 'node:os';
import { isSysError } from '../lib/errors.ts';
import { passFaultPoint } from './fault.ts';
import { callLibbpf } from './libbpf.ts';
import { libc, native } from './native.ts';
import { systemCallNumbers } from './system-call.ts';

const LOCK_EXCLUSIVE = 2;
const LOCK_NON_BLOCKING = 4;
const SOL_SOCKET = 1;
const SO_PEERCRED = 17;
const MEMBARRIER_CMD_GLOBAL = 1;

const flock = libc.func('int flock(int fd, int operation)');
const getsockopt = libc.func('int getsockopt(int fd, int level, int name, void *value, void *length)');
const syscall = libc.func('long syscall(long number, long command, long flags, long cpu)');

/** Held until close() or the end of the process, however it ends. */
export interface FileLock extends Disposable {
  readonly path: string;
  close(): void;
}

/**
 * Takes the lock of a file at once or not at all; the file is made if need be and holds the process id of the holder.
 * @throws Error naming the file and its holder when another process has it.
 */
export function lockFile(path: string): FileLock {
  const fd = openSync(path, 'a+', 0o600);
  try {
    native('flock', path, () => Number(flock(fd, LOCK_EXCLUSIVE | LOCK_NON_BLOCKING)));
    ftruncateSync(fd, 0);
    writeSync(fd, `${process.pid}\n`);
  } catch (error) {
    closeSync(fd);
    if (!isSysError(error) || error.errno !== constants.errno.EAGAIN) throw error;
    const holder = readFileSync(path, 'utf8').trim();
    throw new Error(`${path} is locked by process ${holder || 'unknown'}: end it first`, { cause: error });
  }
  let isHeld = true;
  const close = (): void => {
    if (!isHeld) return;
    isHeld = false;
    closeSync(fd);
  };
  return { path, close, [Symbol.dispose]: close };
}

export interface PeerCredentials {
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
}

/** Who connected to a unix socket, as of the moment of connect(2). @throws SysError (ENOTSOCK) when fd is no socket. */
export function peerCredentials(fd: number): PeerCredentials {
  const value = new Uint32Array(3);
  const length = Uint32Array.of(value.byteLength);
  native('getsockopt(SO_PEERCRED)', `fd ${fd}`, () => Number(getsockopt(fd, SOL_SOCKET, SO_PEERCRED, value, length)));
  return { pid: value[0] ?? 0, uid: value[1] ?? 0, gid: value[2] ?? 0 };
}

/** Two names or descriptors with equal ids are one file. */
export interface FileId {
  readonly device: bigint;
  readonly inode: bigint;
}

/** Of an open descriptor, or of a path (links are followed). */
export function fstatId(target: number | string): FileId {
  const { dev, ino } =
    typeof target === 'number' ? fstatSync(target, { bigint: true }) : statSync(target, { bigint: true });
  return { device: dev, inode: ino };
}

/**
 * Resolves after every BPF program that ran when it was called has ended (the kernel waits for an RCU grace period;
 * typically 8-25 ms). Does not hold up the event loop. With a single CPU the kernel returns at once, which is
 * as good: a program of the packet path is not interrupted by a process there.
 * @throws SysError (EINVAL) on kernels booted with nohz_full, which refuse the command.
 */
export async function membarrierGlobal(): Promise<void> {
  const number = systemCallNumbers().membarrier;
  passFaultPoint('membarrier', 'every CPU');
  const result = await new Promise<number>((resolve, reject) => {
    syscall.async(number, MEMBARRIER_CMD_GLOBAL, 0, 0, (error: Error | null, value: number | bigint) => {
      if (error === null) resolve(Number(value));
      else reject(error);
    });
  });
  if (result === 0) return;
  // errno belongs to the thread that made the call: ask once more on this one for the reason.
  native('membarrier', 'every CPU', () => Number(syscall(number, MEMBARRIER_CMD_GLOBAL, 0, 0)));
}

/** CLOCK_MONOTONIC, the clock of bpf_ktime_get_ns(). */
export function monotonicNs(): bigint {
  return process.hrtime.bigint();
}

/** Values that one element of a per-CPU map has. */
export function possibleCpus(): number {
  return callLibbpf('libbpf_num_possible_cpus', '/sys/devices/system/cpu/possible', (lib) => lib.possibleCpus());
}
