/** `git:REV:PATH`: the manifests of a revision, read from the repository without touching the work tree. */
import { execFile } from 'node:child_process';
import { basename } from 'node:path';
import { promisify } from 'node:util';
import { FILES_MAX, TOTAL_BYTES_MAX } from '../../cluster/manifests/limits.ts';
import type { ManifestText } from '../../cluster/manifests/load-manifests.ts';
import { bytesMax } from '../../cluster/manifests/parse-manifest.ts';
import { isManifestName } from '../../cluster/manifests/scan-folder.ts';
import { ConfigError, errorMessage } from '../../lib/errors.ts';

const execute = promisify(execFile);

const PREFIX = 'git:';
/** Names of FILES_MAX files. */
const LIST_BYTES_MAX = 16_777_216;
const GIT_TIMEOUT_MS = 30_000;

export interface GitPlace {
  readonly revision: string;
  /** From the working directory. */
  readonly path: string;
}

/** Undefined: the text is a path. @throws ConfigError for `git:` without both parts. */
export function readGitPlace(text: string): GitPlace | undefined {
  if (!text.startsWith(PREFIX)) return undefined;
  const colon = text.indexOf(':', PREFIX.length);
  const revision = text.slice(PREFIX.length, colon < 0 ? undefined : colon);
  const path = colon < 0 ? '' : text.slice(colon + 1);
  if (revision === '' || path === '') {
    throw new ConfigError(
      `${JSON.stringify(text)}: write git:REVISION:PATH, such as git:main:deploy/policies or git:HEAD~1:.`,
    );
  }
  return { revision, path };
}

/** @throws ConfigError when git, the revision or the path is not there, or there is too much. */
export async function loadGitManifests({ revision, path }: GitPlace, cwd: string): Promise<readonly ManifestText[]> {
  const commit = await git(cwd, ['rev-parse', '--verify', '--quiet', '--end-of-options', `${revision}^{tree}`]).catch(
    (error: unknown) => {
      if (isMissing(error)) throw new ConfigError('git is not installed or not on the PATH', { cause: error });
      throw new ConfigError(
        `there is no revision ${JSON.stringify(revision)} in the git repository of ${cwd}${hintOf(error)}`,
        { cause: error },
      );
    },
  );
  const tree = commit.toString('utf8').trim();
  const blobs = parseList((await gitOrFail(cwd, ['ls-tree', '-r', '-z', '-l', tree, '--', path])).toString('utf8'));
  if (blobs.length === 0) throw new ConfigError(`${path} is not in revision ${revision}`);
  const wanted = blobs.filter(({ name }) => isManifestName(basename(name)) || name === path);
  const bytes = wanted.reduce((sum, blob) => sum + blob.bytes, 0);
  if (wanted.length > FILES_MAX)
    throw new ConfigError(`git:${revision}:${path}: more files than FILES_MAX, ${FILES_MAX}`);
  if (bytes > TOTAL_BYTES_MAX)
    throw new ConfigError(`git:${revision}:${path}: more than TOTAL_BYTES_MAX, ${TOTAL_BYTES_MAX} bytes`);
  const texts: ManifestText[] = [];
  for (const { id, name, bytes: size } of wanted) {
    const { limit, bytes: most } = bytesMax(name);
    if (size > most) throw new ConfigError(`${revision}:${name} has ${size} bytes, more than ${limit}, ${most}`);
    const content = await gitOrFail(cwd, ['cat-file', 'blob', id]);
    texts.push({ name: `${revision}:${name}`, text: content.toString('utf8') });
  }
  return texts;
}

interface Blob {
  readonly id: string;
  readonly name: string;
  readonly bytes: number;
}

/** Lines of `ls-tree -l -z`: mode, type, id, size, tab, name. Links and submodules are no manifests. */
function parseList(text: string): readonly Blob[] {
  return text.split('\0').flatMap((line) => {
    const match = /^100\d{3} blob ([0-9a-f]+) +(\d+)\t(.+)$/s.exec(line);
    return match === null ? [] : [{ id: match[1]!, bytes: Number(match[2]), name: match[3]! }];
  });
}

async function gitOrFail(cwd: string, args: readonly string[]): Promise<Buffer> {
  try {
    return await git(cwd, args);
  } catch (error) {
    throw new ConfigError(`git ${args[0]}: ${hintOf(error).slice(2) || errorMessage(error)}`, { cause: error });
  }
}

async function git(cwd: string, args: readonly string[]): Promise<Buffer> {
  const { stdout } = await execute('git', ['--no-pager', '--literal-pathspecs', ...args], {
    cwd,
    encoding: 'buffer',
    maxBuffer: Math.max(LIST_BYTES_MAX, bytesMax('.json').bytes),
    timeout: GIT_TIMEOUT_MS,
    env: { ...process.env, GIT_OPTIONAL_LOCKS: '0' },
  });
  return stdout;
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}

/** What git wrote, on one line. */
function hintOf(error: unknown): string {
  if (!(error instanceof Error) || !('stderr' in error)) return '';
  const text = String(error.stderr).trim().split('\n')[0] ?? '';
  return text === '' ? '' : `: ${text}`;
}
