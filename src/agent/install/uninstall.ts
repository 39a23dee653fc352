/**
 * Takes an instance off its node: everything that it left is looked for, removed, and looked for again. The agent must not
 * run, and no pod may use its network: both are found out before anything is touched.
 */
import { existsSync, readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { lockFile } from '../../kernel/system.ts';
import { errorMessage } from '../../lib/errors.ts';
import { EndpointRecords } from '../endpoint-record.ts';
import type { InstancePaths } from '../paths.ts';
import { listWiredInterfaces } from '../wiring.ts';
import type { NodeNetwork } from '../wiring/node.ts';
import { type Trace, tracesOf } from './traces.ts';

const PODS_NAMED_MAX = 8;

export interface UninstallOptions {
  readonly instance: string;
  readonly paths: InstancePaths;
  /** Folder of the container runtime's configurations. */
  readonly cniConf: string;
  /** Folder of the container runtime's plugins. */
  readonly cniBin: string;
  /** Pods that use its network lose it. */
  readonly force: boolean;
}

export interface TraceOutcome {
  readonly what: string;
  readonly found: readonly string[];
  /** What is there afterwards; empty: it is gone. */
  readonly remains: readonly string[];
  /** Why looking or removing failed; empty: it did not. */
  readonly failure: string;
}

/** @throws Error when the agent runs, or pods use its network and `force` is not set; nothing was touched then. */
export async function uninstall(options: UninstallOptions, node: NodeNetwork): Promise<readonly TraceOutcome[]> {
  const { instance, paths, force } = options;
  const isShared = otherInstances(paths).length > 0;
  // Without its folder no agent has a lock; making it would leave a trace of its own.
  using _lock = existsSync(paths.runDir) ? lockFile(paths.lock) : undefined;
  if (!force) await refusePodsInUse(options, node);
  const { cniConf, cniBin } = options;
  const outcomes: TraceOutcome[] = [];
  for (const trace of tracesOf({ instance, paths, node, cniConf, cniBin, isShared })) outcomes.push(await clear(trace));
  return outcomes;
}

/** What failed is an outcome: the rest is removed all the same. */
async function clear({ what, find, remove }: Trace): Promise<TraceOutcome> {
  let found: readonly string[] = [];
  let failure = '';
  try {
    found = await find();
    await remove();
  } catch (error) {
    failure = errorMessage(error);
  }
  try {
    return { what, found, remains: await find(), failure };
  } catch (error) {
    return { what, found, remains: found, failure: errorMessage(error) };
  }
}

function otherInstances({ runDir }: InstancePaths): readonly string[] {
  const above = join(runDir, '..');
  if (!existsSync(above)) return [];
  return readdirSync(above).filter((name) => name !== basename(runDir) && existsSync(join(above, name, 'agent.lock')));
}

async function refusePodsInUse({ instance, paths }: UninstallOptions, node: NodeNetwork): Promise<void> {
  const wired = listWiredInterfaces(node, instance);
  if (wired.length === 0) return;
  const records = new EndpointRecords(paths.endpoints);
  await records.load();
  const owners = new Map(
    records.list().map(({ hostInterface, namespace, pod }) => [hostInterface, `${namespace}/${pod}`]),
  );
  const named = wired.slice(0, PODS_NAMED_MAX).map(({ name }) => owners.get(name) ?? name);
  const more = wired.length > named.length ? ` and ${wired.length - named.length} more` : '';
  throw new Error(
    `${wired.length} pods of this node use its network (${named.join(', ')}${more}): delete or move them first, ` +
      'or use --force, which cuts them off',
  );
}
