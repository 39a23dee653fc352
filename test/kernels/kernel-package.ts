/** Debian's kernel packages: fetched by apt, unpacked, never installed. */
import { execFileSync } from 'node:child_process';
import { existsSync, globSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';

export interface UnpackedKernel {
  /** As `uname -r` will have it. */
  readonly release: string;
  /** Name and version of the package. */
  readonly source: string;
  /** Path of the image to boot. */
  readonly image: string;
  /** Path of lib/modules/RELEASE. */
  readonly modules: string;
}

/** What is taken out of a package: the image, and the modules that the guest may want. */
const MEMBERS = [
  './boot/vmlinuz-*',
  './lib/modules/*/modules.builtin',
  './lib/modules/*/kernel/net/*',
  './lib/modules/*/kernel/drivers/net/veth.ko*',
];

/**
 * The newest kernel that a meta-package (linux-image-amd64) stands for, unpacked under `folder`; what lies there already is
 * used again.
 * @throws Error when apt knows no such package or cannot fetch it.
 */
export function unpackKernel(metaPackage: string, folder: string): UnpackedKernel {
  const { name, version } = resolve(metaPackage);
  const release = name.replace('linux-image-', '');
  const target = join(folder, release);
  if (!existsSync(target)) fetch(`${name}=${version}`, target);
  return {
    release,
    source: `${name} ${version}`,
    image: join(target, 'boot', `vmlinuz-${release}`),
    modules: join(target, 'lib/modules', release),
  };
}

function resolve(metaPackage: string): { name: string; version: string } {
  const shown = show(metaPackage) ?? (run('apt-get', ['update', '-qq']), show(metaPackage));
  const depends = /^Depends: (linux-image-[^ ]+) \(= ([^)]+)\)/m.exec(shown ?? '');
  if (depends === null)
    throw new Error(`apt knows no kernel by the name ${metaPackage} (apt-cache search linux-image)`);
  return { name: depends[1]!, version: depends[2]! };
}

function show(name: string): string | undefined {
  try {
    return execFileSync('apt-cache', ['show', '--no-all-versions', name], { encoding: 'utf8', stdio: 'pipe' });
  } catch {
    // Status 100: no such package, which resolve() says when a fresh list does not have it either.
    return undefined;
  }
}

function fetch(exact: string, target: string): void {
  const work = `${target}.part`;
  rmSync(work, { recursive: true, force: true });
  mkdirSync(work, { recursive: true });
  run('apt-get', ['download', '-qq', '-o', 'APT::Sandbox::User=root', exact], work);
  const [file] = globSync('*.deb', { cwd: work });
  if (file === undefined) throw new Error(`apt-get download ${exact} left no package in ${work}`);
  const tar = `dpkg-deb --fsys-tarfile "$1" | tar -x --wildcards "\${@:2}"`;
  run('bash', ['-o', 'pipefail', '-c', tar, 'unpack', file, ...MEMBERS], work);
  rmSync(join(work, file));
  renameSync(work, target);
}

function run(program: string, args: readonly string[], cwd?: string): void {
  execFileSync(program, args, { cwd, stdio: ['ignore', 'ignore', 'inherit'] });
}
