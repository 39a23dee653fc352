/** Where `sluice service` has its answers from: manifests, seen from one node, or a running agent. */
import type { ServicesAnswer } from '../../agent/service-routes.ts';
import type { LoadedCluster } from '../../cluster/manifests/load-cluster.ts';
import { ConfigError } from '../../lib/errors.ts';
import type { Node, Pod } from '../../policy/model.ts';
import { type FrontendView, viewFrontend } from '../../service/frontend-view.ts';
import type { ServiceProblem } from '../../service/problem.ts';
import { ServiceResolver } from '../../service/resolve.ts';
import { callAgent, type InstanceOptions, readStatus, readText } from '../local-agent.ts';
import { type InputOptions, readInput } from './input.ts';

export interface ServiceSourceOptions extends InputOptions, InstanceOptions {
  /** Which node's view. With manifests only. */
  readonly node?: string;
}

/** inForce: null where there is no kernel to ask. */
export interface SeenFrontend extends FrontendView {
  readonly inForce: boolean | null;
}

export interface SeenServices {
  /** Empty: no node's in particular. */
  readonly node: string;
  readonly zone: string;
  readonly frontends: readonly SeenFrontend[];
  readonly problems: readonly ServiceProblem[];
  /** What a person should know of how it was found. */
  readonly notes: readonly string[];
}

/** A pod that may be a client. */
export interface ClientPod {
  readonly addresses: readonly string[];
  /** Empty when not known. */
  readonly node: string;
  readonly hostNetwork: boolean;
}

export interface ServiceSource {
  /** service: `namespace/name`; all without it. node: seen from there. */
  readonly see: (service?: string, node?: string) => Promise<SeenServices>;
  /** Undefined: there is none. */
  readonly pod: (key: string) => Promise<ClientPod | undefined>;
}

/** @throws ConfigError when the options contradict each other or the input cannot be read. */
export async function openServiceSource(options: ServiceSourceOptions): Promise<ServiceSource> {
  if (options.file !== undefined) return new ManifestServices(await readInput(options), options.node);
  if (options.node !== undefined)
    throw new ConfigError('--node is for manifests (-f); an agent answers for its own node');
  return new AgentServices(options);
}

class ManifestServices implements ServiceSource {
  readonly #cluster: LoadedCluster;
  readonly #nodes: ReadonlyMap<string, Node>;
  readonly #pods: ReadonlyMap<string, Pod>;
  readonly #node: string | undefined;

  constructor(cluster: LoadedCluster, node: string | undefined) {
    this.#cluster = cluster;
    this.#node = node;
    const nodes = new Map<string, Node>();
    const pods = new Map<string, Pod>();
    for (const change of cluster.changes) {
      if (change.op !== 'set') continue;
      if (change.kind === 'Node') nodes.set(change.object.name, change.object);
      if (change.kind === 'Pod') pods.set(`${change.object.namespace}/${change.object.name}`, change.object);
    }
    this.#nodes = nodes;
    this.#pods = pods;
  }

  async see(service?: string, from = ''): Promise<SeenServices> {
    const node = this.#node ?? from;
    const zone = this.#nodes.get(node)?.zone ?? '';
    const resolver = new ServiceResolver({ location: { node, zone } });
    for (const change of this.#cluster.services) resolver.update(change);
    const { frontends, problems } = resolver.resolve();
    const seen = frontends.filter((frontend) => service === undefined || frontend.service === service);
    const notes: string[] = [];
    if (node !== '' && !this.#nodes.has(node))
      notes.push(`there is no Node ${node} in the input: its zone is not known`);
    if (node === '' && seen.some(({ trafficPolicy }) => trafficPolicy === 'Local')) {
      notes.push('what internalTrafficPolicy Local leaves depends on the node: name one with --node');
    }
    return {
      node,
      zone,
      frontends: seen.map((frontend) => ({ ...viewFrontend(frontend), inForce: null })),
      problems,
      notes,
    };
  }

  async pod(key: string): Promise<ClientPod | undefined> {
    const pod = this.#pods.get(key);
    return pod && { addresses: pod.podIPs, node: pod.nodeName, hostNetwork: pod.hostNetwork };
  }
}

class AgentServices implements ServiceSource {
  readonly #options: InstanceOptions;

  constructor(options: InstanceOptions) {
    this.#options = options;
  }

  async see(service?: string): Promise<SeenServices> {
    const query = service === undefined ? '' : `?service=${encodeURIComponent(service)}`;
    const text = await readText(await callAgent(this.#options, 'GET', `/v1/services${query}`));
    const { node, frontends, failure } = JSON.parse(text) as ServicesAnswer;
    const notes = failure === '' ? [] : [`the newest Services are not in force: ${failure}`];
    return { node, zone: '', frontends, problems: [], notes };
  }

  async pod(key: string): Promise<ClientPod | undefined> {
    const { node, endpoints } = await readStatus(this.#options);
    const endpoint = endpoints.find(({ pod }) => pod === key);
    return endpoint && { addresses: endpoint.addresses, node, hostNetwork: false };
  }
}
