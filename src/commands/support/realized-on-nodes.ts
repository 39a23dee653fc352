/** Which nodes of a cluster enforce a policy in a version, as their agents say it through the API server. */
import type { ApiClient } from '../../cluster/kubernetes/api-client.ts';
import { ApiError } from '../../cluster/kubernetes/api-error.ts';
import { readPage } from '../../cluster/kubernetes/raw-object.ts';
import { LIST_PAGES_MAX, PAGE_ITEMS } from '../../cluster/kubernetes/limits.ts';
import { ConfigError, errorMessage } from '../../lib/errors.ts';
import type { WaitTarget } from '../wait.ts';

export interface NodeState {
  readonly node: string;
  /** no-agent: nothing of Sluice runs there. no-answer: it could not be asked. The others are the agent's. */
  readonly state: 'realized' | 'not-seen' | 'not-realized' | 'no-agent' | 'no-answer';
  readonly reason: string;
}

interface Version {
  readonly uid: string;
  readonly generation: number;
}

/** Of the agents' pods, in deploy/base. */
const AGENT_SELECTOR = 'app.kubernetes.io/name=sluice,app.kubernetes.io/component=agent';
/** Name of the container port that serves /v1/realized. */
const PORT_NAME = 'health';
const ASKED_AT_A_TIME = 16;
const ANSWER_MS = 10_000;

/** @throws ConfigError when there is no such policy or it may not be read. */
export async function policyVersion(client: ApiClient, { kind, namespace, name }: WaitTarget): Promise<Version> {
  const path =
    kind === 'NetworkPolicy'
      ? `/apis/networking.k8s.io/v1/namespaces/${encodeURIComponent(namespace)}/networkpolicies/${encodeURIComponent(name)}`
      : `/apis/policy.networking.k8s.io/v1alpha2/clusternetworkpolicies/${encodeURIComponent(name)}`;
  const raw = await read(client, path, `${kind} ${namespace === '' ? '' : `${namespace}/`}${name}`);
  const { uid, generation } = recordOf(recordOf(raw)['metadata']);
  if (typeof uid !== 'string') throw new ConfigError(`the API server answered ${path} with what is no object`);
  return { uid, generation: typeof generation === 'number' ? generation : 0 };
}

/** One entry for every node, sorted by name. */
export async function askNodes(
  client: ApiClient,
  asked: WaitTarget & Version,
  systemNamespace: string,
): Promise<readonly NodeState[]> {
  const nodes = await names(client);
  const agents = await agentPods(client, systemNamespace);
  const states: NodeState[] = [];
  const waiting = [...nodes];
  const work = async (): Promise<void> => {
    for (let node = waiting.shift(); node !== undefined; node = waiting.shift()) {
      states.push(await askNode(client, node, agents.get(node), asked, systemNamespace));
    }
  };
  await Promise.all(Array.from({ length: ASKED_AT_A_TIME }, work));
  return states.toSorted((a, b) => (a.node < b.node ? -1 : 1));
}

interface AgentPod {
  readonly name: string;
  readonly port: number | undefined;
}

async function names(client: ApiClient): Promise<readonly string[]> {
  const items = await listAll(client, '/api/v1/nodes', {}, 'nodes');
  return items.flatMap((item) => {
    const { name } = recordOf(recordOf(item)['metadata']);
    return typeof name === 'string' ? [name] : [];
  });
}

/** By node; a pod that is on its way out does not count where another runs. */
async function agentPods(client: ApiClient, namespace: string): Promise<ReadonlyMap<string, AgentPod>> {
  const path = `/api/v1/namespaces/${encodeURIComponent(namespace)}/pods`;
  const items = await listAll(client, path, { labelSelector: AGENT_SELECTOR }, `pods of namespace ${namespace}`);
  const pods = new Map<string, AgentPod>();
  for (const item of items) {
    const { metadata, spec, status } = recordOf(item);
    const { name, deletionTimestamp } = recordOf(metadata);
    const { nodeName } = recordOf(spec);
    if (typeof name !== 'string' || typeof nodeName !== 'string' || recordOf(status)['phase'] !== 'Running') continue;
    if (deletionTimestamp !== undefined && pods.has(nodeName)) continue;
    pods.set(nodeName, { name, port: healthPort(spec) });
  }
  return pods;
}

function healthPort(spec: unknown): number | undefined {
  const containers = listOf(recordOf(spec)['containers']);
  const ports = containers.flatMap((container) => listOf(recordOf(container)['ports'])).map(recordOf);
  const port = ports.find(({ name }) => name === PORT_NAME)?.['containerPort'];
  return typeof port === 'number' ? port : undefined;
}

async function askNode(
  client: ApiClient,
  node: string,
  pod: AgentPod | undefined,
  { kind, namespace, name, uid, generation }: WaitTarget & Version,
  systemNamespace: string,
): Promise<NodeState> {
  if (pod === undefined) return { node, state: 'no-agent', reason: 'no agent of Sluice runs on it' };
  if (pod.port === undefined) {
    return { node, state: 'no-answer', reason: `pod ${pod.name} has no container port named ${PORT_NAME}` };
  }
  const path = `/api/v1/namespaces/${systemNamespace}/pods/${pod.name}:${pod.port}/proxy/v1/realized`;
  try {
    const query = { kind, namespace, name, uid, generation: String(generation) };
    const answer = recordOf(await client.json(path, query, AbortSignal.timeout(ANSWER_MS)));
    const { state, reason } = answer;
    if (state === 'realized' || state === 'not-seen' || state === 'not-realized') {
      return { node, state, reason: typeof reason === 'string' ? reason : '' };
    }
    return { node, state: 'no-answer', reason: 'the agent answered in a way that this version does not know' };
  } catch (error) {
    if (error instanceof ApiError && error.kind === 'forbidden') {
      throw new ConfigError(`${errorMessage(error)}; needed: get on pods/proxy in namespace ${systemNamespace}`, {
        cause: error,
      });
    }
    return { node, state: 'no-answer', reason: errorMessage(error) };
  }
}

async function listAll(
  client: ApiClient,
  path: string,
  query: Readonly<Record<string, string>>,
  what: string,
): Promise<readonly unknown[]> {
  const items: unknown[] = [];
  let more: Readonly<Record<string, string>> = {};
  for (let pages = 0; pages < LIST_PAGES_MAX; pages++) {
    const page = readPage(await read(client, path, what, { ...query, limit: String(PAGE_ITEMS), ...more }));
    items.push(...page.items);
    if (page.continue === '') return items;
    more = { continue: page.continue };
  }
  throw new ConfigError(`the list of ${what} does not end`);
}

async function read(
  client: ApiClient,
  path: string,
  what: string,
  query: Readonly<Record<string, string>> = {},
): Promise<unknown> {
  try {
    return await client.json(path, query, AbortSignal.timeout(ANSWER_MS));
  } catch (error) {
    throw new ConfigError(`${what} cannot be read: ${errorMessage(error)}`, { cause: error });
  }
}

function recordOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}
