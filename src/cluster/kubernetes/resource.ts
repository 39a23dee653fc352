/** Which types of object are watched, and where the API server has them. */
import type { Problem, Read } from '../../policy/validate.ts';
import type { Pod } from '../../policy/model.ts';
import { type KnownObject, READERS } from '../object-readers.ts';
import { packPod } from '../packed-pod.ts';
import type { Packed } from '../packed.ts';

export type { Problem };

export interface Resource<T> {
  readonly kind: string;
  readonly apiVersion: string;
  /** Absolute, of all namespaces: `/apis/networking.k8s.io/v1/networkpolicies`. */
  readonly path: string;
  readonly namespaced: boolean;
  /** The server may not have the type: it comes with a CustomResourceDefinition. */
  readonly optional: boolean;
  /** Raw object -> the slim one that is kept. Must not throw. */
  readonly read: (raw: unknown) => Read<T>;
  /** How objects are kept. @param key the object's. @default as JSON */
  readonly pack?: (object: T, key: string) => Packed<T>;
}

/** Plural names, by kind. Kinds without a reader are passed over. */
const PLURALS: readonly { readonly kind: string; readonly plural: string; readonly optional: boolean }[] = [
  { kind: 'Namespace', plural: 'namespaces', optional: false },
  { kind: 'Node', plural: 'nodes', optional: false },
  { kind: 'Pod', plural: 'pods', optional: false },
  { kind: 'NetworkPolicy', plural: 'networkpolicies', optional: false },
  { kind: 'ClusterNetworkPolicy', plural: 'clusternetworkpolicies', optional: true },
  { kind: 'Service', plural: 'services', optional: false },
  { kind: 'EndpointSlice', plural: 'endpointslices', optional: false },
];

/** Everything that Sluice knows how to read. */
export function knownResources(): readonly Resource<KnownObject>[] {
  return PLURALS.flatMap(({ kind, plural, optional }) => {
    const reader = READERS.get(kind);
    if (reader === undefined) return [];
    const { apiVersion, namespaced, read } = reader;
    const root = apiVersion.includes('/') ? '/apis' : '/api';
    // What the reader of pods reads is pods.
    const pack = (object: KnownObject, key: string): Packed<KnownObject> => packPod(object as Pod, key);
    const resource = { kind, apiVersion, path: `${root}/${apiVersion}/${plural}`, namespaced, optional, read };
    return [kind === 'Pod' ? { ...resource, pack } : resource];
  });
}
