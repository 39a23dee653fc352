/**
 * Where one instance keeps its things. Several agents share one kernel by having different instances: everything that
 * could collide (directories, pins, chains, interface names) derives from the instance's name.
 */
import { join } from 'node:path';
import { ConfigError } from '../lib/errors.ts';

export interface InstancePaths {
  /** Gone after a reboot, as the pods are. */
  readonly runDir: string;
  /** Outlives a reboot. */
  readonly stateDir: string;
  /** The directory of the bpffs under which this instance's own directory lies. */
  readonly pinRoot: string;
  readonly socket: string;
  readonly lock: string;
  /** One file an endpoint. */
  readonly endpoints: string;
  /** DEL requests that the launcher accepted while no agent ran. */
  readonly deleteJournal: string;
}

const INSTANCE = /^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$/;

/** @throws ConfigError when the name could not be part of a path, a chain or a socket's address. */
export function instancePaths(
  instance: string,
  roots: { runDir: string; stateDir: string; bpfRoot: string },
): InstancePaths {
  if (!INSTANCE.test(instance)) {
    throw new ConfigError(
      `--instance ${JSON.stringify(instance)}: use 1 to 32 of a-z, 0-9 and '-', not at either end, for example node-a`,
    );
  }
  const runDir = join(roots.runDir, instance);
  const stateDir = join(roots.stateDir, instance);
  return {
    runDir,
    stateDir,
    pinRoot: roots.bpfRoot,
    socket: join(runDir, 'agent.sock'),
    lock: join(runDir, 'agent.lock'),
    endpoints: join(runDir, 'endpoints'),
    deleteJournal: join(stateDir, 'del-journal'),
  };
}
