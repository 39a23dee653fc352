/** Debian packages that only the references of the benchmarks need: installed when they are missing, and said. */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';

/** @param shows a file that is there once the package is. @throws Error with what apt-get says. */
export function requirePackage(name: string, shows: string, tell: (line: string) => void): void {
  if (existsSync(shows)) return;
  tell(`installing the Debian package ${name}, which the reference needs`);
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  execFileSync('apt-get', ['update', '-qq'], { env, stdio: ['ignore', 'ignore', 'inherit'] });
  execFileSync('apt-get', ['install', '-y', '-qq', '--no-install-recommends', name], {
    env,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
}
