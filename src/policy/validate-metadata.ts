/** `apiVersion`, `kind` and `metadata`, as far as Sluice reads them. */
import type { Labels } from './model.ts';
import { readAnnotations, readLabels } from './validate-labels.ts';
import { faultOfDnsLabel, faultOfDnsSubdomain } from './validate-name.ts';
import { type Place, expectObject, field, quote, readString } from './validate-place.ts';

export interface ObjectKind {
  readonly kind: string;
  readonly apiVersion: string;
  readonly namespaced: boolean;
  /** Syntax of metadata.name. */
  readonly faultOfName: (text: string) => string | undefined;
}

export const NAMESPACE: ObjectKind = {
  kind: 'Namespace',
  apiVersion: 'v1',
  namespaced: false,
  faultOfName: faultOfDnsLabel,
};
export const POD: ObjectKind = { kind: 'Pod', apiVersion: 'v1', namespaced: true, faultOfName: faultOfDnsSubdomain };
export const NODE: ObjectKind = { kind: 'Node', apiVersion: 'v1', namespaced: false, faultOfName: faultOfDnsSubdomain };
export const NETWORK_POLICY: ObjectKind = {
  kind: 'NetworkPolicy',
  apiVersion: 'networking.k8s.io/v1',
  namespaced: true,
  faultOfName: faultOfDnsSubdomain,
};

export const CLUSTER_NETWORK_POLICY: ObjectKind = {
  kind: 'ClusterNetworkPolicy',
  apiVersion: 'policy.networking.k8s.io/v1alpha2',
  namespaced: false,
  faultOfName: faultOfDnsSubdomain,
};

export interface Metadata {
  readonly name: string;
  /** `default` when a namespaced object names none; empty for others. */
  readonly namespace: string;
  /** Empty when there is none. */
  readonly uid: string;
  readonly labels: Labels;
  readonly annotations: Labels;
}

/**
 * Undefined when the object cannot be told from others: it is of another kind, has no name, or its namespace is no
 * namespace's name. A name of the wrong form is reported and kept.
 */
export function readMetadata(root: Place, kind: ObjectKind): Metadata | undefined {
  if (!expectObject(root) || !expectKind(root, kind)) return undefined;
  const { report } = root;
  const place = field(root, 'metadata');
  if (place === undefined) report.error('metadata', 'is missing');
  if (place === undefined || !expectObject(place)) return undefined;

  const labels = readLabels(field(place, 'labels'));
  const annotations = readAnnotations(field(place, 'annotations'));
  const uid = readString(field(place, 'uid')) ?? '';
  const namespace = readNamespaceName(place, kind);
  const name = readName(place, kind);
  return name === undefined || namespace === undefined ? undefined : { name, namespace, uid, labels, annotations };
}

/** Items of a list answer carry neither field, so absence is fine. */
function expectKind(root: Place, expected: ObjectKind): boolean {
  const kind = readString(field(root, 'kind')) ?? expected.kind;
  const apiVersion = readString(field(root, 'apiVersion')) ?? expected.apiVersion;
  if (kind !== expected.kind) {
    root.report.error('kind', `is ${quote(kind)}, expected ${quote(expected.kind)}`);
    return false;
  }
  if (apiVersion !== expected.apiVersion) {
    root.report.error('apiVersion', `is ${quote(apiVersion)}`, `write ${expected.apiVersion}`);
  }
  return true;
}

function readName(place: Place, kind: ObjectKind): string | undefined {
  const name = readString(field(place, 'name'));
  const { report } = place;
  if (name === undefined || name === '') {
    if (field(place, 'name') === undefined || name === '') report.error('metadata.name', 'is missing');
    return undefined;
  }
  const fault = kind.faultOfName(name);
  if (fault !== undefined) report.error('metadata.name', `${quote(name)} ${fault}`);
  return name;
}

function readNamespaceName(place: Place, kind: ObjectKind): string | undefined {
  if (!kind.namespaced) return '';
  const at = field(place, 'namespace');
  if (at === undefined) return 'default';
  const namespace = readString(at);
  if (namespace === undefined) return undefined;
  if (namespace === '') return 'default';
  const fault = faultOfDnsLabel(namespace);
  if (fault === undefined) return namespace;
  at.report.error(at.path, `${quote(namespace)} ${fault}`);
  return undefined;
}
