/**
 * Rules compiled once for all policies that say the same: in a mesh of a thousand namespaces a thousand policies name the
 * same thousand peers. What is shared is found by what was written; that something is not shared changes no verdict.
 */
import type { LabelSelector, NetworkPolicyPeer, NetworkPolicyRule } from './model.ts';
import { compilePeer, type Peer } from './peer.ts';
import { portsKey, portSpec, type PortSpec } from './port-term.ts';

export interface CompiledRule {
  /** Equal for rules that are one object, and for no others. */
  readonly serial: number;
  /** No peers were named: every address, known or not (NP-9). */
  readonly everyone: boolean;
  readonly peers: readonly Peer[];
  readonly ports: PortSpec;
}

interface PooledPeer {
  readonly serial: number;
  readonly peer: Peer;
}

/** Peers and rules that are kept for whoever says the same later; made anew when there are more. */
const PEERS_KEPT_MAX = 16_384;
const RULES_KEPT_MAX = 16_384;

export class RulePool {
  readonly #peers = new Map<string, PooledPeer>();
  /** By ports and a hash of the peers. */
  readonly #rules = new Map<string, readonly CompiledRule[]>();
  #nextPeer = 1;
  #nextRule = 1;

  /** `unreadable` collects the texts of blocks that cannot be read; their peers match nothing. */
  compile(rule: NetworkPolicyRule, namespace: string, unreadable: string[]): CompiledRule {
    const peers: Peer[] = [];
    let hash = 0;
    for (const written of rule.peers) {
      const pooled = this.#peerOf(written, namespace, unreadable);
      if (pooled === undefined) continue;
      peers.push(pooled.peer);
      hash = (Math.imul(hash, 31) + pooled.serial) | 0;
    }
    const ports = portSpec(rule.ports);
    const everyone = rule.peers.length === 0;
    const key = `${everyone ? '*' : ''}${hash} ${portsKey(ports)}`;
    const alike = this.#rules.get(key) ?? [];
    const known = alike.find((other) => isSameList(other.peers, peers));
    if (known !== undefined) return known;
    // A list that grew has room to grow on: a copy has none.
    const compiled = { serial: this.#nextRule++, everyone, peers: peers.slice(), ports };
    if (this.#rules.size >= RULES_KEPT_MAX) this.#rules.clear();
    this.#rules.set(key, [...alike, compiled]);
    return compiled;
  }

  #peerOf(written: NetworkPolicyPeer, namespace: string, unreadable: string[]): PooledPeer | undefined {
    const key = writtenKey(written, namespace);
    let pooled = this.#peers.get(key);
    if (pooled !== undefined) return pooled;
    const peer = compilePeer(written, namespace, unreadable);
    if (peer === undefined) return undefined;
    pooled = { serial: this.#nextPeer++, peer };
    if (this.#peers.size >= PEERS_KEPT_MAX) this.#peers.clear();
    this.#peers.set(key, pooled);
    return pooled;
  }
}

function isSameList(a: readonly Peer[], b: readonly Peer[]): boolean {
  return a.length === b.length && a.every((peer, i) => peer === b[i]);
}

/** Unlike for peers that are written otherwise: every text has its length before it. */
function writtenKey({ podSelector, namespaceSelector, ipBlock }: NetworkPolicyPeer, namespace: string): string {
  if (ipBlock !== undefined) return `b${textKey(ipBlock.cidr)}${ipBlock.except.map(textKey).join('')}`;
  const pods = podSelector === undefined ? '' : `p${selectorKey(podSelector)}`;
  return namespaceSelector === undefined
    ? `${pods}i${textKey(namespace)}`
    : `${pods}n${selectorKey(namespaceSelector)}`;
}

function selectorKey({ matchLabels, matchExpressions }: LabelSelector): string {
  let key = '';
  for (const label of Object.keys(matchLabels)) key += textKey(label) + textKey(matchLabels[label]!);
  for (const { key: label, operator, values } of matchExpressions)
    key += `${operator}${textKey(label)}${values.length}:${values.map(textKey).join('')}`;
  return key;
}

function textKey(text: string): string {
  return `${text.length}:${text}`;
}
