/** As match.ts, for peers and protocols of ClusterNetworkPolicies. */
import type { Party } from './dry-run.ts';
import { podsOf } from './cluster-steps.ts';
import {
  fail,
  type Failure,
  FAR,
  isInside,
  type PeerQuestion,
  type PortQuestion,
  selectorFailures,
  whatItIs,
} from './match.ts';
import type { ClusterNetworkPolicyPeer, ClusterNetworkPolicyProtocol, Pod } from './model.ts';

/** CNP-6, CNP-8, CNP-27, CNP-28. Empty: it matches. */
export function clusterPeerFailures(
  peer: ClusterNetworkPolicyPeer,
  { party, address, namespaces }: Omit<PeerQuestion, 'namespace'>,
): readonly Failure[] {
  // Nobody knows what it would match, and Accept takes what is known for certain only.
  if (party.kind === 'unknown-pod') return [fail(FAR, 'not-a-pod', `${address} is ${whatItIs(party)}`)];
  if (peer.networks !== undefined) return networkFailures(peer.networks, address, party);
  if (peer.nodes !== undefined || peer.domainNames !== undefined) {
    const field = peer.nodes === undefined ? 'domainNames' : 'nodes';
    return [fail(FAR, 'not-enforced', `${field} is not enforced, and accepts nothing`)];
  }
  if (peer.namespaces === undefined && peer.pods === undefined)
    return [fail(FAR, 'not-enforced', 'the peer says nothing that is understood, and accepts nothing')];
  if (party.kind !== 'pod')
    return [fail(FAR, 'not-a-pod', `${address} is ${whatItIs(party)}; selectors match pods only`)];
  const { namespaceSelector, podSelector } = podsOf(peer);
  const { pod } = party;
  const namespace = namespaces.get(pod.namespace);
  if (namespace === undefined) return [fail(2, 'namespace', `namespace ${pod.namespace} is not known`)];
  const ofNamespace = selectorFailures(namespaceSelector, namespace.labels, `namespace ${pod.namespace}: label`);
  return [
    ...ofNamespace.map((failure): Failure => ({ ...failure, kind: 'namespace' })),
    ...selectorFailures(podSelector, pod.labels, 'label'),
  ];
}

function networkFailures(networks: readonly string[], address: string, party: Party): readonly Failure[] {
  if (networks.some((network) => isInside(network, address))) return [];
  const list = networks.length === 1 ? networks[0] : `any of ${networks.join(', ')}`;
  return [fail(party.kind === 'pod' ? FAR : 2, 'block', `address ${address} is not in ${list}`)];
}

/** CNP-7, CNP-29, CNP-30. Empty: it matches. */
export function clusterProtocolFailures(
  rule: ClusterNetworkPolicyProtocol,
  { protocol, port, destination }: Omit<PortQuestion, 'throughBlock'>,
): readonly Failure[] {
  if (rule.protocol === undefined) return namedFailures(rule.destinationNamedPort, protocol, port, destination);
  if (protocol !== rule.protocol) return [fail(2, 'protocol', `protocol ${protocol} is not ${rule.protocol}`)];
  const last = rule.endPort ?? rule.port;
  if (port >= rule.port && port <= last) return [];
  return [fail(1, 'port', `port ${port} is not ${last === rule.port ? rule.port : `in ${rule.port}-${last}`}`)];
}

function namedFailures(name: string, protocol: string, port: number, pod: Pod | undefined): readonly Failure[] {
  if (pod === undefined)
    return [fail(1, 'named-port', `the port name ${name} matches nothing at an address that is not a pod's`)];
  const named = pod.namedPorts.filter((known) => known.name === name);
  if (named.some((known) => known.protocol === protocol && known.containerPort === port)) return [];
  const key = `${pod.namespace}/${pod.name}`;
  if (named.length === 0) return [fail(1, 'named-port', `${key} declares no port named ${name}`)];
  const numbers = named.map((known) => `${known.protocol} ${known.containerPort}`).join(' and ');
  return [fail(1, 'named-port', `${protocol} ${port} is not ${name}, which is ${numbers} on ${key}`)];
}
