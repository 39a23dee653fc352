/** One CNI request, from the body that the launcher sent or journalled (CNI-10, CNI-11). Nothing is looked up here. */
import { parseArgs, type PodArgs } from './args.ts';
import { decodeBody } from './body.ts';
import { configVersion, decodeConfig, networkName, parseConfig, type NetworkConfig } from './config.ts';
import { CniCode, CniError } from './error.ts';
import { CONTAINER_ID_BYTES_MAX, INTERFACE_NAME_BYTES_MAX } from './limits.ts';
import { parsePrevResult, parseValidAttachments, type PrevResult } from './prev-result.ts';
import { COMMANDS, requireCommand, type CniCommand, type CniVersion } from './version.ts';

/** What a runtime attaches and detaches; state is kept by it. */
export interface Attachment {
  readonly containerId: string;
  readonly ifname: string;
}

/** Of `CNI_CONTAINERID:CNI_IFNAME`; neither part can hold a `:`. */
export function attachmentKey(attachment: Attachment): string {
  return `${attachment.containerId}:${attachment.ifname}`;
}

export interface AddCall extends Attachment {
  readonly command: 'ADD';
  readonly cniVersion: CniVersion;
  /** CNI_NETNS, a path in the runtime's mount namespace: for the result only. */
  readonly netns: string;
  readonly pod: PodArgs;
  readonly config: NetworkConfig;
}

/** Configuration and arguments are not looked at: a DEL must not fail for what an ADD needs (CNI-30). */
export interface DelCall extends Attachment {
  readonly command: 'DEL';
  readonly cniVersion: CniVersion;
  /** May be empty. */
  readonly netns: string;
}

export interface CheckCall extends Attachment {
  readonly command: 'CHECK';
  readonly cniVersion: CniVersion;
  readonly netns: string;
  readonly prevResult: PrevResult;
}

export interface StatusCall {
  readonly command: 'STATUS';
  readonly cniVersion: CniVersion;
}

export interface GcCall {
  readonly command: 'GC';
  readonly cniVersion: CniVersion;
  /** The network whose attachments may go. */
  readonly network: string;
  readonly valid: readonly Attachment[];
}

/** Answered whatever the configuration is (CNI-53). */
export interface VersionCall {
  readonly command: 'VERSION';
}

export type CniCall = AddCall | DelCall | CheckCall | StatusCall | GcCall | VersionCall;

const REQUIRED: Readonly<Record<CniCommand, readonly string[]>> = {
  ADD: ['CNI_CONTAINERID', 'CNI_NETNS', 'CNI_IFNAME'],
  CHECK: ['CNI_CONTAINERID', 'CNI_NETNS', 'CNI_IFNAME'],
  DEL: ['CNI_CONTAINERID', 'CNI_IFNAME'],
  GC: ['CNI_PATH'],
  STATUS: [],
  VERSION: [],
};

const CONTAINER_ID = /^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/;
/** Printable ASCII without `%`, which the kernel takes for a pattern, and without `/` and `:`. */
const INTERFACE_NAME = /^[!-$&-.0-9;-~]+$/;

/** @throws CniError that says what is wrong with the request. */
export function parseCall(body: Uint8Array): CniCall {
  const { environment, config } = decodeBody(body);
  const command = parseCommand(environment.get('CNI_COMMAND') ?? '');
  if (command === 'VERSION') return { command };
  const missing = REQUIRED[command].filter((name) => (environment.get(name) ?? '') === '');
  if (missing.length > 0) {
    throw new CniError(CniCode.invalidEnvironment, `required env variables [${missing.join(', ')}] missing`);
  }
  const decoded = decodeConfig(config);
  const cniVersion = configVersion(decoded);
  requireCommand(command, cniVersion);
  if (command === 'STATUS') return { command, cniVersion };
  if (command === 'GC') {
    return { command, cniVersion, network: networkName(decoded), valid: parseValidAttachments(decoded) };
  }
  const attachment = parseAttachment(environment);
  const netns = environment.get('CNI_NETNS') ?? '';
  if (command === 'DEL') return { command, cniVersion, ...attachment, netns };
  if (command === 'CHECK') {
    return { command, cniVersion, ...attachment, netns, prevResult: parsePrevResult(decoded) };
  }
  const pod = parseArgs(environment.get('CNI_ARGS') ?? '');
  return { command, cniVersion, ...attachment, netns, pod, config: parseConfig(decoded) };
}

/** The version that the configuration names, supported or not; undefined when it cannot be read. */
export function statedVersion(body: Uint8Array): string | undefined {
  try {
    const version = decodeConfig(decodeBody(body).config)['cniVersion'];
    return typeof version === 'string' && version !== '' ? version : undefined;
  } catch (error) {
    if (error instanceof CniError) return undefined;
    throw error;
  }
}

function parseCommand(text: string): CniCommand {
  const command = COMMANDS.find((known) => known === text);
  if (command !== undefined) return command;
  throw new CniError(CniCode.invalidEnvironment, `CNI_COMMAND is "${text}"; it must be one of ${COMMANDS.join(', ')}`);
}

function parseAttachment(environment: ReadonlyMap<string, string>): Attachment {
  const containerId = environment.get('CNI_CONTAINERID') ?? '';
  const ifname = environment.get('CNI_IFNAME') ?? '';
  if (!CONTAINER_ID.test(containerId) || containerId.length > CONTAINER_ID_BYTES_MAX) {
    throw new CniError(
      CniCode.invalidEnvironment,
      `CNI_CONTAINERID is "${containerId}"; it must be a letter or digit, then letters, digits, '_', '.' and '-', ` +
        `at most ${CONTAINER_ID_BYTES_MAX} bytes`,
    );
  }
  const isDots = ifname === '.' || ifname === '..';
  if (!INTERFACE_NAME.test(ifname) || isDots || ifname.length > INTERFACE_NAME_BYTES_MAX) {
    throw new CniError(
      CniCode.invalidEnvironment,
      `CNI_IFNAME is "${ifname}"; it must be 1 to ${INTERFACE_NAME_BYTES_MAX} printable ASCII characters without ` +
        `'/', ':' and '%', and not '.' or '..'`,
    );
  }
  return { containerId, ifname };
}
