/**
 * A whole cluster in namespaces: nodes on a wire, each with an agent, an outside host, and pods that come and go
 * through the CNI launcher. Several may exist at one time. Everything is gone after `close`, or when the process ends.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type AgentOptions, AgentProcess } from './agent-process.ts';
import type { ApiServer } from './api-server.ts';
import type { CniInstance } from './cni-call.ts';
import { type ExternalHost, makeExternalHost } from './external-host.ts';
import { Ledger } from './ledger.ts';
import { ManifestFolder, type ManifestObject } from './manifest-folder.ts';
import { mapLimited } from './map-limited.ts';
import { makeNodeHost, type NodeHost, nodeManifest } from './node-host.ts';
import { PodHost, type PodSpec } from './pod-host.ts';
import { ServedManifests } from './served-manifests.ts';
import { Wire } from './wire.ts';

/** CNI calls at one time, as a runtime makes them (CNI-25). */
const STARTS_AT_ONCE = 8;

export interface ClusterOptions {
  readonly nodes: number;
  readonly attach: 'auto' | 'tcx' | 'clsact';
  /** Further options of the agents' command line. @default none */
  readonly settings?: readonly string[];
  /** Where the agents' desired state comes from. @default the folder of manifests itself */
  readonly api?: ApiServer;
  /** Where the folder of everything is made. @default that of temporary files */
  readonly parent?: string;
}

export interface PlacedPod extends PodSpec {
  /** Index of its node. */
  readonly node: number;
}

/** Which agent to run, and how, when it is not this tree's alone. */
export type AgentBuild = Pick<AgentOptions, 'build' | 'preload' | 'env' | 'until'>;

let clusters = 0;

export class ClusterHost implements AsyncDisposable {
  readonly ledger: Ledger = new Ledger();
  readonly manifests: ManifestFolder;
  readonly directory: string;
  #nodes: readonly NodeHost[] = [];
  #agents: AgentProcess[] = [];
  #external: ExternalHost | undefined;
  readonly #pods = new Map<string, PodHost>();
  readonly #options: ClusterOptions;
  readonly #api: ApiServer | undefined;
  readonly #number: number;

  private constructor(options: ClusterOptions) {
    const { api, parent } = options;
    this.#options = options;
    this.#api = api;
    clusters += 1;
    this.#number = clusters;
    this.directory = this.ledger.makeDirectory('sluice-test', parent);
    for (const name of ['manifests', 'staging', 'run', 'state', 'bpf']) mkdirSync(join(this.directory, name));
    const folders = [join(this.directory, 'manifests'), join(this.directory, 'staging')] as const;
    this.manifests = api === undefined ? new ManifestFolder(...folders) : new ServedManifests(...folders, api);
  }

  /** Returns when every agent is ready. Removes what it made when that fails. */
  static async start(options: ClusterOptions): Promise<ClusterHost> {
    const cluster = new ClusterHost(options);
    try {
      cluster.ledger.mountBpf(join(cluster.directory, 'bpf'));
      await cluster.#makeHosts(options.nodes);
      if (options.api !== undefined) cluster.#serve(options.api);
      cluster.#agents = await Promise.all(cluster.#nodes.map((node) => cluster.#startAgent(node)));
    } catch (error) {
      cluster.ledger.removeAll();
      throw error;
    }
    return cluster;
  }

  get nodes(): readonly NodeHost[] {
    return this.#nodes;
  }

