/**
 * A cluster with traffic that must and traffic that must not pass while the agent of its first node is replaced: pods x/a,
 * x/b, x/c on that node, x/d on another. b speaks to nobody by itself and hears a and d, so that its answers pass by their
 * flows alone; c hears nobody.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { join } from 'node:path';
import { type AgentBuild, ClusterHost, type ClusterOptions } from './cluster-host.ts';
import { TcpFlow } from './flow.ts';
import { dumpByFields, type EndpointOnNode, mapsOfProgram, pinnedMaps, programsOn } from './kernel-objects.ts';
import { PacketSocket } from './packet-socket.ts';
import { POD_INTERFACE } from './pod-host.ts';
import { isolation, policyManifest } from './policy-manifest.ts';
import { PATIENCE_MS } from './probe.ts';
import { type SequenceCount, SequenceFlow } from './sequence-flow.ts';
import { SERVED, targetOf } from './trio.ts';

const NODE_OF = { a: 0, b: 0, c: 0, d: 1 } as const;
/** Ethernet header, then the protocol at byte 9 of an IPv4 header. */
const IPV4_PROTOCOL_OFFSET = 23;
const UDP = 17;

/** Of neither protocol's servers. */
const PUSH_PORT = 9000;
const FLOWS = ['local', 'remote', 'localPush', 'remotePush'] as const;

/**
 * Lost packets of each allowed flow, and how many were sent: with a pod of the node and with one of another; echoed, or
 * pushed by b alone, so that nothing but the flow's entry lets them pass.
 */
export type Losses = Readonly<Record<(typeof FLOWS)[number], SequenceCount>>;

/** As the agent's status has it. */
export interface NodeEndpoint extends EndpointOnNode {
  /** `namespace/name`. */
  readonly pod: string;
}

export class UpgradeHost implements AsyncDisposable {
  readonly cluster: ClusterHost;
  readonly #parts = new DisposableStack();
  #sequences!: Readonly<Record<(typeof FLOWS)[number], SequenceFlow>>;
  #streams: readonly TcpFlow[] = [];
  #denied!: PacketSocket;

  private constructor(cluster: ClusterHost) {
    this.cluster = cluster;
  }

  static async start(attach: ClusterOptions['attach']): Promise<UpgradeHost> {
    const host = new UpgradeHost(await ClusterHost.start({ nodes: 2, attach }));
    try {
      await host.#fill();
    } catch (error) {
      await host[Symbol.asyncDispose]();
      throw error;
    }
    return host;
  }

  /** Ends the agent of the first node as it is and starts another. @throws Error when it ends before it is ready. */
  async replaceAgent(build: AgentBuild): Promise<void> {
    await this.cluster.agent(0).kill();
    await this.cluster.restartAgent(0, build);
  }

  /** Since the last call; a pause of `ms` is included. */
  async losses(ms = 0): Promise<Losses> {
    await delay(ms);
    const counts = FLOWS.map(async (flow) => [flow, await this.#sequences[flow].count()] as const);
    return Object.fromEntries(await Promise.all(counts)) as Losses;
  }

  /** Whether connections that were opened before everything still carry what is sent. */
  async streamsGoOn(): Promise<boolean> {
    const answers = await Promise.all(this.#streams.map((stream) => stream.exchange(1000, PATIENCE_MS)));
    return answers.every(Boolean);
  }

  /** Whether any datagram of the denied flow was seen at its receiver. */
  async deniedPassed(): Promise<boolean> {
    return this.#denied.sees((frame) => frame[IPV4_PROTOCOL_OFFSET] === UDP, 0);
  }

  get pinDirectory(): string {
    return join(this.cluster.directory, 'bpf', this.cluster.instance(0).instance);
  }

  async endpoints(): Promise<readonly NodeEndpoint[]> {
    const status = (await this.cluster.agent(0).client.get('/v1/status')) as { endpoints: readonly NodeEndpoint[] };
    return status.endpoints;
  }

  /** Whether the only programs on the pods' interfaces are of one load, and use the maps that are pinned. */
  async isOnPinnedMaps(): Promise<boolean> {
    const pinned = new Set((await pinnedMaps(this.pinDirectory)).values());
    const netns = this.cluster.node(0).netns;
    const programs = (await this.endpoints()).map((endpoint) => programsOn(this.pinDirectory, netns, endpoint));
    const used = await Promise.all([...new Set(programs.flat())].map(mapsOfProgram));
    return (
      programs.every(({ length }) => length === 2) &&
      used.length === 2 &&
      used.every((maps) => maps.filter((id) => pinned.has(id)).length > 8)
    );
  }

  /** Flows seen both ways as the pinned map has them, by the names of its fields. */
  async flows(): ReturnType<typeof dumpByFields> {
    const pins = [...(await pinnedMaps(this.pinDirectory)).keys()].filter((pin) => pin.startsWith('flows_live-'));
    return (await Promise.all(pins.map((pin) => dumpByFields(join(this.pinDirectory, pin))))).flat();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#parts.dispose();
    await this.cluster.close();
  }

  async #fill(): Promise<void> {
    const { cluster } = this;
    cluster.applyNamespace('x');
    cluster.manifests.apply(isolation('x', ['Ingress'], 'c'));
    cluster.manifests.apply(
      policyManifest('x', 'answers-only', {
        podSelector: { matchLabels: { pod: 'b' } },
        policyTypes: ['Ingress', 'Egress'],
        ingress: [{ from: ['a', 'd'].map((pod) => ({ podSelector: { matchLabels: { pod } } })) }],
      }),
    );
    const pods = Object.entries(NODE_OF);
    await cluster.startPods(
      pods.map(([name, node]) => ({ namespace: 'x', name, node, labels: { pod: name }, ports: SERVED })),
    );
    const udp = targetOf(cluster, 'b', 'UDP');
    const from = (pod: keyof typeof NODE_OF): (typeof cluster)['pods'][number]['netns'] =>
      cluster.pod(`x/${pod}`).netns;
    this.#denied = this.#parts.use(new PacketSocket(from('c'), POD_INTERFACE));
    this.#parts.use(await SequenceFlow.echoed(from('a'), targetOf(cluster, 'c', 'UDP')));
    const pushed = { ...udp, port: PUSH_PORT };
    this.#sequences = {
      local: this.#parts.use(await SequenceFlow.echoed(from('a'), udp)),
      remote: this.#parts.use(await SequenceFlow.echoed(from('d'), udp)),
      localPush: this.#parts.use(await SequenceFlow.pushed(from('a'), from('b'), pushed)),
      remotePush: this.#parts.use(await SequenceFlow.pushed(from('d'), from('b'), { ...pushed, port: PUSH_PORT + 1 })),
    };
    const tcp = targetOf(cluster, 'b', 'TCP');
    this.#streams = [
      this.#parts.use(await TcpFlow.open(from('a'), tcp, PATIENCE_MS)),
      this.#parts.use(await TcpFlow.open(from('d'), tcp, PATIENCE_MS)),
    ];
  }
}
