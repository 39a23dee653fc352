/**
 * One ClusterNetworkPolicy, compiled into lines (tier-line.ts) once and then put together for each endpoint that it
 * selects. CNP-3 to CNP-8, CNP-27 to CNP-29.
 */
import type {
  ClusterNetworkPolicy,
  ClusterNetworkPolicyPeer,
  ClusterNetworkPolicyProtocol,
  ClusterNetworkPolicyRule,
  ClusterNetworkPolicyTier,
  Labels,
  PolicyType,
  Protocol,
} from './model.ts';
import { compileNetwork, compilePods, type Peer } from './peer.ts';
import { ALL_PORTS, namedPortKey, portSpec, sortedSpec, type NamedNumbers, type PortSpec } from './port-term.ts';
import { resolveNames } from './rule-content.ts';
import { compileSelector, type Selector } from './selector.ts';
import { type LineAction, lineText, type TierLine, widened } from './tier-line.ts';

export interface CompiledClusterPolicy {
  /** `cnp:NAME`; no namespaced object has such a key. */
  readonly key: string;
  /** Unlike that of every other object, equal names included. */
  readonly serial: number;
  readonly tier: ClusterNetworkPolicyTier;
  readonly priority: number;
  /** Subject (CNP-3). */
  readonly namespaces: Selector;
  readonly pods: Selector;
  has(direction: PolicyType): boolean;
  rules(direction: PolicyType): readonly CompiledClusterRule[];
  /** Texts of networks that could not be read. Complete once `rules` was called. */
  readonly unreadable: readonly string[];
}

export interface CompiledClusterRule {
  /** Those of its lines; for counting. */
  readonly peers: readonly Peer[];
  readonly ports: PortSpec;
  readonly lines: readonly TierLine[];
}

/** A policy that selects a pod, or may: its namespace is not known. */
export interface SelectedClusterPolicy {
  readonly policy: CompiledClusterPolicy;
  readonly certain: boolean;
}

const PROTOCOLS: readonly Protocol[] = ['TCP', 'UDP', 'SCTP'];
const EVERYTHING = { matchLabels: {}, matchExpressions: [] };
/** Every pod that is known, whatever is known of its namespace. */
const EVERY_POD = compilePods({ namespaceSelector: EVERYTHING, podSelector: EVERYTHING }, true);

export function clusterPolicyKey(name: string): string {
  return `cnp:${name}`;
}

export function compileClusterPolicy(policy: ClusterNetworkPolicy, serial: number): CompiledClusterPolicy {
  const { tier, priority, subject } = policy;
  const unreadable: string[] = [];
  const compiled = new Map<PolicyType, readonly CompiledClusterRule[]>();
  const sourceOf = (direction: PolicyType): readonly ClusterNetworkPolicyRule[] =>
    direction === 'Ingress' ? policy.ingress : policy.egress;
  return {
    key: clusterPolicyKey(policy.name),
    serial,
    tier,
    priority,
    namespaces: compileSelector(subject.namespaces ?? subject.pods.namespaceSelector),
    pods: compileSelector(subject.pods?.podSelector ?? EVERYTHING),
    unreadable,
    has: (direction) => sourceOf(direction).length > 0,
    rules(direction) {
      let rules = compiled.get(direction);
      if (rules === undefined) {
        rules = sourceOf(direction).map((rule) => compileRule(rule, tier, unreadable));
        compiled.set(direction, rules);
      }
      return rules;
    },
  };
}

/** Undefined labels: the namespace is not known. */
export function selectsPod(
  { namespaces, pods }: CompiledClusterPolicy,
  labels: Labels,
  namespaceLabels: Labels | undefined,
): 'yes' | 'maybe' | 'no' {
  if (!pods.matches(labels)) return 'no';
  if (namespaceLabels === undefined) return 'maybe';
  return namespaces.matches(namespaceLabels) ? 'yes' : 'no';
}

/** Lines of these policies, which must be in the order of evaluation. `numbers` as for `sumRules`. */
export function linesOf(
  selected: readonly SelectedClusterPolicy[],
  direction: PolicyType,
  numbers: NamedNumbers,
): readonly TierLine[] {
  const lines: TierLine[] = [];
  for (const { policy, certain } of selected) {
    for (const line of policy.rules(direction).flatMap((rule) => rule.lines)) {
      if (!certain && line.action === 'Accept') continue;
      const action = !certain && line.action === 'Pass' ? 'MayPass' : line.action;
      const ports = direction === 'Ingress' ? resolveNames(line.ports, numbers) : line.ports;
      if (ports.all || ports.terms.length > 0 || ports.names.length > 0) lines.push({ ...line, action, ports });
    }
  }
  return lines;
}

