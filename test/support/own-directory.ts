/** Directories of a test process, by name, so that those of processes that were killed go with the next one. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const OWNED = /^sluice-[a-z]+-p([0-9]+)-/;
const cleaned = new Set<string>();

/** A new directory `name-p<pid>-...`; whoever asks for it removes it. @param name like `sluice-test`. */
export function makeOwnDirectory(name: string, parent: string = tmpdir()): string {
  if (!cleaned.has(parent)) removeAbandoned(parent);
  cleaned.add(parent);
  return mkdtempSync(join(parent, `${name}-p${process.pid}-`));
}

/** A BPF file system that is left mounted keeps programs, links and maps. */
function removeAbandoned(parent: string): void {
  for (const name of readdirSync(parent)) {
    const pid = OWNED.exec(name)?.[1];
    if (pid === undefined || existsSync(`/proc/${pid}`)) continue;
    const directory = join(parent, name);
    for (const mount of mountsBelow(directory)) execFileSync('umount', ['--lazy', mount]);
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Deepest first. */
function mountsBelow(directory: string): readonly string[] {
  const mounts = readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[1] ?? '');
  return mounts.filter((path) => path === directory || path.startsWith(`${directory}/`)).toReversed();
}
