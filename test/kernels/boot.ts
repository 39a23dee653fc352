/** Boots a kernel with a first file system in an emulated machine without network or disk, and waits for its end. */
import { spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { END, type Report } from './guest/report.ts';

export interface Machine {
  readonly image: string;
  readonly initramfs: string;
  /** Where the console's output goes. */
  readonly consoleLog: string;
  /** Where the guest's report goes. */
  readonly reportLog: string;
}

export interface GuestOutcome {
  readonly reports: readonly Report[];
  /** Of the tests; undefined: the guest did not come to its end. */
  readonly status: number | undefined;
  readonly seconds: number;
}

const MEMORY_MIB = 1536;
const PROCESSORS = 2;
/** A guest on two idle processors needs a quarter of it; they are seldom idle. */
export const GUEST_SECONDS_MAX = 480;
/** quiet: the console is slow. A panic ends the machine at once instead of hanging. */
const KERNEL_ARGUMENTS = 'console=ttyS0 quiet panic=-1 mitigations=off';

export async function boot(machine: Machine): Promise<GuestOutcome> {
  writeFileSync(machine.reportLog, '');
  const started = performance.now();
  // The machine does not outlive this process, however it ends.
  const command = ['--pdeathsig', 'KILL', 'qemu-system-x86_64', ...argumentsFor(machine)];
  const qemu = spawn('setpriv', command, { stdio: ['ignore', 'ignore', 'pipe'] });
  let complaint = '';
  qemu.stderr.on('data', (data: Buffer) => (complaint += data.toString()));
  const timer = new AbortController();
  const ended = new Promise<number | null>((resolve, reject) => qemu.once('exit', resolve).once('error', reject));
  const late = delay(GUEST_SECONDS_MAX * 1000, 'late' as const, { signal: timer.signal }).catch(() => 'late' as const);
  const first = await Promise.race([ended, late]);
  timer.abort();
  if (first === 'late') {
    qemu.kill('SIGKILL');
    await ended;
  } else if (first !== 0) {
    throw new Error(`qemu-system-x86_64 ended with ${first}: ${complaint.trim()}`);
  }
  return { ...readReport(machine.reportLog), seconds: (performance.now() - started) / 1000 };
}

/** One option a line; no option has a space in it but the last, which is the guest's command line. */
function argumentsFor({ image, initramfs, consoleLog, reportLog }: Machine): string[] {
  const options = `
    -machine q35,accel=tcg -cpu max
    -smp ${PROCESSORS} -m ${MEMORY_MIB}
    -nodefaults -no-user-config -display none -no-reboot
    -serial file:${consoleLog} -serial file:${reportLog}
    -kernel ${image} -initrd ${initramfs}`;
  return [...options.trim().split(/\s+/), '-append', KERNEL_ARGUMENTS];
}

function readReport(file: string): Omit<GuestOutcome, 'seconds'> {
  const text = readFileSync(file, 'utf8').replaceAll('\r', '');
  const end = END.exec(text);
  const lines = text.split('\n').filter((line) => line.startsWith('{') && line.endsWith('}'));
  return {
    reports: lines.map((line) => JSON.parse(line) as Report),
    status: end === null ? undefined : Number(end[1]),
  };
}
