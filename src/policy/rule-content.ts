/**
 * From policies to the canonical content of a rule set. A policy is compiled once; the policies that isolate one endpoint
 * in one direction are then added up (NP-4: a union, so neither order nor repetition matters).
 */
import type { NetworkPolicy, NetworkPolicyRule, PolicyType } from './model.ts';
import { compilePeer, type Peer } from './peer.ts';
import { ALL_PORTS, namedPortTerm, portSpec, sortedSpec, type NamedNumbers, type PortSpec } from './port-term.ts';
import { compileSelector, type Selector } from './selector.ts';
import { lineText, type TierLine } from './tier-line.ts';

export interface CompiledRule {
  /** No peers were named: every address, known or not (NP-9). */
  readonly everyone: boolean;
  readonly peers: readonly Peer[];
  readonly ports: PortSpec;
}

/** A policy ready to be added up. Rules are compiled when the first local pod is selected: most policies never are. */
export interface CompiledPolicy {
  readonly key: string;
  /** Unlike that of every other policy object, equal keys included. */
  readonly serial: number;
  readonly namespace: string;
  /** Subject, within the namespace (NP-1). */
  readonly selector: Selector;
  readonly types: ReadonlySet<PolicyType>;
  rules(direction: PolicyType): readonly CompiledRule[];
  /** Texts of blocks that could not be read; their peers match nothing. Complete once `rules` was called. */
  readonly unreadable: readonly string[];
}

export interface ContentEntry {
  readonly peer: Peer;
  readonly ports: PortSpec;
}

/** What a rule set says. Entries repeat nothing that `everyone` says; sorted by the peer's text. */
export interface RuleSetContent {
  /** Canonical, readable: a line for everyone and for each entry. Empty: nothing is allowed. */
  readonly key: string;
  readonly everyone: PortSpec;
  readonly entries: readonly ContentEntry[];
  /** Of ClusterNetworkPolicies, evaluated before and instead of the rest; empty without any. */
  readonly lines: readonly TierLine[];
}

/** What is left where no NetworkPolicy isolates. */
export const OPEN_CONTENT: RuleSetContent = { key: 'everyone: *', everyone: ALL_PORTS, entries: [], lines: [] };

/** The content with lines that are evaluated first. Baseline lines must be left out where a NetworkPolicy isolates. */
export function withLines(content: RuleSetContent, lines: readonly TierLine[]): RuleSetContent {
  if (lines.length === 0) return content;
  return { ...content, key: [...lines.map(lineText), 'otherwise', content.key].join('\n'), lines };
}

/** Every use of a peer, those of lines last. */
export function entriesOf({ entries, lines }: RuleSetContent): readonly ContentEntry[] {
  if (lines.length === 0) return entries;
  return [...entries, ...lines.flatMap(({ peer, ports }) => (peer === undefined ? [] : { peer, ports }))];
}

export function policyKey(policy: { readonly namespace: string; readonly name: string }): string {
  return `${policy.namespace}/${policy.name}`;
}

export function compilePolicy(policy: NetworkPolicy, serial: number): CompiledPolicy {
  const unreadable: string[] = [];
  const compiled = new Map<PolicyType, readonly CompiledRule[]>();
  const compileRules = (rules: readonly NetworkPolicyRule[]): readonly CompiledRule[] =>
    rules.map((rule) => ({
      everyone: rule.peers.length === 0,
      peers: rule.peers.flatMap((peer) => compilePeer(peer, policy.namespace, unreadable) ?? []),
      ports: portSpec(rule.ports),
    }));
  return {
    key: policyKey(policy),
    serial,
    namespace: policy.namespace,
    selector: compileSelector(policy.podSelector),
    types: new Set(policy.policyTypes),
    unreadable,
    rules(direction) {
      if (policy.invalid === true) return [];
      let rules = compiled.get(direction);
      if (rules === undefined) {
        rules = compileRules(direction === 'Ingress' ? policy.ingress : policy.egress);
        compiled.set(direction, rules);
      }
      return rules;
    },
  };
}

/** Ports being added up. */
class PortUnion {
  all = false;
  readonly terms = new Set<number>();
  readonly names = new Set<string>();

  add(ports: PortSpec): void {
    if (ports.all) this.all = true;
    for (const term of ports.terms) this.terms.add(term);
    for (const name of ports.names) this.names.add(name);
  }

  /** What is left of it beside `other`. */
  without(other: PortSpec): PortSpec {
    if (this.all) return ALL_PORTS;
    const terms = new Set(this.terms);
    const names = new Set(this.names);
    for (const term of other.terms) terms.delete(term);
    for (const name of other.names) names.delete(name);
    return sortedSpec(terms, names);
  }

  spec(): PortSpec {
    return this.all ? ALL_PORTS : sortedSpec(this.terms, this.names);
  }
}

/**
 * The sum of the rules of these policies in one direction. `numbers` are the named ports of the pod they select: on
 * ingress names are resolved on it (NP-45); on egress they stay names, and a block with one matches nothing (NP-48).
 */
export function sumRules(
  policies: readonly CompiledPolicy[],
  direction: PolicyType,
  numbers: NamedNumbers,
): RuleSetContent {
  const everyone = new PortUnion();
  const byPeer = new Map<string, { readonly peer: Peer; readonly ports: PortUnion }>();
  for (const policy of policies) {
    for (const rule of policy.rules(direction)) {
      const ports = direction === 'Ingress' ? resolveNames(rule.ports, numbers) : rule.ports;
      if (rule.everyone) everyone.add(ports);
      for (const peer of rule.peers) {
        let entry = byPeer.get(peer.text);
        if (entry === undefined) {
          entry = { peer, ports: new PortUnion() };
          byPeer.set(peer.text, entry);
        }
        entry.ports.add(peer.kind === 'block' ? withoutNames(ports) : ports);
      }
    }
  }
  return contentOf(everyone.spec(), byPeer);
}

function contentOf(
  everyone: PortSpec,
  byPeer: ReadonlyMap<string, { readonly peer: Peer; readonly ports: PortUnion }>,
): RuleSetContent {
  const entries: ContentEntry[] = [];
  if (!everyone.all) {
    for (const { peer, ports } of byPeer.values()) {
      const rest = ports.without(everyone);
      if (!isEmpty(rest)) entries.push({ peer, ports: rest });
    }
  }
  entries.sort((a, b) => (a.peer.text < b.peer.text ? -1 : 1));
  const lines = entries.map(({ peer, ports }) => `${peer.text}: ${portsKey(ports)}`);
  if (!isEmpty(everyone)) lines.unshift(`everyone: ${portsKey(everyone)}`);
  return { key: lines.join('\n'), everyone, entries, lines: [] };
}

/** A name that the pod does not declare resolves to nothing, never to every port (NP-46). */
export function resolveNames(ports: PortSpec, numbers: NamedNumbers): PortSpec {
  if (ports.names.length === 0) return ports;
  const terms = new Set(ports.terms);
  for (const name of ports.names) for (const number of numbers.get(name) ?? []) terms.add(namedPortTerm(name, number));
  return sortedSpec(terms, new Set());
}

function withoutNames(ports: PortSpec): PortSpec {
  return ports.names.length === 0 ? ports : { ...ports, names: [] };
}

function isEmpty(ports: PortSpec): boolean {
  return !ports.all && ports.terms.length === 0 && ports.names.length === 0;
}

function portsKey(ports: PortSpec): string {
  return ports.all ? '*' : [...ports.terms, ...ports.names].join(' ');
}
