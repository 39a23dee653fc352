/**
 * The guest's files: node with its libraries, the tools that the tests run, the compiled object, and the repository's
 * sources as far as the tests import them. Every file has the path in the guest that it has here; the repository is /app.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, globSync, readFileSync, realpathSync } from 'node:fs';
import { isBuiltin, stripTypeScriptTypes } from 'node:module';
import { dirname, join, relative } from 'node:path';
import type { ArchiveEntry } from './cpio.ts';

const ROOT = join(import.meta.dirname, '../..');
const APP = 'app';
const OBJECT = 'dist/bpf/sluice.bpf.o';
const FOLDERS = ['proc', 'sys', 'dev', 'tmp', 'run', 'etc'];
/** Programs of the host that tests run, and libraries that are opened at run time. */
const TOOLS = [
  '/usr/sbin/ip',
  '/usr/sbin/tc',
  '/usr/bin/mount',
  '/usr/bin/umount',
  '/usr/bin/ping',
  '/usr/sbin/sysctl',
  '/bin/sh',
];
const LIBRARIES = ['libbpf.so.1', 'libc.so.6', 'libm.so.6'];
const IMPORT = /^(?:import|export)\b[^;'`]*?\bfrom\s+'([^']+)'|^import\s+'([^']+)'/gm;
/** In the guest `vitest` is another one: hooks.js. */
const REPLACED = 'vitest';
/** Of an npm package: what can be loaded. */
const LOADABLE = '**/*.{js,cjs,mjs,json,node}';

/** @param tests paths from the root of the repository. */
export function guestFiles(init: Uint8Array, tests: readonly string[]): ArchiveEntry[] {
  const { sources, packages } = sourcesOf(['test/kernels/guest/main.ts', 'test/kernels/guest/hooks.js', ...tests]);
  return [
    ...FOLDERS.map((path) => ({ path, content: undefined })),
    { path: 'init', content: init },
    fileAt(realpathSync(process.execPath), 'usr/bin/node'),
    ...TOOLS.map((path) => fileAt(path)),
    ...libraries().map((path) => fileAt(path)),
    ...[OBJECT, 'package.json'].map((path) => fileAt(join(ROOT, path), join(APP, path))),
    ...packageFiles(packages),
    ...sources,
  ];
}

function fileAt(path: string, inGuest: string = path.slice(1)): ArchiveEntry {
  return { path: inGuest, content: readFileSync(path) };
}

/** Every library that node, the tools and libbpf are linked with, by the paths that the dynamic linker finds them at. */
function libraries(): string[] {
  const cache = execFileSync('/sbin/ldconfig', ['-p'], { encoding: 'utf8' });
  const opened = LIBRARIES.map((name) => {
    const path = new RegExp(`^\\s*${name.replaceAll('.', '\\.')} \\(libc6,x86-64.*=> (.+)$`, 'm').exec(cache)?.[1];
    if (path === undefined) throw new Error(`${name} is not installed: make packages`);
    return path;
  });
  const linked = [realpathSync(process.execPath), ...TOOLS, ...opened].flatMap((path) => {
    const lines = execFileSync('ldd', [path], { encoding: 'utf8' });
    return [...lines.matchAll(/(?:=> )?(\/\S+) \(0x/g)].map(([, library]) => library!);
  });
  return [...new Set([...opened, ...linked])];
}

/** The files and all that they import, types taken out; and the npm packages that these import. */
function sourcesOf(files: readonly string[]): { sources: ArchiveEntry[]; packages: ReadonlySet<string> } {
  const sources = new Map<string, ArchiveEntry>();
  const packages = new Set<string>();
  const add = (path: string): void => {
    if (sources.has(path)) return;
    const text = readFileSync(join(ROOT, path), 'utf8');
    const source = path.endsWith('.ts') ? stripTypeScriptTypes(text) : text;
    sources.set(path, { path: join(APP, path), content: Buffer.from(source) });
    for (const [, from, bare] of source.matchAll(IMPORT)) {
      const specifier = from ?? bare ?? '';
      if (specifier.startsWith('.')) add(relative(ROOT, join(ROOT, dirname(path), specifier)));
      else if (!isBuiltin(specifier) && specifier !== REPLACED) packages.add(specifier);
    }
  };
  for (const file of files) add(file);
  return { sources: [...sources.values()], packages };
}

/** The packages and those they depend on, as far as they are installed. */
function packageFiles(names: Iterable<string>): ArchiveEntry[] {
  const entries = new Map<string, ArchiveEntry[]>();
  const add = (name: string): void => {
    const folder = join(ROOT, 'node_modules', name);
    if (entries.has(name) || !existsSync(folder)) return;
    const files = globSync(LOADABLE, { cwd: folder });
    entries.set(
      name,
      files.map((path) => fileAt(join(folder, path), join(APP, 'node_modules', name, path))),
    );
    const { dependencies, optionalDependencies } = JSON.parse(
      readFileSync(join(folder, 'package.json'), 'utf8'),
    ) as Record<string, Readonly<Record<string, string>> | undefined>;
    for (const needed of Object.keys({ ...dependencies, ...optionalDependencies })) add(needed);
  };
  for (const name of names) add(name);
  return [...entries.values()].flat();
}
