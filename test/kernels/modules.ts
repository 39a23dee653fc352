/** Finds modules of an unpacked kernel package, with those they need first. */
import { execFileSync } from 'node:child_process';
import { globSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';

export interface KernelModule {
  readonly name: string;
  /** The file, decompressed. */
  readonly content: Uint8Array;
}

const BUFFER_BYTES_MAX = 64 * 1024 * 1024;

/**
 * In loading order. A wanted module that is built into the kernel is left out.
 * @param folder lib/modules/RELEASE of the package.
 * @throws Error naming a module that is neither there nor built in.
 */
export function modulesInOrder(folder: string, wanted: readonly string[]): KernelModule[] {
  const files = new Map(globSync('**/*.ko{,.xz}', { cwd: folder }).map((path) => [nameOf(path), join(folder, path)]));
  const builtIn = new Set(readFileSync(join(folder, 'modules.builtin'), 'utf8').trim().split('\n').map(nameOf));
  const ordered = new Map<string, KernelModule>();
  const add = (name: string, neededBy: string): void => {
    if (builtIn.has(name) || ordered.has(name)) return;
    const file = files.get(name);
    if (file === undefined) throw new Error(`${folder} has no module ${name}, which ${neededBy} needs`);
    const content = readModule(file);
    for (const needed of dependenciesOf(content)) add(needed, name);
    ordered.set(name, { name, content });
  };
  for (const name of wanted) add(nameOf(name), 'the guest');
  return [...ordered.values()];
}

/** The kernel knows - and _ in names as one character. */
function nameOf(path: string): string {
  return basename(path)
    .replace(/\.ko(\.xz)?$/, '')
    .replaceAll('-', '_');
}

function readModule(file: string): Uint8Array {
  if (file.endsWith('.xz')) return execFileSync('xz', ['-dc', file], { maxBuffer: BUFFER_BYTES_MAX });
  return readFileSync(file);
}

/** The field `depends` of the section .modinfo, which every module has exactly once. */
function dependenciesOf(module: Uint8Array): string[] {
  const text = Buffer.from(module).toString('latin1');
  return (/\0depends=([^\0]*)\0/.exec(text)?.[1] ?? '').split(',').filter(Boolean).map(nameOf);
}
