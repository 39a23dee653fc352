/**
 * Opens the network namespace that the launcher holds open, through /proc/PID/fd: needs no path and no mount in common
 * with the runtime. Device and inode must be those the launcher states, or the descriptor is not what it opened.
 */
import { closeSync, constants, fstatSync, openSync } from 'node:fs';
import { CniCode, CniError } from './error.ts';
import type { NetnsHandle } from './pod-network.ts';

/** Name of the request header: `<fd> <dev> <ino>`, decimal. */
export const NETNS_HEADER = 'sluice-netns';

export interface OpenNetns extends NetnsHandle, AsyncDisposable {}

interface Statement {
  readonly fd: number;
  readonly device: bigint;
  readonly inode: bigint;
}

/**
 * @param callerPid as SO_PEERCRED tells it: 0 when the caller lives in a PID namespace the agent does not see.
 * @param procRoot the agent's view of /proc, of its own PID namespace.
 * @throws CniError code 8 when the descriptor is gone or another file, 101 and 103 when agent or caller are not set up.
 */
export async function openCallerNetns(header: string, callerPid: number, procRoot = '/proc'): Promise<OpenNetns> {
  const stated = parseStatement(header);
  if (callerPid <= 0) {
    throw new CniError(
      CniCode.callerInvisible,
      'the agent does not see the process of sluice-cni',
      'the agent must run in the PID namespace of the node (hostPID: true)',
    );
  }
  // Neither waits for a disk: not worth the way to the pool's threads and back.
  const fd = openDescriptor(`${procRoot}/${callerPid}/fd/${stated.fd}`);
  try {
    const found = fstatSync(fd, { bigint: true });
    if (found.dev !== stated.device || found.ino !== stated.inode) {
      throw new CniError(
        CniCode.invalidNetns,
        `descriptor ${stated.fd} of process ${callerPid} is not the network namespace it states`,
        `stated device ${stated.device} inode ${stated.inode}, found device ${found.dev} inode ${found.ino}`,
      );
    }
  } catch (error) {
    closeSync(fd);
    throw error;
  }
  return {
    fd,
    device: stated.device,
    inode: stated.inode,
    [Symbol.asyncDispose]: async () => closeSync(fd),
  };
}

function openDescriptor(path: string): number {
  try {
    // O_NONBLOCK: should the descriptor be a FIFO, opening it must not wait.
    return openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new CniError(CniCode.invalidNetns, 'the network namespace cannot be opened through the caller', reason, {
      cause: error,
    });
  }
}

function parseStatement(header: string): Statement {
  const match = /^(\d{1,9}) (\d{1,20}) (\d{1,20})$/.exec(header);
  if (match?.[1] === undefined || match[2] === undefined || match[3] === undefined) {
    throw new CniError(CniCode.badRequest, `${NETNS_HEADER} is "${header}"; it must be <fd> <dev> <ino>`);
  }
  return { fd: Number(match[1]), device: BigInt(match[2]), inode: BigInt(match[3]) };
}
