/**
 * Every setting of the agent. To add one: a field of `AgentSettings` and its entry in `SETTINGS`, which the compiler asks
 * for; command line, file, `sluice config` and docs/configuration.md (`node tools/settings-doc.ts --write`) follow.
 */
import { totalmem } from 'node:os';
import { resolve } from 'node:path';
import type { KubeConfigChoice } from '../cluster/kubernetes/kube-credentials.ts';
import { type Cidr, parseCidr } from '../net/cidr.ts';
import {
  FLOW_TIMEOUT_NAMES,
  FLOW_TIMEOUT_SECONDS_MAX,
  type FlowSettings,
  type FlowTimeouts,
  LIVE_FLOWS_MAX,
  LIVE_FLOWS_MIN,
  readFlowSettings,
} from './flow-settings.ts';
import { type ListenAddress, type OwnPod, readListenAddress, readOwnPod } from './observe/addresses.ts';
import type { SourceChoice } from './open-source.ts';
import { NON_MASQUERADE_CIDRS_MAX } from './routing/limits.ts';
import { ROUTING_DEFAULTS, ROUTING_MODES, type RoutingMode, type RoutingSettings } from './routing/settings.ts';
import {
  booleanFromText,
  numberFromText,
  numbersFromText,
  pathSchema,
  type SettingsTable,
  textSchema,
} from './settings/setting.ts';

export const ATTACH_MODES = ['auto', 'tcx', 'clsact'] as const;
export type AttachMode = (typeof ATTACH_MODES)[number];

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** By the names that they have in the file. Paths are absolute. */
export interface AgentSettings {
  readonly source: SourceChoice;
  readonly node: string;
  readonly instance: string;
  readonly runDir: string;
  readonly stateDir: string;
  readonly bpfRoot: string;
  readonly object: string;
  readonly attach: AttachMode;
  /** Of the pods' interfaces; `auto`: what the uplink leaves. */
  readonly mtu: number | 'auto';
  readonly routing: RoutingMode;
  readonly vxlanPort: number;
  readonly vxlanVNI: number;
  readonly masquerade: boolean;
  /** Destinations outside of the cluster that see the pods' own addresses. */
  readonly nonMasqueradeCIDRs: readonly Cidr[];
  /** Flows seen both ways. */
  readonly flowTable: number | 'auto';
  readonly flowTimeoutSeconds: FlowTimeouts;
  /** Addresses of Services: what no Service has of them leads nowhere. */
  readonly serviceCIDRs: readonly Cidr[];
  /** How long ADD waits for the pod to appear in the desired state. */
  readonly podWaitSeconds: number;
  readonly logLevel: LogLevel;
  /** Undefined: nothing is served over HTTP. */
  readonly healthAddress: ListenAddress | undefined;
  /** Undefined: no report is written. */
  readonly ownPod: OwnPod | undefined;
  /** Where the container runtime reads its configurations; undefined: somebody else puts ours there. */
  readonly cniConf: string | undefined;
  /** Where kernel settings are written: the folder in which `net` is. */
  readonly procSys: string;
}

/** The settings, with what follows from them and the machine. */
export interface AgentOptions extends AgentSettings {
  readonly flows: FlowSettings;
  readonly nodeRouting: RoutingSettings;
}

/** What the installation brings, for defaults that depend on it. */
export interface Installation {
  /** Path of the compiled eBPF programs. */
  readonly object: string;
}

const MTU_MIN = 1280; // RFC 8200 section 5
const MTU_MAX = 65_535;
const POD_WAIT_MAX_SECONDS = 60;

