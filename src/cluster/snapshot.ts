import type {
  ClusterChange,
  ClusterNetworkPolicy,
  LocalEndpoint,
  Namespace,
  NetworkPolicy,
  Node,
  Pod,
} from '../policy/model.ts';
import type { EndpointSlice, Service, ServiceChange } from '../service/model.ts';

/** Anything that a source or the agent can tell of. */
export type SnapshotChange = ClusterChange | ServiceChange;

/** The key of a namespaced object in changes and in the snapshot. */
export function objectKey(namespace: string, name: string): string {
  return `${namespace}/${name}`;
}

/**
 * The desired state as it is now. Holds every object that the sources and the agent told of, by key; `apply` is the only
 * way to change it.
 */
export class Snapshot {
  readonly #namespaces = new Map<string, Namespace>();
  readonly #pods = new Map<string, Pod>();
  readonly #networkPolicies = new Map<string, NetworkPolicy>();
  readonly #clusterNetworkPolicies = new Map<string, ClusterNetworkPolicy>();
  readonly #nodes = new Map<string, Node>();
  readonly #services = new Map<string, Service>();
  readonly #endpointSlices = new Map<string, EndpointSlice>();
  readonly #localEndpoints = new Map<number, LocalEndpoint>();
  /** How many live pods show the address. */
  readonly #liveAddresses = new Map<string, number>();
  #nodeAddresses: readonly string[] = [];
  #revision = 0;

  /** Counts the batches applied. */
  get revision(): number {
    return this.#revision;
  }

  /** By name. */
  get namespaces(): ReadonlyMap<string, Namespace> {
    return this.#namespaces;
  }

  /** By `namespace/name`. */
  get pods(): ReadonlyMap<string, Pod> {
    return this.#pods;
  }

  /** By `namespace/name`. */
  get networkPolicies(): ReadonlyMap<string, NetworkPolicy> {
    return this.#networkPolicies;
  }

  /** By name. */
  get clusterNetworkPolicies(): ReadonlyMap<string, ClusterNetworkPolicy> {
    return this.#clusterNetworkPolicies;
  }

  /** By name. */
  get nodes(): ReadonlyMap<string, Node> {
    return this.#nodes;
  }

  /** By `namespace/name`. */
  get services(): ReadonlyMap<string, Service> {
    return this.#services;
  }

  /** By `namespace/name`. */
  get endpointSlices(): ReadonlyMap<string, EndpointSlice> {
    return this.#endpointSlices;
  }

  /** By id. */
  get localEndpoints(): ReadonlyMap<number, LocalEndpoint> {
    return this.#localEndpoints;
  }

  /** Of the node's own interfaces. */
  get nodeAddresses(): readonly string[] {
    return this.#nodeAddresses;
  }

  /** The pod that has this name now; whether it is the one that was meant, only its uid says (NP-125). */
  pod(namespace: string, name: string): Pod | undefined {
    return this.#pods.get(objectKey(namespace, name));
  }

  /** Whether an endpoint of this node is the pod's (NP-125). */
  hasEndpoint({ namespace, name, uid }: Pod): boolean {
    const isOf = (endpoint: LocalEndpoint): boolean =>
      endpoint.namespace === namespace &&
      endpoint.name === name &&
      (endpoint.uid === '' || uid === '' || endpoint.uid === uid);
    return this.#localEndpoints.values().some(isOf);
  }

  /** Whether a pod that is neither finished (NP-120) nor on the host's network shows the address (canonical text). */
  isPodAddress(address: string): boolean {
    return this.#liveAddresses.has(address);
  }

  apply(changes: readonly SnapshotChange[]): void {
    for (const change of changes) {
      if (change.op === 'set') this.#set(change);
      else this.#delete(change);
    }
    this.#revision++;
  }

  #set(change: Extract<SnapshotChange, { op: 'set' }>): void {
    switch (change.kind) {
      case 'Namespace':
        this.#namespaces.set(change.object.name, change.object);
        break;
      case 'Pod':
        this.#replacePod(objectKey(change.object.namespace, change.object.name), change.object);
        break;
      case 'NetworkPolicy':
        this.#networkPolicies.set(objectKey(change.object.namespace, change.object.name), change.object);
        break;
      case 'ClusterNetworkPolicy':
        this.#clusterNetworkPolicies.set(change.object.name, change.object);
        break;
      case 'Node':
        this.#nodes.set(change.object.name, change.object);
        break;
      case 'Service':
        this.#services.set(objectKey(change.object.namespace, change.object.name), change.object);
        break;
      case 'EndpointSlice':
        this.#endpointSlices.set(objectKey(change.object.namespace, change.object.name), change.object);
        break;
      case 'LocalEndpoint':
        this.#localEndpoints.set(change.object.id, change.object);
        break;
      case 'NodeAddresses':
        this.#nodeAddresses = change.object;
        break;
    }
  }

  #delete(change: Extract<SnapshotChange, { op: 'delete' }>): void {
    switch (change.kind) {
      case 'Namespace':
        this.#namespaces.delete(change.key);
        break;
      case 'Pod':
        this.#replacePod(change.key, undefined);
        break;
      case 'NetworkPolicy':
        this.#networkPolicies.delete(change.key);
        break;
      case 'ClusterNetworkPolicy':
        this.#clusterNetworkPolicies.delete(change.key);
        break;
      case 'Node':
        this.#nodes.delete(change.key);
        break;
      case 'Service':
        this.#services.delete(change.key);
        break;
      case 'EndpointSlice':
        this.#endpointSlices.delete(change.key);
        break;
      case 'LocalEndpoint':
        this.#localEndpoints.delete(change.id);
        break;
    }
  }

  #replacePod(key: string, pod: Pod | undefined): void {
    for (const address of liveAddresses(this.#pods.get(key))) this.#countAddress(address, -1);
    for (const address of liveAddresses(pod)) this.#countAddress(address, 1);
    if (pod === undefined) this.#pods.delete(key);
    else this.#pods.set(key, pod);
  }

  #countAddress(address: string, by: number): void {
    const count = (this.#liveAddresses.get(address) ?? 0) + by;
    if (count === 0) this.#liveAddresses.delete(address);
    else this.#liveAddresses.set(address, count);
  }
}

function liveAddresses(pod: Pod | undefined): readonly string[] {
  return pod === undefined || pod.terminal || pod.hostNetwork ? [] : pod.podIPs;
}
