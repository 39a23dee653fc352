/**
 * A whole cluster judged at once: every live pod is an endpoint of one compiler, so the verdict at any pod is the one
 * that its node would enforce. What depends on places and not on policies (a pod's own node, itself) is not here.
 */
import { addressKey } from './address-key.ts';
import { parseAddress } from '../net/address.ts';
import { containsAddress, parseCidr, type Cidr } from '../net/cidr.ts';
import { Compiler, type CompileResult } from './compiler.ts';
import { ADDRESS_KEY_BYTES } from './ids.ts';
import type { ClusterChange, ClusterNetworkPolicy, Namespace, NetworkPolicy, Node, Pod } from './model.ts';
import { type Direction, TableReader } from './simulate.ts';

/** Who has an address. */
export type Party =
  | { readonly kind: 'pod'; readonly pod: Pod }
  /** Inside a podCIDR, of no pod that is known. */
  | { readonly kind: 'unknown-pod' }
  /** Of a node, or of pods on its network. */
  | { readonly kind: 'node'; readonly nodes: readonly string[] }
  | { readonly kind: 'outside' };

export interface EndpointPolicies {
  readonly ingress: readonly string[];
  readonly egress: readonly string[];
}

/** Protocols by the numbers that tables are asked with. */
export const IP_PROTOCOLS = { TCP: 6, UDP: 17, SCTP: 132, ICMP: 1, ICMPv6: 58 } as const;
export type FlowProtocol = keyof typeof IP_PROTOCOLS;

/** A node of the compiler's that no object can have the name of. */
const NO_NODE = '';

export class DryRun {
  readonly namespaces: ReadonlyMap<string, Namespace>;
  /** By `namespace/name`; all, finished ones too. */
  readonly pods: ReadonlyMap<string, Pod>;
  readonly policies: ReadonlyMap<string, NetworkPolicy>;
  /** By name. */
  readonly clusterPolicies: ReadonlyMap<string, ClusterNetworkPolicy>;
  readonly nodes: ReadonlyMap<string, Node>;
  readonly compiler: Compiler;
  readonly result: CompileResult;
  readonly reader: TableReader;
  readonly #endpointOf = new Map<string, number>();
  readonly #policiesOf = new Map<string, EndpointPolicies>();
  /** Live pods by address; several make it an unknown pod's (NP-29). */
  readonly #podsAt = new Map<string, readonly Pod[]>();
  readonly #nodesAt = new Map<string, readonly string[]>();
  readonly #podCidrs: readonly Cidr[];

  /**
   * `subjects`: pods that will be asked about, `namespace/name`, among each other and with addresses that are no pod's; the
   * others, and policies of namespaces that none of them is in, are not compiled. @default every live pod
   */
  constructor(changes: readonly ClusterChange[], subjects?: ReadonlySet<string>) {
    const { namespaces, pods, policies, clusterPolicies, nodes } = objectsOf(changes);
    this.namespaces = namespaces;
    this.pods = pods;
    this.policies = policies;
    this.clusterPolicies = clusterPolicies;
    this.nodes = nodes;
    this.compiler = new Compiler({ node: NO_NODE });
    this.#listPods();
    const asked = subjects && this.#askedPods(subjects);
    // Before the pods: then each is known to be an endpoint when it comes.
    for (const [key, pod] of asked ?? pods) if (!pod.terminal && !pod.hostNetwork) this.#addEndpoint(key, pod);
    const needed = asked === undefined ? changes : neededFor(changes, asked);
    for (const change of needed) this.compiler.update(change);
    this.result = this.compiler.compile();
    this.reader = new TableReader(this.result.tables);
    this.#listPolicies();
    this.#listNodeAddresses();
    this.#podCidrs = [...nodes.values()].flatMap(({ podCIDRs }) => podCIDRs.flatMap((text) => parseCidr(text) ?? []));
  }

  /** The pod's endpoint in the tables; undefined for pods that are no subject (NP-83, NP-120), or were not to be asked about. */
  endpointOf(podKey: string): number | undefined {
    return this.#endpointOf.get(podKey);
  }

  /** Policies that isolate the pod, `namespace/name`, sorted. */
  policiesOf(podKey: string): EndpointPolicies {
    return this.#policiesOf.get(podKey) ?? { ingress: [], egress: [] };
  }

  /** The compiler's verdict at one pod. Undefined when the pod is no subject. */
  judge(
    podKey: string,
    direction: Direction,
    peer: string,
    protocol: FlowProtocol,
    port: number,
  ): 'allow' | 'deny' | undefined {
    const endpoint = this.#endpointOf.get(podKey);
    if (endpoint === undefined) return undefined;
    return this.reader.judge(endpoint, direction, peer, IP_PROTOCOLS[protocol], port);
  }

  /** Canonical text. */
  partyAt(address: string): Party {
    const pods = this.#podsAt.get(address);
    if (pods !== undefined) {
      const [pod] = pods;
      return pod === undefined || pods.length > 1 ? { kind: 'unknown-pod' } : { kind: 'pod', pod };
    }
    const nodes = this.#nodesAt.get(address);
    if (nodes !== undefined) return { kind: 'node', nodes };
    const parsed = parseAddress(address);
    const isPods = parsed !== undefined && this.#podCidrs.some((cidr) => containsAddress(cidr, parsed));
    return { kind: isPods ? 'unknown-pod' : 'outside' };
  }

