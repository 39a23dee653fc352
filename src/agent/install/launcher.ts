/** The executable that the container runtime runs for every pod, put where the runtime looks for it. */
import { execFile } from 'node:child_process';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { replaceFile } from '../../lib/atomic-file.ts';
import { ConfigError, errorMessage } from '../../lib/errors.ts';

export const LAUNCHER_NAME = 'sluice-cni';

const FILE_MODE = 0o755;
const TRIAL_TIMEOUT_MS = 5_000;

const run = promisify(execFile);

/**
 * Replaces it by a rename, so that a runtime that runs it meanwhile runs the old or the new one (CNI-62). The new one is
 * tried first: one of another architecture, or on a file system where nothing may be run, is never put there.
 * Returns whether it was replaced; false when it is there already.
 * @param source the launcher of this build.
 * @param directory of the runtime's plugins, `/opt/cni/bin` for most.
 * @param version a CNI version that it must support, of the configuration that will name it.
 */
export async function putLauncher(source: string, directory: string, version: string): Promise<boolean> {
  const bytes = await readSource(source);
  const target = join(directory, LAUNCHER_NAME);
  if (!(await isDirectory(directory))) {
    throw new ConfigError(
      `--cni-bin ${directory} is no folder: use the one where the container runtime has its plugins`,
    );
  }
  if (await isInPlace(target, bytes)) return false;
  await replaceFile(target, bytes, { mode: FILE_MODE, check: (prepared) => tryLauncher(prepared, version) });
  return true;
}

async function readSource(path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    throw new ConfigError(`the launcher ${path} cannot be read (${errorMessage(error)}): is this installation whole?`, {
      cause: error,
    });
  }
}

async function isInPlace(target: string, bytes: Buffer): Promise<boolean> {
  try {
    return (await readFile(target)).equals(bytes) && ((await stat(target)).mode & 0o777) === FILE_MODE;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return false;
    throw error;
  }
}

async function isDirectory(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
}

/** CNI-53: it answers VERSION without anything else. */
async function tryLauncher(path: string, version: string): Promise<void> {
  const trial = run(path, [], { env: { CNI_COMMAND: 'VERSION' }, timeout: TRIAL_TIMEOUT_MS });
  // One that ends without reading its input is judged by its answer.
  trial.child.stdin?.on('error', () => undefined);
  trial.child.stdin?.end('{}');
  let answer: { supportedVersions?: readonly string[] };
  try {
    answer = JSON.parse((await trial).stdout) as typeof answer;
  } catch (error) {
    throw new Error(`the launcher does not run on this node: ${errorMessage(error)}`, { cause: error });
  }
  if (answer.supportedVersions?.includes(version) === true) return;
  throw new Error(
    `the launcher knows CNI ${answer.supportedVersions?.join(', ')}, but its configuration is ${version}`,
  );
}