  get external(): ExternalHost {
    if (this.#external === undefined) throw new Error('the cluster has no hosts yet');
    return this.#external;
  }

  get pods(): readonly PodHost[] {
    return [...this.#pods.values()];
  }

  node(index: number): NodeHost {
    const node = this.#nodes[index];
    if (node === undefined) throw new Error(`the cluster has no node ${index}`);
    return node;
  }

  agent(index: number): AgentProcess {
    const agent = this.#agents[index];
    if (agent === undefined) throw new Error(`the cluster has no agent ${index}`);
    return agent;
  }

  /** key: `namespace/name`. */
  pod(key: string): PodHost {
    const pod = this.#pods.get(key);
    if (pod === undefined) throw new Error(`the cluster has no pod ${key}`);
    return pod;
  }

  /** Where the agent of that node is reached by the launcher. */
  instance(index: number): CniInstance {
    const node = this.node(index);
    return {
      instance: this.#instanceName(node),
      runDir: join(this.directory, 'run'),
      stateDir: join(this.directory, 'state'),
      nodeNetns: node.netns,
    };
  }

  applyNamespace(name: string, labels: Readonly<Record<string, string>> = {}): void {
    const object: ManifestObject = {
      apiVersion: 'v1',
      kind: 'Namespace',
      metadata: { name, labels: { ...labels, 'kubernetes.io/metadata.name': name } },
    };
    this.manifests.apply(object);
  }

  /** Starts them side by side; returns when each has its network and every agent knows every address. */
  async startPods(specs: readonly PlacedPod[]): Promise<readonly PodHost[]> {
    const pods = await mapLimited(specs, STARTS_AT_ONCE, async (spec) => {
      const pod = this.preparePod(spec);
      await pod.start();
      return pod;
    });
    await this.sync();
    return pods;
  }

  /** With a namespace but without network: `start` it. */
  preparePod(spec: PlacedPod): PodHost {
    const pod = new PodHost(this.ledger, spec, this.node(spec.node), this.instance(spec.node), this.manifests);
    this.#pods.set(pod.key, pod);
    return pod;
  }

  async stopPod(key: string): Promise<void> {
    await this.pod(key).stop();
    this.#pods.delete(key);
  }

  /** Returns when the state of the manifests is in force on every node. An API server tells of it when it does: no wait. */
  async sync(): Promise<void> {
    if (this.#api !== undefined) return;
    await Promise.all(this.#agents.filter((agent) => agent.isRunning).map((agent) => agent.client.sync()));
  }

  /** A new agent for the node, whose last one has ended. @throws Error when it ends before it is ready. */
  async restartAgent(index: number, build: AgentBuild = {}): Promise<void> {
    if (this.agent(index).isRunning) throw new Error(`the agent of ${this.node(index).name} is still running`);
    this.#agents[index] = await this.#startAgent(this.node(index), build);
  }

  /** The end of every agent's log, for when something went wrong. */
  logTails(): string {
    return this.#agents.map((agent) => `--- agent of ${agent.name}\n${agent.logTail()}`).join('\n');
  }

  async close(): Promise<void> {
    try {
      await Promise.all(this.#agents.map((agent) => agent.stop()));
    } finally {
      this.ledger.removeAll();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #makeHosts(count: number): Promise<void> {
    const wire = await Wire.make(this.ledger);
    const indexes = Array.from({ length: count }, (_, index) => index);
    this.#external = await makeExternalHost(this.ledger, wire, count);
    this.#nodes = await Promise.all(indexes.map((index) => makeNodeHost(this.ledger, wire, index)));
    for (const node of this.#nodes) this.manifests.apply(nodeManifest(node));
  }

  /** Each node reaches the API server at its own 127.0.0.1. */
  #serve(api: ApiServer): void {
    for (const { netns, name } of this.#nodes) this.ledger.add(`API server of ${name}`, api.listenIn(netns.fd));
    writeFileSync(this.#kubeconfig, kubeconfigOf(api.port));
  }

  get #kubeconfig(): string {
    return join(this.directory, 'kubeconfig');
  }

  #startAgent(node: NodeHost, build: AgentBuild = {}): Promise<AgentProcess> {
    return AgentProcess.start(this.ledger, {
      nodeName: node.name,
      nodeNetns: node.netns,
      instance: this.#instanceName(node),
      manifests: this.manifests.directory,
      runDir: join(this.directory, 'run'),
      stateDir: join(this.directory, 'state'),
      bpfRoot: join(this.directory, 'bpf'),
      attach: this.#options.attach,
      settings: this.#options.settings ?? [],
      ...(this.#api === undefined ? {} : { source: `kubernetes:${this.#kubeconfig}` }),
      ...build,
    });
  }

  #instanceName(node: NodeHost): string {
    return `t${process.pid.toString(36)}-${this.#number}-${node.name}`;
  }
}

function kubeconfigOf(port: number): string {
  const cluster = { server: `http://127.0.0.1:${port}`, 'insecure-skip-tls-verify': true };
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'test', cluster }],
    users: [{ name: 'test', user: { token: 'test' } }],
    contexts: [{ name: 'test', context: { cluster: 'test', user: 'test' } }],
    'current-context': 'test',
  });
}
