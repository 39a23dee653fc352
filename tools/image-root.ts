/**
 * Writes dist/image: the files that the image has besides Debian's, at their places. The Dockerfile copies this tree as it
 * is, so what is tested on a machine without a container engine is what is in the image.
 *
 *   opt/sluice/            the bundle (tools/bundle.ts), with the programs, the launcher and the CNI configuration
 *   usr/local/bin/node     the interpreter that runs this, without the symbols that only a debugger reads
 *   usr/local/bin/sluice   the command line
 *
 * usage: node tools/image-root.ts
 */
import { execFileSync } from 'node:child_process';
import { chmodSync, cpSync, existsSync, mkdirSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';

const DIST: string = join(import.meta.dirname, '../dist');
const ROOT: string = join(DIST, 'image');
const PROGRAMS: string = join(ROOT, 'usr/local/bin');

if (!existsSync(join(DIST, 'sluice/main.js'))) throw new Error('dist/sluice is not built yet: make bundle');
rmSync(ROOT, { recursive: true, force: true });
mkdirSync(PROGRAMS, { recursive: true });
cpSync(join(DIST, 'sluice'), join(ROOT, 'opt/sluice'), { recursive: true });
chmodSync(join(ROOT, 'opt/sluice/main.js'), 0o755);
execFileSync('strip', ['-o', join(PROGRAMS, 'node'), process.execPath], { stdio: 'inherit' });
symlinkSync('/opt/sluice/main.js', join(PROGRAMS, 'sluice'));
