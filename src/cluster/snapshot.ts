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
import { objectKey } from './object-key.ts';
import { type PackedPod, packPod } from './packed-pod.ts';
import { PodAddresses } from './pod-addresses.ts';
import { PodMap } from './pod-map.ts';

export { objectKey } from './object-key.ts';

/** Anything that a source or the agent can tell of. */
export type SnapshotChange = ClusterChange | ServiceChange;

export interface SnapshotOptions {
  /** Without them policies are passed over: whoever compiles them has no need of them as they were read. @default true */
  readonly keepsPolicies?: boolean;
}

/**
 * The desired state as it is now. Holds every object that the sources and the agent told of, by key; `apply` is the only
 * way to change it.
 */
export class Snapshot {
  readonly #namespaces = new Map<string, Namespace>();
  readonly #pods = new Map<string, PackedPod>();
  readonly #podMap = new PodMap(this.#pods);
  readonly #networkPolicies = new Map<string, NetworkPolicy>();
  readonly #clusterNetworkPolicies = new Map<string, ClusterNetworkPolicy>();
  readonly #nodes = new Map<string, Node>();
  readonly #services = new Map<string, Service>();
  readonly #endpointSlices = new Map<string, EndpointSlice>();
  readonly #localEndpoints = new Map<number, LocalEndpoint>();
  readonly #liveAddresses = new PodAddresses();
  readonly #keepsPolicies: boolean;
  #nodeAddresses: readonly string[] = [];
  #revision = 0;

  constructor(options: SnapshotOptions = {}) {
    this.#keepsPolicies = options.keepsPolicies ?? true;
  }

  /** Counts the batches applied. */
  get revision(): number {
    return this.#revision;
  }

  /** By name. */
  get namespaces(): ReadonlyMap<string, Namespace> {
    return this.#namespaces;
  }

  /** By `namespace/name`. Kept packed: to walk over all of them takes long. */
  get pods(): ReadonlyMap<string, Pod> {
    return this.#podMap;
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
    return this.#podMap.get(objectKey(namespace, name));
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
    return this.#liveAddresses.find(address) !== undefined;
  }

  /** `namespace/name` of such a pod; of one of them while several show it. */
  podAt(address: string): string | undefined {
    return this.#liveAddresses.find(address)?.key;
  }

  apply(changes: readonly SnapshotChange[]): void {
    for (const change of changes) {
      if (change.op === 'set') this.#set(change);
      else this.#delete(change);
    }
    this.#revision++;
  }

  #set(change: Extract<SnapshotChange, { op: 'set' }>): void {
    const isPolicy = change.kind === 'NetworkPolicy' || change.kind === 'ClusterNetworkPolicy';
    if (isPolicy && !this.#keepsPolicies) return;
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
    const before = this.#pods.get(key);
    if (before !== undefined) this.#liveAddresses.delete(before);
    if (pod === undefined) {
      this.#pods.delete(key);
      return;
    }
    const packed = packPod(pod, before?.key ?? key);
    this.#pods.set(packed.key, packed);
    this.#liveAddresses.add(packed);
  }
}
