/** What figures were measured on, so that they can be held against others. */
import { readFileSync } from 'node:fs';
import { cpus, loadavg, release, totalmem } from 'node:os';

export interface Machine {
  readonly cpu: string;
  readonly cpus: number;
  readonly memoryGiB: number;
  readonly kernel: string;
  readonly node: string;
  readonly date: string;
  /** Runnable processes, mean of the last minute, at the start of the run: what else the machine was doing. */
  readonly load: number;
  readonly virtual: boolean;
}

export function describeMachine(): Machine {
  const [first] = cpus();
  return {
    cpu: first?.model.trim() ?? 'unknown',
    cpus: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    node: process.version,
    date: new Date().toISOString().slice(0, 16),
    load: loadavg()[0] ?? 0,
    virtual: /^flags\s*:.*\bhypervisor\b/m.test(readFileSync('/proc/cpuinfo', 'utf8')),
  };
}

export function formatMachine(machine: Machine): string {
  const { cpu, cpus: count, memoryGiB, kernel, node, date, load, virtual } = machine;
  const kind = virtual ? 'virtual machine' : 'machine';
  return `${cpu}, ${count} CPUs, ${memoryGiB} GiB (${kind}), Linux ${kernel}, Node ${node}, ${date} UTC, load ${load.toFixed(2)} at the start`;
}