export const SETTINGS: SettingsTable<AgentSettings> = {
  source: {
    flags: '--source <source>',
    description: 'where the desired state is',
    expects:
      'kubernetes, kubernetes:in-cluster or kubernetes:FILE (a kubeconfig), or manifests:DIR (a folder of Kubernetes YAML)',
    fallback: undefined,
    schema: (z, base) => textSchema(z, (text) => readSource(text, base)),
  },
  node: {
    flags: '--node <name>',
    description: 'which of the Node objects this node is',
    expects: 'the name of a Node object',
    fallback: undefined,
    environment: 'NODE_NAME',
    schema: (z) => z.string().min(1).max(253),
  },
  instance: {
    flags: '--instance <name>',
    description: 'which agent of this machine: several have different ones',
    expects: "1 to 32 of a-z, 0-9 and '-', not at either end, for example node-a",
    fallback: 'default',
    schema: (z) => z.string().regex(/^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$/),
  },
  runDir: {
    flags: '--run-dir <dir>',
    description: 'socket, records and locks of every instance',
    expects: 'a folder',
    fallback: '/run/sluice',
    schema: pathSchema,
  },
  stateDir: {
    flags: '--state-dir <dir>',
    description: 'what outlives a reboot',
    expects: 'a folder',
    fallback: '/var/lib/sluice',
    schema: pathSchema,
  },
  bpfRoot: {
    flags: '--bpf-root <dir>',
    description: 'a bpffs; programs and maps are pinned below it',
    expects: 'a folder of a bpffs',
    fallback: '/sys/fs/bpf',
    schema: pathSchema,
  },
  object: {
    flags: '--object <file>',
    description: 'the compiled eBPF programs; those of the installation by default',
    expects: 'a file',
    fallback: ({ object }: Installation) => object,
    schema: pathSchema,
  },
  attach: {
    flags: '--attach <mode>',
    description: 'how programs hang on interfaces; auto: tcx where the kernel has it',
    expects: ATTACH_MODES.join(', '),
    fallback: 'auto',
    schema: (z) => z.enum(ATTACH_MODES),
  },
  mtu: {
    flags: '--mtu <bytes>',
    description: 'of the pods’ interfaces; auto: that of the uplink, less what a tunnel adds where there may be one',
    expects: `a whole number from ${MTU_MIN} to ${MTU_MAX}, or auto`,
    fallback: 'auto',
    schema: (z) => z.union([z.literal('auto'), z.int().min(MTU_MIN).max(MTU_MAX)]),
    fromText: numberFromText,
  },
  routing: {
    flags: '--routing <mode>',
    description:
      'how pods of other nodes are reached; auto: by routes to neighbours, in VXLAN to others; none: somebody else does it',
    expects: ROUTING_MODES.join(', '),
    fallback: ROUTING_DEFAULTS.mode,
    schema: (z) => z.enum(ROUTING_MODES),
  },
  vxlanPort: {
    flags: '--vxlan-port <port>',
    description: 'UDP port of VXLAN, the same on every node and nobody else’s: what is not from a node is dropped',
    expects: 'a whole number from 1 to 65535',
    fallback: ROUTING_DEFAULTS.vxlanPort,
    schema: (z) => z.int().min(1).max(65_535),
    fromText: numberFromText,
  },
  vxlanVNI: {
    flags: '--vxlan-vni <number>',
    description: 'network identifier of VXLAN, the same on every node',
    expects: 'a whole number from 1 to 16777215',
    fallback: ROUTING_DEFAULTS.vni,
    schema: (z) => z.int().min(1).max(16_777_215),
    fromText: numberFromText,
  },
  masquerade: {
    flags: '--masquerade <boolean>',
    description: 'whether what pods send out of the cluster gets the address of their node',
    expects: 'true or false',
    fallback: ROUTING_DEFAULTS.masquerade,
    schema: (z) => z.boolean(),
    fromText: booleanFromText,
  },
  nonMasqueradeCIDRs: {
    flags: '--non-masquerade-cidr <cidr...>',
    description: 'destinations outside of the cluster that see the pods’ own addresses',
    expects: `at most ${NON_MASQUERADE_CIDRS_MAX} ranges like 192.168.0.0/16`,
    fallback: [],
    schema: (z) => z.array(textSchema(z, parseCidr)).max(NON_MASQUERADE_CIDRS_MAX),
  },
  flowTable: {
    flags: '--flow-table <flows>',
    description: 'flows seen both ways that the kernel remembers; auto: by the memory of the machine',
    expects: `auto, or a whole number from ${LIVE_FLOWS_MIN} to ${LIVE_FLOWS_MAX}`,
    fallback: 'auto',
    schema: (z) => z.union([z.literal('auto'), z.int().min(LIVE_FLOWS_MIN).max(LIVE_FLOWS_MAX)]),
    fromText: numberFromText,
  },
  flowTimeoutSeconds: {
    flags: '--flow-timeouts <list>',
    description: `after which silence a flow is forgotten; NAME=SECONDS,... on the command line. Names: ${FLOW_TIMEOUT_NAMES.join(', ')}`,
    expects: `1 to ${FLOW_TIMEOUT_SECONDS_MAX} seconds for ${FLOW_TIMEOUT_NAMES.join(', ')}`,
    fallback: {},
    schema: (z) => z.partialRecord(z.enum(FLOW_TIMEOUT_NAMES), z.int().min(1).max(FLOW_TIMEOUT_SECONDS_MAX)),
    fromText: numbersFromText,
  },
  serviceCIDRs: {
    flags: '--service-cidr <cidr...>',
    description: 'addresses of Services; those that no Service has lead nowhere',
    expects: 'ranges like 10.96.0.0/16',
    fallback: [],
    schema: (z) => z.array(textSchema(z, parseCidr)),
  },
  podWaitSeconds: {
    flags: '--pod-wait <seconds>',
    description: 'how long ADD waits for the pod to appear in the desired state',
    expects: `a whole number from 0 to ${POD_WAIT_MAX_SECONDS}`,
    fallback: 10,
    schema: (z) => z.int().min(0).max(POD_WAIT_MAX_SECONDS),
    fromText: numberFromText,
  },
  logLevel: {
    flags: '--log-level <level>',
    description: 'the least that is logged',
    expects: LOG_LEVELS.join(', '),
    fallback: 'info',
    schema: (z) => z.enum(LOG_LEVELS),
  },
  cniConf: {
    flags: '--cni-conf <dir>',
    description: 'where the container runtime reads its configurations: ours is put there once pods can be wired',
    expects: 'a folder, or none',
    fallback: 'none',
    schema: (z, base) => pathSchema(z, base).transform((path) => (path === resolve(base, 'none') ? undefined : path)),
  },
  healthAddress: {
    flags: '--health-address <address:port>',
    description: 'where probes, metrics and `sluice wait` are answered over HTTP; :PORT is every address of the node',
    expects: ':9971, 127.0.0.1:9971, [::1]:9971, or none',
    fallback: 'none',
    schema: (z) => textSchema(z, readListenAddress).transform((read) => (read === 'none' ? undefined : read)),
  },
  ownPod: {
    flags: '--own-pod <namespace/name>',
    description: 'the pod that this agent runs in: its annotations show the state of the node',
    expects: 'a namespace and a name like sluice-system/sluice-x7k2p, or none',
    fallback: 'none',
    schema: (z) => textSchema(z, readOwnPod).transform((read) => (read === 'none' ? undefined : read)),
  },
  procSys: {
    flags: '--proc-sys <dir>',
    description: 'where kernel settings are written; containers see /proc/sys read-only',
    expects: 'a folder',
    fallback: '/proc/sys',
    schema: pathSchema,
  },
};

