/** Rules as a person says them: `from pods app=web in namespace shop, on TCP 80`. */
import { podsOf } from './cluster-steps.ts';
import type {
  ClusterNetworkPolicyPeer,
  ClusterNetworkPolicyProtocol,
  ClusterNetworkPolicyRule,
  NetworkPolicyPeer,
  NetworkPolicyPort,
  NetworkPolicyRule,
} from './model.ts';
import { compilePeer, compilePods } from './peer.ts';
import type { Direction } from './simulate.ts';

/** `namespace` is the policy's. */
export function ruleText(rule: NetworkPolicyRule, direction: Direction, namespace: string): string {
  const word = direction === 'ingress' ? 'from' : 'to';
  const peers = rule.peers.length === 0 ? 'anyone' : rule.peers.map((peer) => peerText(peer, namespace)).join(' or ');
  const ports = rule.ports.length === 0 ? 'everything' : rule.ports.map(portText).join(', ');
  return `${word} ${peers}, on ${ports}`;
}

export function peerText(peer: NetworkPolicyPeer, namespace: string): string {
  return compilePeer(peer, namespace, [])?.text ?? 'nothing';
}

function portText({ protocol, port, endPort }: NetworkPolicyPort): string {
  if (port === undefined) return `every ${protocol} port`;
  return `${protocol} ${port}${endPort === undefined || endPort === port ? '' : `-${endPort}`}`;
}

/** `Deny to network 10.0.0.0/8, on everything`, with the rule's name in front where it has one. */
export function clusterRuleText(rule: ClusterNetworkPolicyRule, direction: Direction): string {
  const { name, action, peers, protocols } = rule;
  const word = direction === 'ingress' ? 'from' : 'to';
  const whom = peers.map(clusterPeerText).join(' or ');
  const ports = protocols.length === 0 ? 'everything' : protocols.map(protocolText).join(', ');
  return `${name === '' ? '' : `${name}: `}${action} ${word} ${whom}, on ${ports}`;
}

export function clusterPeerText(peer: ClusterNetworkPolicyPeer): string {
  if (peer.networks !== undefined) return `network ${peer.networks.join(' or ')}`;
  if (peer.nodes !== undefined) return 'nodes (not enforced)';
  if (peer.domainNames !== undefined) return `domain names ${peer.domainNames.join(', ')} (not enforced)`;
  if (peer.namespaces === undefined && peer.pods === undefined) return 'a peer that is not understood';
  return compilePods(podsOf(peer), false).text;
}

function protocolText(rule: ClusterNetworkPolicyProtocol): string {
  if (rule.protocol === undefined) return `port ${rule.destinationNamedPort}`;
  const { protocol, port, endPort } = rule;
  return `${protocol} ${port}${endPort === undefined || endPort === port ? '' : `-${endPort}`}`;
}
