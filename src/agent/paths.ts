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

/** sun_path of unix(7) without the NUL. */
const SOCKET_PATH_BYTES_MAX = 107;

const INSTANCE = /^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$/;

/** @throws ConfigError when the name could not be part of a path or a chain, or the path be a socket's address. */
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
  const socket = join(runDir, 'agent.sock');
  if (Buffer.byteLength(socket) > SOCKET_PATH_BYTES_MAX) {
    throw new ConfigError(
      `--run-dir ${roots.runDir}: the agent's socket would be ${socket}, and the path of a socket has at most ` +
        `${SOCKET_PATH_BYTES_MAX} bytes: use a shorter directory`,
    );
  }
  return {
    runDir,
    stateDir,
    pinRoot: roots.bpfRoot,
    socket,
    lock: join(runDir, 'agent.lock'),
    endpoints: join(runDir, 'endpoints'),
    deleteJournal: join(stateDir, 'del-journal'),
  };
}
