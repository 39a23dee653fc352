/** What a container runtime does: executes the launcher with the CNI environment and the configuration on stdin. */
import { join } from 'node:path';
import type { TestNetns } from './netns.ts';
import { tryCommand } from './run-command.ts';

const LAUNCHER = join(import.meta.dirname, '../../dist/sluice-cni');
const CNI_VERSION = '1.0.0';

/** The agent that a call is for. */
export interface CniInstance {
  readonly instance: string;
  readonly runDir: string;
  readonly stateDir: string;
  /** The node's namespace, in which the runtime runs. */
  readonly nodeNetns: TestNetns;
}

export interface CniAttachment {
  readonly containerId: string;
  /** Path; empty when it is gone (DEL). */
  readonly netns: string;
  readonly interfaceName: string;
  readonly podNamespace: string;
  readonly podName: string;
  readonly podUid: string;
}

/** The parts of an ADD result that the hosts use (CNI-24). */
export interface CniResult {
  readonly cniVersion: string;
  readonly interfaces: readonly { readonly name: string; readonly mac: string; readonly sandbox?: string }[];
  readonly ips: readonly { readonly address: string; readonly gateway?: string; readonly interface?: number }[];
}

/** The error object of CNI-60. */
export class CniCallError extends Error {
  override readonly name = 'CniCallError';
  readonly code: number;

  constructor(verb: string, code: number, message: string) {
    super(`CNI ${verb}: code ${code}: ${message}`);
    this.code = code;
  }
}

export async function cniAdd(instance: CniInstance, attachment: CniAttachment): Promise<CniResult> {
  return JSON.parse(await call('ADD', instance, attachment)) as CniResult;
}

export async function cniDel(instance: CniInstance, attachment: CniAttachment): Promise<void> {
  await call('DEL', instance, attachment);
}

async function call(verb: string, instance: CniInstance, attachment: CniAttachment): Promise<string> {
  const { exitCode, stdout, stderr } = await tryCommand(LAUNCHER, [], {
    netns: instance.nodeNetns,
    input: JSON.stringify({
      cniVersion: CNI_VERSION,
      name: 'sluice',
      type: 'sluice-cni',
      instance: instance.instance,
      runDir: instance.runDir,
      stateDir: instance.stateDir,
    }),
    env: {
      CNI_COMMAND: verb,
      CNI_CONTAINERID: attachment.containerId,
      CNI_NETNS: attachment.netns,
      CNI_IFNAME: attachment.interfaceName,
      CNI_PATH: '/opt/cni/bin',
      CNI_ARGS: [
        'IgnoreUnknown=1',
        `K8S_POD_NAMESPACE=${attachment.podNamespace}`,
        `K8S_POD_NAME=${attachment.podName}`,
        `K8S_POD_INFRA_CONTAINER_ID=${attachment.containerId}`,
        `K8S_POD_UID=${attachment.podUid}`,
      ].join(';'),
    },
  });
  if (exitCode !== 0) throw callError(verb, exitCode, stdout, stderr);
  return stdout;
}

function callError(verb: string, exitCode: number, stdout: string, stderr: string): Error {
  try {
    const { code, msg, details } = JSON.parse(stdout) as { code: number; msg: string; details?: string };
    return new CniCallError(verb, code, [msg, details].filter(Boolean).join(': '));
  } catch {
    return new Error(`CNI ${verb}: exit code ${exitCode} without an error object: ${stdout}${stderr}`);
  }
}
