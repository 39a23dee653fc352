/**
 * Runs the packet programs on other kernels than this machine's:
 *
 *     node test/kernels/run.ts [--record] [META-PACKAGE...]
 *
 * For each of Debian's kernel packages: unpack it, make a first file system with node, the compiled object and the test files
 * of guest/test-files.ts, boot it under emulation, and print one line. Exit status 1 when a test failed, a guest did not come
 * to its end, a program has become harder for the verifier than bpf/complexity.json says (--record writes it anew), or a
 * kernel cannot be had. Logs stay in dist/kernels/.
 */
import { execFileSync } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { errorMessage } from '../../src/lib/errors.ts';
import { complexityProblems, readRecord, recordComplexity } from '../../tools/complexity.ts';
import { boot, type GuestOutcome, GUEST_SECONDS_MAX } from './boot.ts';
import { type ArchiveEntry, cpioParts } from './cpio.ts';
import { guestFiles } from './guest-files.ts';
import type { StartReport, TestReport } from './guest/report.ts';
import { TEST_FILES } from './guest/test-files.ts';
import { type UnpackedKernel, unpackKernel } from './kernel-package.ts';
import { modulesInOrder } from './modules.ts';

const META_PACKAGES = ['linux-image-amd64', 'linux-image-6.12-amd64'];
/**
 * What Debian builds as modules and the tests need; those that these depend on are added. The bridge is there for the tests
 * of netlink alone.
 */
const MODULES = ['veth', 'bridge', 'sch_ingress', 'cls_bpf'];
const PACKAGES: Readonly<Record<string, string>> = {
  'qemu-system-x86': '/usr/bin/qemu-system-x86_64',
  'xz-utils': '/usr/bin/xz',
};
const FOLDER = join(import.meta.dirname, '../../dist/kernels');

function installPackages(): void {
  const missing = Object.keys(PACKAGES).filter((name) => !existsSync(PACKAGES[name]!));
  if (missing.length === 0) return;
  console.log(`installing Debian packages: ${missing.join(' ')}`);
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  for (const command of [['update'], ['install', '-y', '--no-install-recommends', ...missing]]) {
    execFileSync('apt-get', ['-qq', ...command], { env, stdio: ['ignore', 'ignore', 'inherit'] });
  }
}

function compileInit(): Uint8Array {
  const source = join(import.meta.dirname, 'guest/init.c');
  const output = join(FOLDER, 'init');
  execFileSync('cc', ['-std=gnu11', '-O2', '-Wall', '-Wextra', '-Werror', '-static', '-o', output, source]);
  return readFileSync(output);
}

function writeInitramfs(path: string, files: readonly ArchiveEntry[], kernel: UnpackedKernel): string[] {
  const modules = modulesInOrder(kernel.modules, MODULES);
  const paths = modules.map(({ name }) => `modules/${name}.ko`);
  const order = Buffer.from(paths.map((module) => `/${module}\n`).join(''));
  const entries: ArchiveEntry[] = [
    ...files,
    { path: 'modules/order', content: order },
    ...modules.map(({ content }, index) => ({ path: paths[index]!, content })),
  ];
  const fd = openSync(path, 'w');
  try {
    for (const part of cpioParts(entries)) if (part.length > 0) writeSync(fd, part);
  } finally {
    closeSync(fd);
  }
  return modules.map(({ name }) => name);
}

/** Prints the kernel's line and what went wrong. Whether everything passed. */
function tell(kernel: UnpackedKernel, modules: readonly string[], outcome: GuestOutcome): boolean {
  const start = outcome.reports.find((report): report is StartReport => report.kind === 'start');
  const tests = outcome.reports.filter((report): report is TestReport => report.kind === 'test');
  const failed = tests.filter(({ error }) => error !== undefined);
  const problems = [
    ...failed.map(({ file, path, error }) => `${file}: ${path.join(' > ')}: ${error}`),
    ...(start === undefined ? [] : complexityProblems(readRecord(), start.kernel, start.complexity)),
  ];
  if (outcome.status === undefined) problems.push(`the guest did not come to its end within ${GUEST_SECONDS_MAX} s`);
  else if (outcome.status !== (failed.length > 0 ? 1 : 0)) problems.push(`the guest ended with ${outcome.status}`);
  if (tests.length === 0) problems.push('no test was run');
  const complexity = Object.entries(start?.complexity ?? {}).map(([program, count]) => `${program} ${count}`);
  const parts = [
    `${problems.length === 0 ? 'ok  ' : 'FAIL'} Linux ${start?.kernel ?? kernel.release} (${kernel.source})`,
    `modules ${modules.join(' ') || 'none'}`,
    `verified ${complexity.join(', ') || 'nothing'}`,
    `attached by ${start?.attach ?? '?'}`,
    `${tests.length - failed.length} of ${tests.length} tests passed`,
    `${Math.round(outcome.seconds)} s`,
  ];
  console.log(parts.join('; '));
  for (const problem of problems) console.log(`     ${problem}`);
  if (problems.length > 0) console.log(`     console: dist/kernels/${kernel.release}.log`);
  return problems.length === 0;
}

async function runOn(metaPackage: string, files: readonly ArchiveEntry[], isRecording: boolean): Promise<boolean> {
  const kernel = unpackKernel(metaPackage, FOLDER);
  const path = (suffix: string): string => join(FOLDER, `${kernel.release}.${suffix}`);
  const modules = writeInitramfs(path('cpio'), files, kernel);
  const machine = { image: kernel.image, initramfs: path('cpio'), consoleLog: path('log'), reportLog: path('report') };
  const outcome = await boot(machine);
  rmSync(machine.initramfs);
  const [start] = outcome.reports;
  if (isRecording && start?.kind === 'start') recordComplexity(start.kernel, start.complexity);
  return tell(kernel, modules, outcome);
}

async function main(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...args],
    options: { record: { type: 'boolean', default: false } },
    allowPositionals: true,
  });
  const metaPackages = positionals.length > 0 ? positionals : META_PACKAGES;
  if (process.arch !== 'x64')
    throw new Error(`the guests are x86-64 machines; node for ${process.arch} does not run in them`);
  mkdirSync(FOLDER, { recursive: true });
  installPackages();
  const files = guestFiles(compileInit(), TEST_FILES);
  let isGood = true;
  for (const metaPackage of metaPackages) isGood = (await runOn(metaPackage, files, values.record)) && isGood;
  return isGood ? 0 : 1;
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  console.error(`kernels: ${errorMessage(error)}`);
  process.exitCode = 1;
}