function compileRule(
  { action, peers, protocols }: ClusterNetworkPolicyRule,
  tier: ClusterNetworkPolicyTier,
  unreadable: string[],
): CompiledClusterRule {
  const ports = protocolSpec(protocols);
  const lines = new Map<string, TierLine>();
  const add = (line: Omit<TierLine, 'tier'>): void => {
    const whole = { tier, ...line };
    lines.set(lineText(whole), whole);
  };
  const understood = peers.every((peer) => isUnderstood(peer, unreadable));
  if (understood) for (const peer of peers) for (const line of linesOfPeer(peer, action, ports)) add(line);
  // CNP-8: nothing is accepted by it, and nothing that it could have denied or passed gets by.
  else if (action !== 'Accept') for (const peer of peers) for (const line of closedLines(peer, ports)) add(line);
  const sorted = [...lines].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, line]) => line);
  return { lines: sorted, ports, peers: sorted.flatMap(({ peer }) => peer ?? []) };
}

function isUnderstood({ namespaces, pods, networks }: ClusterNetworkPolicyPeer, unreadable: string[]): boolean {
  if (networks === undefined) return namespaces !== undefined || pods !== undefined;
  const bad = networks.filter((text) => compileNetwork(text) === undefined);
  unreadable.push(...bad);
  return bad.length === 0;
}

function linesOfPeer(
  peer: ClusterNetworkPolicyPeer,
  action: LineAction,
  ports: PortSpec,
): readonly Omit<TierLine, 'tier'>[] {
  if (peer.networks !== undefined) {
    const numbered = action === 'Deny' ? widened(ports) : { ...ports, names: [] };
    return networkPeers(peer.networks).map((network) => ({ action, peer: network, others: false, ports: numbered }));
  }
  const strict = { action, peer: podsOf(peer, false), others: false, ports };
  const unknownToo = podsOf(peer, true);
  if (action === 'Deny') return [{ ...strict, peer: unknownToo }];
  return action === 'Pass' ? [strict, { ...strict, action: 'MayPass', peer: unknownToo }] : [strict];
}

function closedLines(peer: ClusterNetworkPolicyPeer, ports: PortSpec): readonly Omit<TierLine, 'tier'>[] {
  const base = { action: 'Deny', others: false } as const;
  if (peer.namespaces !== undefined || peer.pods !== undefined) return [{ ...base, peer: podsOf(peer, true), ports }];
  const wide = { ...base, ports: widened(ports) };
  // A node's address is no known pod's.
  if (peer.nodes !== undefined) return [{ ...wide, peer: EVERY_POD, others: true }];
  const networks = networkPeers(peer.networks ?? []);
  const readable = peer.networks !== undefined && networks.length === peer.networks.length;
  return readable ? networks.map((network) => ({ ...wide, peer: network })) : [{ ...wide, peer: undefined }];
}

function podsOf({ namespaces, pods }: ClusterNetworkPolicyPeer, unknownToo: boolean): Peer {
  const namespaceSelector = namespaces ?? pods?.namespaceSelector ?? EVERYTHING;
  return compilePods({ namespaceSelector, podSelector: pods?.podSelector ?? EVERYTHING }, unknownToo);
}

function networkPeers(networks: readonly string[]): readonly Peer[] {
  return networks.flatMap((text) => compileNetwork(text) ?? []);
}

/** CNP-7; an empty list means every port of every protocol (CNP-5). */
function protocolSpec(protocols: readonly ClusterNetworkPolicyProtocol[]): PortSpec {
  if (protocols.length === 0) return ALL_PORTS;
  const numbered = protocols.flatMap((entry) => (entry.protocol === undefined ? [] : entry));
  const terms = numbered.length === 0 ? [] : portSpec(numbered).terms;
  const names = protocols.flatMap(({ destinationNamedPort: name }) =>
    name === undefined ? [] : PROTOCOLS.map((protocol) => namedPortKey(protocol, name)),
  );
  return sortedSpec(new Set(terms), new Set(names));
}
