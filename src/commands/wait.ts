/**
 * `sluice wait networkpolicy/NAME -n NS`: returns when every node enforces the policy as the API server has it now. Each
 * agent is asked itself, through the API server, so it needs a kubeconfig and no way to the nodes.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { HttpTransport } from '../cluster/kubernetes/http-transport.ts';
import { type KubeConfigChoice, loadKubeCredentials } from '../cluster/kubernetes/kube-credentials.ts';
import { ApiClient } from '../cluster/kubernetes/api-client.ts';
import { systemClock } from '../lib/clock.ts';
import { ConfigError } from '../lib/errors.ts';
import { EXIT_NO, endWith } from './support/exit-code.ts';
import { count, formatTable, indent, print, printData, readFormat } from './support/output.ts';
import { askNodes, type NodeState, policyVersion } from './support/realized-on-nodes.ts';

export interface WaitOptions {
  readonly namespace?: string;
  /** Seconds. */
  readonly timeout: string;
  /** Where Sluice is installed. */
  readonly systemNamespace: string;
  readonly context?: string;
  readonly kubeconfig?: string;
  readonly output: string;
}

export interface WaitTarget {
  readonly kind: 'NetworkPolicy' | 'ClusterNetworkPolicy';
  /** Empty for ClusterNetworkPolicies. */
  readonly namespace: string;
  readonly name: string;
}

const KINDS: Readonly<Record<string, WaitTarget['kind']>> = {
  networkpolicy: 'NetworkPolicy',
  networkpolicies: 'NetworkPolicy',
  netpol: 'NetworkPolicy',
  clusternetworkpolicy: 'ClusterNetworkPolicy',
  clusternetworkpolicies: 'ClusterNetworkPolicy',
  cnp: 'ClusterNetworkPolicy',
};
const ROUND_MS = 1_000;
const TIMEOUT_SECONDS_MAX = 86_400;

export async function runWait(target: string, options: WaitOptions): Promise<void> {
  const wanted = readTarget(target, options.namespace);
  const seconds = Number(options.timeout);
  if (!/^[0-9]{1,6}$/.test(options.timeout) || seconds < 1 || seconds > TIMEOUT_SECONDS_MAX) {
    throw new ConfigError(`--timeout ${JSON.stringify(options.timeout)}: use seconds from 1 to ${TIMEOUT_SECONDS_MAX}`);
  }
  const format = readFormat(options.output, ['table', 'json', 'yaml']);
  const transport = new HttpTransport(await loadKubeCredentials(choiceOf(options)));
  try {
    const client = new ApiClient(transport, systemClock);
    const states = await waitForNodes(
      client,
      wanted,
      options.systemNamespace,
      systemClock.monotonicMs() + seconds * 1000,
    );
    const isEverywhere = states.length > 0 && states.every(({ state }) => state === 'realized');
    if (format === 'table') print(table(wanted, states));
    else printData(format, { ...wanted, realized: isEverywhere, nodes: states });
    if (!isEverywhere) endWith(EXIT_NO);
  } finally {
    transport.close();
  }
}

/** @throws ConfigError for what is no policy. */
export function readTarget(text: string, namespace: string | undefined): WaitTarget {
  const [, prefix = '', name = ''] = /^([^/]*)\/([^/]+)$/.exec(text) ?? [];
  // kubectl's long form: networkpolicies.networking.k8s.io/NAME.
  const kind = KINDS[prefix.toLowerCase().split('.')[0] ?? ''];
  if (kind === undefined || name === '') {
    throw new ConfigError(
      `${JSON.stringify(text)}: use networkpolicy/NAME with -n NAMESPACE, or clusternetworkpolicy/NAME`,
    );
  }
  if (kind === 'ClusterNetworkPolicy') return { kind, namespace: '', name };
  return { kind, namespace: namespace ?? 'default', name };
}

/** One round after the other, over the nodes that do not enforce it yet; at the deadline as they are. */
async function waitForNodes(
  client: ApiClient,
  target: WaitTarget,
  systemNamespace: string,
  deadlineMs: number,
): Promise<readonly NodeState[]> {
  const version = await policyVersion(client, target);
  for (;;) {
    const states = await askNodes(client, { ...target, ...version }, systemNamespace);
    if (states.length > 0 && states.every(({ state }) => state === 'realized')) return states;
    if (systemClock.monotonicMs() + ROUND_MS >= deadlineMs) return states;
    await delay(ROUND_MS);
  }
}

function choiceOf({ kubeconfig, context }: WaitOptions): KubeConfigChoice {
  const named = context === undefined ? {} : { context };
  return kubeconfig === undefined ? { kind: 'default', ...named } : { kind: 'file', path: kubeconfig, ...named };
}

function subjectOf({ kind, namespace, name }: WaitTarget): string {
  return `${kind} ${namespace === '' ? '' : `${namespace}/`}${name}`;
}

function table(target: WaitTarget, states: readonly NodeState[]): string {
  const missing = states.filter(({ state }) => state !== 'realized');
  if (states.length === 0) return `${subjectOf(target)}: the cluster has no nodes`;
  if (missing.length === 0) return `${subjectOf(target)} is enforced on ${count(states.length, 'node')}`;
  const rows = missing.map(({ node, state, reason }) => [node, state, reason]);
  return [
    `${subjectOf(target)} is not enforced on ${missing.length} of ${count(states.length, 'node')}:`,
    indent(formatTable(rows), 2),
  ].join('\n');
}