  /** Class of an address in the tables: equal classes give equal answers to every rule. */
  classAt(address: string): number {
    const parsed = parseAddress(address);
    if (parsed === undefined) throw new RangeError(`${JSON.stringify(address)} is not an IP address`);
    return this.reader.classOf(
      Uint8Array.from({ length: ADDRESS_KEY_BYTES }, (_, i) => addressKey(parsed).charCodeAt(i)),
    );
  }

  /** Addresses that several live pods claim, in words. */
  *contested(): Generator<string> {
    for (const [address, pods] of this.#podsAt) {
      if (pods.length < 2) continue;
      const names = pods.map(({ namespace, name }) => `${namespace}/${name}`);
      yield `${names.join(' and ')} have the same address, ${address}: it is treated as an unknown pod's`;
    }
  }

  /** Every address that is not like its neighbours because somebody has it. */
  *knownAddresses(): Generator<string> {
    yield* this.#podsAt.keys();
    yield* this.#nodesAt.keys();
  }

  #listPods(): void {
    for (const pod of this.pods.values()) {
      if (pod.terminal || pod.hostNetwork) continue;
      for (const address of pod.podIPs) {
        const others = this.#podsAt.get(address);
        this.#podsAt.set(address, others === undefined ? [pod] : [...others, pod]);
      }
    }
  }

  /** Whoever else has an address of theirs may be meant by it, and must be there for neither to win (NP-29). */
  #askedPods(subjects: ReadonlySet<string>): ReadonlyMap<string, Pod> {
    const asked = new Map<string, Pod>();
    const add = (key: string, pod: Pod): void => {
      if (asked.has(key)) return;
      asked.set(key, pod);
      for (const address of pod.podIPs)
        for (const other of this.#podsAt.get(address) ?? []) add(`${other.namespace}/${other.name}`, other);
    };
    for (const key of subjects) {
      const pod = this.pods.get(key);
      if (pod !== undefined) add(key, pod);
    }
    return asked;
  }

  #addEndpoint(key: string, pod: Pod): void {
    const id = this.#endpointOf.size + 1;
    this.#endpointOf.set(key, id);
    const { namespace, name, uid, podIPs } = pod;
    this.compiler.update({ kind: 'LocalEndpoint', op: 'set', object: { id, namespace, name, uid, addresses: podIPs } });
  }

  #listPolicies(): void {
    const { endpoints } = this.result.tables;
    for (const [key, id] of this.#endpointOf) {
      // Ids were given from 1 without a gap, and tables are sorted by them.
      const ingress = endpoints.ingressPolicies[id - 1] ?? [];
      const egress = endpoints.egressPolicies[id - 1] ?? [];
      this.#policiesOf.set(key, { ingress, egress });
    }
  }

  #listNodeAddresses(): void {
    const add = (address: string, node: string): void => {
      if (this.#podsAt.has(address)) return;
      const nodes = this.#nodesAt.get(address) ?? [];
      if (!nodes.includes(node)) this.#nodesAt.set(address, [...nodes, node]);
    };
    for (const node of this.nodes.values()) for (const address of node.addresses) add(address, node.name);
    for (const pod of this.pods.values()) {
      if (pod.hostNetwork && !pod.terminal) for (const address of pod.podIPs) add(address, pod.nodeName);
    }
  }
}

/** What has a say about these pods. */
function neededFor(changes: readonly ClusterChange[], pods: ReadonlyMap<string, Pod>): readonly ClusterChange[] {
  const namespaces = new Set(Array.from(pods.values(), ({ namespace }) => namespace));
  return changes.filter((change) => {
    if (change.op !== 'set') return true;
    const { kind, object } = change;
    if (kind === 'Pod') return pods.has(`${object.namespace}/${object.name}`);
    if (kind === 'NetworkPolicy') return namespaces.has(object.namespace);
    return kind !== 'Namespace' || namespaces.has(object.name);
  });
}

function objectsOf(
  changes: readonly ClusterChange[],
): Pick<DryRun, 'namespaces' | 'pods' | 'policies' | 'clusterPolicies' | 'nodes'> {
  const namespaces = new Map<string, Namespace>();
  const pods = new Map<string, Pod>();
  const policies = new Map<string, NetworkPolicy>();
  const clusterPolicies = new Map<string, ClusterNetworkPolicy>();
  const nodes = new Map<string, Node>();
  for (const change of changes) {
    if (change.op !== 'set') continue;
    switch (change.kind) {
      case 'Namespace':
        namespaces.set(change.object.name, change.object);
        break;
      case 'Pod':
        pods.set(`${change.object.namespace}/${change.object.name}`, change.object);
        break;
      case 'NetworkPolicy':
        policies.set(`${change.object.namespace}/${change.object.name}`, change.object);
        break;
      case 'Node':
        nodes.set(change.object.name, change.object);
        break;
      case 'ClusterNetworkPolicy':
        clusterPolicies.set(change.object.name, change.object);
        break;
      case 'LocalEndpoint':
      case 'NodeAddresses':
        break;
    }
  }
  return { namespaces, pods, policies, clusterPolicies, nodes };
}
