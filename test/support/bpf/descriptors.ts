/** What this process holds of the kernel's BPF objects. */
import { readdirSync, readlinkSync } from 'node:fs';

/** Targets of the open descriptors that are BPF maps, programs, links or type information, sorted. */
export function bpfDescriptors(): readonly string[] {
  return readdirSync('/proc/self/fd')
    .map(targetOf)
    .filter((target) => /bpf|btf/.test(target))
    .sort();
}

/** The descriptor of readdir itself is closed by now. */
function targetOf(fd: string): string {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`);
  } catch {
    return '';
  }
}
