import type { ClusterNetworkPolicy, Namespace, NetworkPolicy, Node, Pod } from '../policy/model.ts';
import {
  type Read,
  readClusterNetworkPolicy,
  readNamespace,
  readNetworkPolicy,
  readNode,
  readPod,
} from '../policy/validate.ts';
import type { EndpointSlice, Service } from '../service/model.ts';
import { readEndpointSlice } from '../service/validate-endpoint-slice.ts';
import { readService } from '../service/validate-service.ts';
import { SharedParts } from './shared-parts.ts';

export type KnownKind =
  'Namespace' | 'Node' | 'Pod' | 'NetworkPolicy' | 'ClusterNetworkPolicy' | 'Service' | 'EndpointSlice';
export type KnownObject = Namespace | Node | Pod | NetworkPolicy | ClusterNetworkPolicy | Service | EndpointSlice;

/** How a kind is read. */
export interface ObjectReader {
  readonly kind: KnownKind;
  readonly apiVersion: string;
  readonly namespaced: boolean;
  readonly read: (raw: unknown) => Read<KnownObject>;
}

const parts = new SharedParts();

function readSharing(raw: unknown): Read<Pod> {
  const { object, problems } = readPod(raw);
  return { object: object && parts.share(object), problems };
}

const ALL: readonly ObjectReader[] = [
  { kind: 'Namespace', apiVersion: 'v1', namespaced: false, read: readNamespace },
  { kind: 'Node', apiVersion: 'v1', namespaced: false, read: readNode },
  { kind: 'Pod', apiVersion: 'v1', namespaced: true, read: readSharing },
  { kind: 'NetworkPolicy', apiVersion: 'networking.k8s.io/v1', namespaced: true, read: readNetworkPolicy },
  {
    kind: 'ClusterNetworkPolicy',
    apiVersion: 'policy.networking.k8s.io/v1alpha2',
    namespaced: false,
    read: readClusterNetworkPolicy,
  },
  { kind: 'Service', apiVersion: 'v1', namespaced: true, read: readService },
  { kind: 'EndpointSlice', apiVersion: 'discovery.k8s.io/v1', namespaced: true, read: readEndpointSlice },
];

/** By kind. */
export const READERS: ReadonlyMap<string, ObjectReader> = new Map(ALL.map((reader) => [reader.kind, reader]));
