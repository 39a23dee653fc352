/** Rules as a person says them: `from pods app=web in namespace shop, on TCP 80`. */
import type { NetworkPolicyPeer, NetworkPolicyPort, NetworkPolicyRule } from './model.ts';
import { compilePeer } from './peer.ts';
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