export function toAgentOptions(settings: AgentSettings, memoryBytes: number = totalmem()): AgentOptions {
  const { flowTable, flowTimeoutSeconds } = settings;
  return {
    ...settings,
    flows: readFlowSettings(flowTable, flowTimeoutSeconds, memoryBytes),
    nodeRouting: {
      mode: settings.routing,
      vxlanPort: settings.vxlanPort,
      vni: settings.vxlanVNI,
      mtu: settings.mtu,
      masquerade: settings.masquerade,
      nonMasqueradeCidrs: settings.nonMasqueradeCIDRs,
      serviceRanges: settings.serviceCIDRs,
    },
  };
}

function readSource(text: string, base: string): SourceChoice | undefined {
  const [, kind, rest] = /^(manifests|kubernetes)(?::(.+))?$/s.exec(text) ?? [];
  if (kind === 'kubernetes') return { kind, config: readKubeChoice(rest, base) };
  return kind === 'manifests' && rest !== undefined ? { kind, folder: resolve(base, rest) } : undefined;
}

function readKubeChoice(text: string | undefined, base: string): KubeConfigChoice {
  if (text === undefined) return { kind: 'default' };
  return text === 'in-cluster' ? { kind: 'in-cluster' } : { kind: 'file', path: resolve(base, text) };
}
