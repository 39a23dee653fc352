/** system calls that neither glibc nor Debian 12's libbpf wraps, through syscall(2). */
import { passFaultPoint } from './fault.ts';
import { libc, native } from './native.ts';

interface Numbers {
  readonly bpf: number;
  readonly membarrier: number;
}

/** By process.arch. */
const NUMBERS: Readonly<Record<string, Numbers>> = {
  x64: { bpf: 321, membarrier: 324 },
  arm64: { bpf: 280, membarrier: 283 },
};

/** Numbers of this machine. @throws Error on an architecture that Sluice does not run on. */
export function systemCallNumbers(): Numbers {
  const numbers = NUMBERS[process.arch];
  if (numbers === undefined) throw new Error(`Sluice runs on x64 and arm64, not on ${process.arch}`);
  return numbers;
}

/** Commands of bpf(2) that are called without libbpf. */
export const BpfCommand = { LINK_CREATE: 28, LINK_UPDATE: 29, LINK_DETACH: 34 } as const;

const syscall = libc.func('long syscall(long number, int command, void *attributes, uint32_t size)');

/**
 * bpf(2). attributes: union bpf_attr, as far as the command uses it.
 * @throws SysError naming the command and object.
 */
export function bpf(command: keyof typeof BpfCommand, object: string, attributes: Uint8Array): number {
  return native(`bpf(BPF_${command})`, object, () =>
    Number(syscall(systemCallNumbers().bpf, BpfCommand[command], attributes, attributes.length)),
  );
}

/**
 * The same on a thread of the pool, for what makes the kernel wait; undefined when it failed: errno belongs to that
 * thread, so ask on this one for the reason. The pool's threads are in the network namespace of the process.
 */
export function bpfAside(
  command: keyof typeof BpfCommand,
  object: string,
  attributes: Uint8Array,
): Promise<number | undefined> {
  passFaultPoint(`bpf(BPF_${command})`, object);
  return new Promise((resolve, reject) => {
    // The closure keeps the attributes from being collected while the other thread reads them.
    const done = (failure: Error | null, result: number | bigint): void => {
      if (failure !== null) reject(failure);
      else resolve(result < 0 ? undefined : Number(result));
    };
    syscall.async(systemCallNumbers().bpf, BpfCommand[command], attributes, attributes.length, done);
  });
}
