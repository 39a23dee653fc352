/** CNI_ARGS (CNI-13): `K=V;K=V`. */
import { CniCode, CniError } from './error.ts';

/** The pod as the runtime names it. Absent for containers that are not pods. */
export interface PodArgs {
  readonly namespace?: string;
  readonly name?: string;
  readonly uid?: string;
  readonly infraContainerId?: string;
}

const KEYS = {
  K8S_POD_NAMESPACE: 'namespace',
  K8S_POD_NAME: 'name',
  K8S_POD_UID: 'uid',
  K8S_POD_INFRA_CONTAINER_ID: 'infraContainerId',
} as const;

function isKnown(key: string): key is keyof typeof KEYS {
  return Object.hasOwn(KEYS, key);
}

/**
 * An empty text has no arguments. Empty values count as absent.
 * @throws CniError code 4 for a pair without `=`, and for an unknown key unless IgnoreUnknown is `1` or `true`.
 */
export function parseArgs(text: string): PodArgs {
  const args: { -readonly [K in keyof PodArgs]: PodArgs[K] } = {};
  const unknown: string[] = [];
  let ignoresUnknown = false;
  for (const pair of text.split(';')) {
    if (pair === '') continue;
    const equals = pair.indexOf('=');
    if (equals <= 0) throw new CniError(CniCode.invalidEnvironment, `CNI_ARGS: "${pair}" is not KEY=VALUE`);
    const key = pair.slice(0, equals);
    const value = pair.slice(equals + 1);
    if (key === 'IgnoreUnknown') ignoresUnknown = value === '1' || value.toLowerCase() === 'true';
    else if (!isKnown(key)) unknown.push(key);
    else if (value !== '') args[KEYS[key]] = value;
  }
  if (unknown.length > 0 && !ignoresUnknown) {
    throw new CniError(
      CniCode.invalidEnvironment,
      `CNI_ARGS has unknown keys: ${unknown.join(', ')}`,
      `known are ${Object.keys(KEYS).join(', ')}; IgnoreUnknown=1 allows others`,
    );
  }
  return args;
}
