/**
 * What a peer of a rule says, apart from where it is used: a selection of pods, or a block of addresses. The text is
 * canonical: peers with equal texts match the same addresses in every cluster.
 */
import { containsCidr, formatCidr, overlaps, parseCidr, type Cidr } from '../net/cidr.ts';
import type { IpBlock, NamespacedPods, NetworkPolicyPeer } from './model.ts';
import { compileSelector, type Selector } from './selector.ts';

/** Pods of one namespace (NP-21), or of every namespace that the selector selects. */
export type Scope =
  | { readonly kind: 'namespace'; readonly text: string; readonly namespace: string }
  | {
      readonly kind: 'selector';
      readonly text: string;
      readonly selector: Selector;
      /** Also namespaces of which nothing is known: what might match. Otherwise they are left out (NP-28). */
      readonly unknownToo: boolean;
    };

export interface PodPeer {
  readonly kind: 'pods';
  readonly text: string;
  readonly scope: Scope;
  readonly selector: Selector;
}

export interface BlockPeer {
  readonly kind: 'block';
  readonly text: string;
  readonly cidr: Cidr;
  /** Inside `cidr`, none inside another, sorted by text. */
  readonly excepts: readonly Cidr[];
  /** Of a ClusterNetworkPolicy: it says something of unknown pods in it too (CNP-27). */
  readonly network: boolean;
}

export type Peer = PodPeer | BlockPeer;

const EVERY_POD = compileSelector({ matchLabels: {}, matchExpressions: [] });

/**
 * A peer matches nothing, and undefined is given, when it says nothing (NP-20), or when its block is excepted whole or
 * cannot be read; `unreadable` then collects the text.
 */
export function compilePeer(peer: NetworkPolicyPeer, namespace: string, unreadable: string[]): Peer | undefined {
  if (peer.ipBlock !== undefined) return compileBlock(peer.ipBlock, unreadable);
  if (peer.podSelector === undefined && peer.namespaceSelector === undefined) return undefined;
  const selector = peer.podSelector === undefined ? EVERY_POD : compileSelector(peer.podSelector);
  const scope = compileScope(peer, namespace);
  return { kind: 'pods', text: `pods ${selector.text} in ${scope.text}`, scope, selector };
}

function compileScope(peer: NetworkPolicyPeer, namespace: string): Scope {
  if (peer.namespaceSelector === undefined) return { kind: 'namespace', text: `namespace ${namespace}`, namespace };
  const selector = compileSelector(peer.namespaceSelector);
  return { kind: 'selector', text: `namespaces ${selector.text}`, selector, unknownToo: false };
}

/**
 * Peer of a ClusterNetworkPolicy. `unknownToo`: pods that the pod selector selects in namespaces of which nothing is
 * known belong to it too.
 */
export function compilePods({ namespaceSelector, podSelector }: NamespacedPods, unknownToo: boolean): PodPeer {
  const inner = compileSelector(namespaceSelector);
  const scope: Scope = {
    kind: 'selector',
    text: `namespaces ${inner.text}${unknownToo ? ' or unknown' : ''}`,
    selector: inner,
    unknownToo,
  };
  const selector = compileSelector(podSelector);
  return { kind: 'pods', text: `pods ${selector.text} in ${scope.text}`, scope, selector };
}

/** Undefined when the text cannot be read. */
export function compileNetwork(text: string): BlockPeer | undefined {
  const cidr = parseCidr(text);
  return cidr && { kind: 'block', text: `network ${formatCidr(cidr)}`, cidr, excepts: [], network: true };
}

/** An except of the other family excepts nothing (NP-62); one that cannot be read makes the whole block match nothing. */
function compileBlock(block: IpBlock, unreadable: string[]): BlockPeer | undefined {
  const cidr = parseCidr(block.cidr);
  if (cidr === undefined) {
    unreadable.push(block.cidr);
    return undefined;
  }
  const excepts = new Map<string, Cidr>();
  for (const text of block.except) {
    const except = parseCidr(text);
    if (except === undefined) {
      unreadable.push(text);
      return undefined;
    }
    if (containsCidr(except, cidr)) return undefined;
    if (overlaps(cidr, except)) excepts.set(formatCidr(except), except);
  }
  const outermost = [...excepts].filter(([text, inner]) =>
    excepts.entries().every(([other, outer]) => other === text || !containsCidr(outer, inner)),
  );
  outermost.sort(([a], [b]) => (a < b ? -1 : 1));
  const list = outermost.map(([text]) => text);
  const suffix = list.length === 0 ? '' : ` except ${list.join(' ')}`;
  return {
    kind: 'block',
    text: `block ${formatCidr(cidr)}${suffix}`,
    cidr,
    excepts: outermost.map(([, except]) => except),
    network: false,
  };
}
