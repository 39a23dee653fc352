/** The agent's settings, checked before anything is touched. */
import { totalmem } from 'node:os';
import { resolve } from 'node:path';
import { ConfigError } from '../lib/errors.ts';
import { type Cidr, parseCidr } from '../net/cidr.ts';
import { type FlowSettings, readFlowSettings } from './flow-settings.ts';

export const ATTACH_MODES = ['auto', 'tcx', 'clsact'] as const;
export type AttachMode = (typeof ATTACH_MODES)[number];

export interface AgentOptions {
  readonly instance: string;
  readonly node: string;
  /** Absolute path of the manifests folder. */
  readonly manifests: string;
  readonly runDir: string;
  readonly stateDir: string;
  readonly bpfRoot: string;
  readonly object: string;
  readonly attach: AttachMode;
  readonly mtu: number;
  readonly flows: FlowSettings;
  /** Addresses of Services: what no Service has of them leads nowhere. */
  readonly serviceRanges: readonly Cidr[];
  /** How long ADD waits for the pod to appear in the desired state. */
  readonly podWaitMs: number;
}

/** As they come from the command line: every value is text. */
export interface RawAgentOptions {
  readonly instance: string;
  readonly node?: string;
  readonly source?: string;
  readonly runDir: string;
  readonly stateDir: string;
  readonly bpfRoot: string;
  readonly object: string;
  readonly attach: string;
  readonly mtu: string;
  readonly flowTable: string;
  readonly flowTimeouts: string;
  /** @default none */
  readonly serviceCidr?: readonly string[];
  readonly podWait: string;
}

const MTU_MIN = 1280; // RFC 8200 section 5
const MTU_MAX = 65_535;
const POD_WAIT_MAX_SECONDS = 60;

/** @throws ConfigError that names the option and what would be right. */
export function readAgentOptions(raw: RawAgentOptions, memoryBytes: number = totalmem()): AgentOptions {
  if (raw.source === undefined) {
    throw new ConfigError('--source is missing: use manifests:DIR, a folder of Kubernetes YAML');
  }
  const [, folder] = /^manifests:(.+)$/.exec(raw.source) ?? [];
  if (folder === undefined) {
    throw new ConfigError(`--source ${JSON.stringify(raw.source)}: use manifests:DIR, a folder of Kubernetes YAML`);
  }
  const attach = ATTACH_MODES.find((mode) => mode === raw.attach);
  if (raw.node === undefined || raw.node === '') {
    throw new ConfigError('--node is missing: use the name of this node among the Node objects');
  }
  if (attach === undefined) {
    throw new ConfigError(`--attach ${JSON.stringify(raw.attach)}: use ${ATTACH_MODES.join(', ')}`);
  }
  return {
    instance: raw.instance,
    node: raw.node,
    manifests: resolve(folder),
    runDir: resolve(raw.runDir),
    stateDir: resolve(raw.stateDir),
    bpfRoot: resolve(raw.bpfRoot),
    object: resolve(raw.object),
    attach,
    mtu: readNumber('--mtu', raw.mtu, MTU_MIN, MTU_MAX),
    flows: readFlowSettings(raw.flowTable, raw.flowTimeouts, memoryBytes),
    serviceRanges: (raw.serviceCidr ?? []).map(readRange),
    podWaitMs: readNumber('--pod-wait', raw.podWait, 0, POD_WAIT_MAX_SECONDS) * 1000,
  };
}

function readRange(text: string): Cidr {
  const cidr = parseCidr(text);
  if (cidr === undefined)
    throw new ConfigError(`--service-cidr ${JSON.stringify(text)}: use a range like 10.96.0.0/16`);
  return cidr;
}

function readNumber(option: string, text: string, min: number, max: number): number {
  const value = Number(text);
  if (!/^[0-9]{1,9}$/.test(text) || value < min || value > max) {
    throw new ConfigError(`${option} ${JSON.stringify(text)}: use a whole number from ${min} to ${max}`);
  }
  return value;
}
