/**
 * The CNI configuration of a node: where the runtime learns that Sluice wires its pods. The kubelet takes a node for ready
 * once there is one, so the agent puts it there when it can wire pods, and nothing takes it away while agents come and go:
 * without it a runtime could not even delete a pod.
 *
 * Runtimes use the file whose name sorts first. Files that sort before ours are moved aside, or pods would come up without
 * Sluice, open; they come back when ours is removed. Every step is a rename within the folder, which is what the
 * runtimes' watches see (CNI-77), and ours is there before another goes: at no time is there none.
 */
import { readFileSync } from 'node:fs';
import { readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { replaceFile } from '../../lib/atomic-file.ts';
import { ConfigError } from '../../lib/errors.ts';
import type { Log } from '../../lib/log.ts';

const TEMPLATE = new URL('../../../cni-conf/10-sluice.conflist', import.meta.url);

/** What is put after the name of a file that was moved aside: no runtime reads such a name. */
export const ASIDE_SUFFIX = '.before-sluice';

/** What runtimes read (libcni). */
const CONFIGURATION = /\.(conf|conflist|json)$/;
/** Of whichever instance. */
const OURS = /^10-sluice(-[a-z0-9-]+)?\.conflist$/;
const FILE_MODE = 0o644;

export interface ConflistPlace {
  /** The folder, `/etc/cni/net.d` for most runtimes. */
  readonly directory: string;
  readonly instance: string;
}

/** Where the launcher finds its agent, when it is not where it looks by itself. */
export interface ConflistAgent {
  readonly instance: string;
  /** Of all instances. */
  readonly runDir: string;
  readonly stateDir: string;
}

/** What the launcher takes for granted: launcher/config.c. */
const LAUNCHER_DEFAULTS: ConflistAgent = { instance: 'default', runDir: '/run/sluice', stateDir: '/var/lib/sluice' };

export function conflistPath({ directory, instance }: ConflistPlace): string {
  return join(directory, instance === 'default' ? '10-sluice.conflist' : `10-sluice-${instance}.conflist`);
}

/**
 * The configuration for that agent.
 * @param template the text of cni-conf/10-sluice.conflist.
 */
export function conflistText(template: string, agent: ConflistAgent): string {
  const list = JSON.parse(template) as { plugins: readonly object[] };
  const keys = ['instance', 'runDir', 'stateDir'] as const;
  const own = Object.fromEntries(
    keys.filter((key) => agent[key] !== LAUNCHER_DEFAULTS[key]).map((key) => [key, agent[key]]),
  );
  return `${JSON.stringify({ ...list, plugins: list.plugins.map((plugin) => ({ ...plugin, ...own })) }, null, 2)}\n`;
}

/** The configuration as this build ships it. */
export function readConflistTemplate(): string {
  return readFileSync(TEMPLATE, 'utf8');
}

/** Called when pods can be wired. @throws ConfigError when there is no such folder. */
export async function showToRuntime(
  agent: ConflistAgent & { readonly cniConf: string | undefined },
  log: Log,
): Promise<void> {
  const { cniConf, instance } = agent;
  if (cniConf === undefined) return;
  const { written, movedAside } = await putConflist(
    { directory: cniConf, instance },
    conflistText(readConflistTemplate(), agent),
  );
  for (const file of movedAside) log.warn({ file, suffix: ASIDE_SUFFIX }, 'another CNI configuration is moved aside');
  log.info({ folder: cniConf, written }, 'the container runtime knows this agent');
}

export interface ConflistChange {
  /** False: it was there as it should be, and was not touched. */
  readonly written: boolean;
  /** Names of files that were moved aside now. */
  readonly movedAside: readonly string[];
}

/** Idempotent. @throws ConfigError when there is no such folder. */
export async function putConflist(place: ConflistPlace, text: string): Promise<ConflistChange> {
  const { directory } = place;
  const path = conflistPath(place);
  await requireDirectory(directory);
  const written = (await readIfThere(path)) !== text;
  if (written) await replaceFile(path, text, { mode: FILE_MODE });
  const own = path.slice(directory.length + 1);
  const before = (await readdir(directory)).filter(
    (name) => CONFIGURATION.test(name) && !OURS.test(name) && name < own,
  );
  for (const name of before) await rename(join(directory, name), join(directory, name + ASIDE_SUFFIX));
  return { written, movedAside: before.toSorted() };
}

/** What of Sluice's is in the folder: our file, and those that were moved aside for any instance. */
export async function findConflists(place: ConflistPlace): Promise<readonly string[]> {
  const own = conflistPath(place).slice(place.directory.length + 1);
  const names = await namesOf(place.directory);
  const others = names.some((name) => OURS.test(name) && name !== own);
  return names.filter((name) => name === own || name === `${own}.new` || (!others && name.endsWith(ASIDE_SUFFIX)));
}

/**
 * Puts back what was moved aside, then removes ours. What was moved aside stays so while another instance is installed,
 * and is dropped where its name was taken anew meanwhile: the newer one counts. Idempotent. Returns the names that are back.
 */
export async function removeConflist(place: ConflistPlace): Promise<readonly string[]> {
  const { directory } = place;
  const back: string[] = [];
  for (const name of await findConflists(place)) {
    if (!name.endsWith(ASIDE_SUFFIX)) continue;
    const original = name.slice(0, -ASIDE_SUFFIX.length);
    if ((await namesOf(directory)).includes(original)) await rm(join(directory, name));
    else {
      await rename(join(directory, name), join(directory, original));
      back.push(original);
    }
  }
  const path = conflistPath(place);
  for (const gone of [path, `${path}.new`]) await rm(gone, { force: true });
  return back;
}

async function requireDirectory(path: string): Promise<void> {
  const isDirectory = await stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
  if (!isDirectory) {
    throw new ConfigError(
      `--cni-conf ${path} is no folder: use the one that the container runtime reads, and mount it`,
    );
  }
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (isAbsent(error)) return undefined;
    throw error;
  }
}

async function namesOf(directory: string): Promise<readonly string[]> {
  try {
    return (await readdir(directory)).toSorted();
  } catch (error) {
    if (isAbsent(error)) return [];
    throw error;
  }
}

function isAbsent(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}
