/**
 * Clusters that a dry run is asked about, at the size of a large company's.
 *
 * WIDE is the shape of `cluster.ts` spread over 5,000 namespaces: each has 20 pods of 5 apps and 2 policies, which isolate all
 * of them in both directions; each policy admits one app to the next on a port of its own and on the port named `http`
 * (its number differs from app to app), one CIDR of 10,000, and one policy in ten reaches across 500 namespaces. Pods of one
 * app in one namespace are replicas: 25,000 kinds of pods.
 *
 * MUTUAL is 1,000 namespaces of 100 pods, each with a policy of its own that selects all of its pods and admits every pod of all
 * the namespaces, both ways, on a port that every tenth namespace shares: a million pairs of namespaces, all with something to
 * say. It is written in two forms: each policy names all namespaces by one label that they share, or each of them by its name.
 */
import type { ClusterChange, Labels, NetworkPolicy, NetworkPolicyPeer, Pod } from '../../src/policy/model.ts';
import { type ClusterSize, clusterChanges, LARGE, NODE, podAddress, podOf } from './cluster.ts';

export const WIDE: ClusterSize = {
  ...LARGE,
  name: '100,000 pods in 5,000 namespaces, 10,000 policies, 10,000 CIDRs',
  namespaces: 5_000,
  appsPerNamespace: 5,
  endpoints: 0,
};

export const MUTUAL = { name: '1,000 namespaces x 100 pods, all selecting each other', namespaces: 1_000, pods: 100 };

export function wideCluster(): readonly ClusterChange[] {
  return [...clusterChanges(WIDE)];
}

/** How a policy names all the namespaces: in one peer, or in one for each. */
export type PeerForm = 'one peer' | 'a peer each';

/** `local`: so many pods, of as many namespaces, are endpoints of this node. */
export function* mutualCluster(local: number, form: PeerForm): Generator<ClusterChange> {
  const { namespaces, pods } = MUTUAL;
  const names = Array.from({ length: namespaces }, (_, i) => `ns-${i}`);
  for (const name of names) {
    const labels = { 'kubernetes.io/metadata.name': name, mesh: 'on' };
    yield { kind: 'Namespace', op: 'set', object: { name, labels } };
  }
  for (let i = 0; i < namespaces * pods; i++) yield { kind: 'Pod', op: 'set', object: mutualPod(i, local) };
  for (const [i, name] of names.entries())
    yield { kind: 'NetworkPolicy', op: 'set', object: mutualPolicy(name, i, form) };
  for (let i = 0; i < local; i++) {
    const { namespace, name, uid, podIPs } = mutualPod(i, local);
    yield { kind: 'LocalEndpoint', op: 'set', object: { id: i + 1, namespace, name, uid, addresses: podIPs } };
  }
}

function mutualPod(index: number, local: number): Pod {
  return {
    namespace: `ns-${index % MUTUAL.namespaces}`,
    name: `pod-${index}`,
    uid: `uid-${index}`,
    nodeName: index < local ? NODE : 'node-1',
    labels: { app: `app-${index % 5}` },
    podIPs: [podAddress(index)],
    hostNetwork: false,
    terminal: false,
    namedPorts: [],
  };
}

function mutualPolicy(namespace: string, index: number, form: PeerForm): NetworkPolicy {
  const ports = [{ protocol: 'TCP', port: 8_000 + Math.floor(index / 10) }] as const;
  return {
    namespace,
    name: 'all',
    podSelector: { matchLabels: {}, matchExpressions: [] },
    policyTypes: ['Ingress', 'Egress'],
    ingress: [{ peers: mutualPeers(form), ports }],
    egress: [{ peers: mutualPeers(form), ports }],
  };
}

/** Made anew at every call, as a reader of manifests makes them. */
function mutualPeers(form: PeerForm): readonly NetworkPolicyPeer[] {
  const named = (matchLabels: Labels): NetworkPolicyPeer => ({
    namespaceSelector: { matchLabels, matchExpressions: [] },
  });
  if (form === 'one peer') return [named({ mesh: 'on' })];
  return Array.from({ length: MUTUAL.namespaces }, (_, i) => named({ 'kubernetes.io/metadata.name': `ns-${i}` }));
}

/** The objects as `kubectl get -o yaml` has them, as far as policy reads them. */
export function* wideManifests(): Generator<object> {
  for (const change of wideCluster()) {
    if (change.op !== 'set') continue;
    if (change.kind === 'Namespace') yield { apiVersion: 'v1', kind: 'Namespace', metadata: change.object };
    else if (change.kind === 'Pod') yield rawPod(change.object);
    else if (change.kind === 'NetworkPolicy') yield rawPolicy(change.object);
  }
}

/** As an API server sends it, with a uid of the usual length. */
export function rawPodOf(index: number): object {
  return rawPod({ ...podOf(WIDE, index), uid: `00000000-0000-4000-8000-${String(index).padStart(12, '0')}` });
}

function rawPod({ namespace, name, uid, nodeName, labels, podIPs, namedPorts }: Pod): object {
  const ports = namedPorts.map(({ name: port, protocol, containerPort }) => ({ name: port, protocol, containerPort }));
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { namespace, name, uid, labels },
    spec: { nodeName, containers: [{ name: 'main', image: 'registry.example/app:1.2.3', ports }] },
    status: { phase: 'Running', podIP: podIPs[0], podIPs: podIPs.map((ip) => ({ ip })) },
  };
}

function rawPolicy({ namespace, name, podSelector, policyTypes, ingress, egress }: NetworkPolicy): object {
  const rules = (list: NetworkPolicy['ingress'], peers: 'from' | 'to'): object[] =>
    list.map((rule) => ({ ...(rule.peers.length > 0 && { [peers]: rule.peers }), ports: rule.ports }));
  const spec = { podSelector, policyTypes, ingress: rules(ingress, 'from'), egress: rules(egress, 'to') };
  return { apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', metadata: { namespace, name }, spec };
}
