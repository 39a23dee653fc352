/** NetworkPolicies for the tests of the datapath, which need few and simple ones. */
import type { ManifestObject } from './manifest-folder.ts';

export function policyManifest(namespace: string, name: string, spec: object): ManifestObject {
  return { apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', metadata: { namespace, name }, spec };
}

/** Isolates the pods of that name's `pod` label, or all of the namespace, in these directions; allows nothing. */
export function isolation(namespace: string, types: readonly ('Ingress' | 'Egress')[], pod?: string): ManifestObject {
  const podSelector = pod === undefined ? {} : { matchLabels: { pod } };
  return policyManifest(namespace, `isolate-${pod ?? 'all'}`, { podSelector, policyTypes: types });
}
