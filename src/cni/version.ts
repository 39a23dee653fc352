/** Versions of the CNI specification (CNI-3, CNI-53), and since when a verb exists. */
import { CniCode, CniError } from './error.ts';

/** Ascending; launcher/config.c has the same list. */
export const SUPPORTED_VERSIONS = ['0.3.0', '0.3.1', '0.4.0', '1.0.0', '1.1.0'] as const;
export type CniVersion = (typeof SUPPORTED_VERSIONS)[number];

/** Of an error object, when the request's version cannot be read. */
export const FALLBACK_VERSION: CniVersion = '1.0.0';

export const COMMANDS = ['ADD', 'DEL', 'CHECK', 'STATUS', 'GC', 'VERSION'] as const;
export type CniCommand = (typeof COMMANDS)[number];

const SINCE: Readonly<Record<CniCommand, CniVersion>> = {
  ADD: '0.3.0',
  DEL: '0.3.0',
  CHECK: '0.4.0',
  STATUS: '1.1.0',
  GC: '1.1.0',
  VERSION: '0.3.0',
};

/** @throws CniError code 1 when the version is missing or not supported (CNI-3). */
export function parseVersion(text: string | undefined): CniVersion {
  const version = SUPPORTED_VERSIONS.find((supported) => supported === text);
  if (version !== undefined) return version;
  const problem =
    text === undefined ? 'the network configuration has no cniVersion' : `cniVersion "${text}" is not supported`;
  throw new CniError(CniCode.incompatibleVersion, problem, `supported: ${SUPPORTED_VERSIONS.join(', ')}`);
}

/** Whether `version` is `than` or later. */
export function isAtLeast(version: CniVersion, than: CniVersion): boolean {
  return SUPPORTED_VERSIONS.indexOf(version) >= SUPPORTED_VERSIONS.indexOf(than);
}

/** @throws CniError code 1 for a verb that the configuration's version does not have (CNI-40, CNI-50, CNI-51). */
export function requireCommand(command: CniCommand, version: CniVersion): void {
  if (isAtLeast(version, SINCE[command])) return;
  const problem = `${command} does not exist in cniVersion "${version}"`;
  throw new CniError(CniCode.incompatibleVersion, problem, `it came with ${SINCE[command]}`);
}
