/**
 * The image's file tree, put together without a container engine: what the Dockerfile copies (dist/image), and the files
 * of the Debian packages that its last stage installs, with all that they depend on, from this machine. What the base image
 * has besides is left out, so nothing can lean on it.
 */
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, lstatSync, mkdirSync, readFileSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';

const ROOT = join(import.meta.dirname, '../..');
const IMAGE_ROOT: string = join(ROOT, 'dist/image');
/** Essential parts of Debian: `env` of the command line's first line; what tests start the tree with. */
const OF_THE_BASE = ['coreutils', 'util-linux'];

export interface Dockerfile {
  /** What each COPY of the build stage takes from this repository. */
  readonly sources: readonly string[];
  /** Debian packages of the last stage. */
  readonly packages: readonly string[];
  readonly entryPoint: readonly string[];
}

export function readDockerfile(): Dockerfile {
  const text = readFileSync(join(ROOT, 'Dockerfile'), 'utf8').replaceAll('\\\n', ' ');
  const lines = text.split('\n').filter((line) => !line.startsWith('#'));
  const last = lines.slice(lines.findLastIndex((line) => line.startsWith('FROM ')));
  const sources = lines
    .filter((line) => line.startsWith('COPY ') && !line.includes('--from='))
    .flatMap((line) => line.split(/\s+/).slice(1, -1));
  const packages = last.flatMap(
    (line) => /--no-install-recommends\s+([^&]*)&&/.exec(line)?.[1]?.trim().split(/\s+/) ?? [],
  );
  const entryPoint = JSON.parse(last.find((line) => line.startsWith('ENTRYPOINT '))?.slice(11) ?? '[]') as string[];
  return { sources, packages, entryPoint };
}

/** Writes the tree into that folder. @throws Error naming a package that is not installed on this machine. */
export function composeImageRoot(folder: string): void {
  if (!existsSync(join(IMAGE_ROOT, 'opt/sluice/main.js'))) throw new Error('dist/image is not built: make image-root');
  mkdirSync(join(folder, 'usr'));
  // As Debian has them.
  for (const name of ['bin', 'lib', 'lib64', 'sbin']) {
    mkdirSync(join(folder, 'usr', name));
    execFileSync('ln', ['-s', `usr/${name}`, join(folder, name)]);
  }
  const packages = closureOf([...readDockerfile().packages, ...OF_THE_BASE]);
  for (const file of packages.flatMap(filesOf)) {
    const target = join(folder, file.replace(/^\/(bin|lib|lib64|sbin)\//, '/usr/$1/'));
    mkdirSync(dirname(target), { recursive: true });
    cpSync(file, target, { verbatimSymlinks: true });
  }
  linkAlternatives(folder);
  execFileSync('cp', ['-a', '--reflink=auto', `${IMAGE_ROOT}/.`, folder]);
  for (const name of ['dev', 'etc', 'proc', 'run', 'sys', 'tmp', 'var/lib'])
    mkdirSync(join(folder, name), { recursive: true });
  execFileSync('ln', ['-s', '/run', join(folder, 'var/run')]);
}

/** What a package's installation script does: the names without a flavour lead to nft. */
function linkAlternatives(folder: string): void {
  for (const tool of ['iptables', 'ip6tables']) {
    for (const action of ['', '-restore', '-save']) {
      execFileSync('ln', ['-sf', `${tool}-nft${action}`, join(folder, 'usr/sbin', `${tool}${action}`)]);
    }
  }
}

function filesOf(name: string): readonly string[] {
  return execFileSync('dpkg', ['-L', name], { encoding: 'utf8' })
    .split('\n')
    .filter((file) => !/^\/?(\.|bin|lib|lib64|sbin)?$|^\/usr\/share\/(doc|man|locale|lintian|bug)\//.test(file))
    .filter((file) => existsSync(file) && !lstatSync(file).isDirectory() && existsSync(realpathSync(file)));
}

function closureOf(names: readonly string[]): readonly string[] {
  const seen = new Set<string>();
  const waiting = [...names];
  for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) {
    if (seen.has(name)) continue;
    const depends = dependenciesOf(name);
    if (depends === undefined) continue;
    seen.add(name);
    waiting.push(...depends);
  }
  const missing = names.filter((name) => !seen.has(name));
  if (missing.length > 0) throw new Error(`not installed on this machine: ${missing.join(', ')}`);
  return [...seen];
}

/** Undefined for a package that is not installed: virtual ones, and the alternatives of others. */
function dependenciesOf(name: string): readonly string[] | undefined {
  let text: string;
  try {
    text = execFileSync('dpkg-query', ['-W', '-f', '${db:Status-Status} ${Pre-Depends}, ${Depends}', name], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
  } catch {
    return undefined;
  }
  if (!text.startsWith('installed ')) return undefined;
  return text
    .slice('installed '.length)
    .split(/[,|]/)
    .flatMap((part) => /^\s*([a-z0-9.+-]+)/.exec(part)?.[1] ?? []);
}
