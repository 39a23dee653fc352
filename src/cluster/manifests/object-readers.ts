import type { Namespace, NetworkPolicy, Node, Pod } from '../../policy/model.ts';
import { type Read, readNamespace, readNetworkPolicy, readNode, readPod } from '../../policy/validate.ts';

export type KnownKind = 'Namespace' | 'Node' | 'Pod' | 'NetworkPolicy';
export type KnownObject = Namespace | Node | Pod | NetworkPolicy;

/** How a kind is read. */
export interface ObjectReader {
  readonly kind: KnownKind;
  readonly apiVersion: string;
  readonly namespaced: boolean;
  readonly read: (raw: unknown) => Read<KnownObject>;
}

const ALL: readonly ObjectReader[] = [
  { kind: 'Namespace', apiVersion: 'v1', namespaced: false, read: readNamespace },
  { kind: 'Node', apiVersion: 'v1', namespaced: false, read: readNode },
  { kind: 'Pod', apiVersion: 'v1', namespaced: true, read: readPod },
  { kind: 'NetworkPolicy', apiVersion: 'networking.k8s.io/v1', namespaced: true, read: readNetworkPolicy },
];

/** By kind. */
export const READERS: ReadonlyMap<string, ObjectReader> = new Map(ALL.map((reader) => [reader.kind, reader]));
