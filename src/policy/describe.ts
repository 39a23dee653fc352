/** What the numbers of the tables mean, as plain data for explanations. */
import { termsOf, type PeerClass } from './class-table.ts';
import {
  PEER_CLASS_NONE,
  PEER_CLASS_UNKNOWN_POD,
  PEER_CLASS_WORLD,
  PORT_CLASS_ICMP,
  PORT_CLASS_ICMPV6,
  PORT_CLASS_OTHER,
  RULE_SET_CLOSED,
  RULE_SET_OPEN,
} from './ids.ts';
import type { PortClass } from './port-classes.ts';
import { formatPortTerm, numbersText, type PortSpec } from './port-term.ts';
import type { RuleSetContent } from './rule-content.ts';

export interface RuleSetDescription {
  readonly id: number;
  /** `open`, `closed`, or `rules`. */
  readonly kind: 'open' | 'closed' | 'rules';
  /** Canonical content; without entries nothing is allowed. */
  readonly entries: readonly RuleDescription[];
}

export interface RuleDescription {
  /** Of a ClusterNetworkPolicy: `Admin Deny`, evaluated in this order and before the entries without one. */
  readonly step?: string;
  /** `everyone`, `pods app=web in namespace shop`, `block 10.0.0.0/8 except 10.1.0.0/16`. */
  readonly peer: string;
  /** `everything`, `TCP 80`, `UDP`, `TCP/http` (a named port). */
  readonly ports: readonly string[];
}

export interface PeerClassDescription {
  readonly id: number;
  readonly kind: 'world' | 'unknown-pod' | 'by-prefix' | 'terms';
  /** Peers that match every address of the class. */
  readonly terms: readonly string[];
  /** Numbers of named ports: `TCP/http=80|8080`. Empty when no rule asks for any. */
  readonly namedPorts: string;
}

export interface PortClassDescription {
  readonly id: number;
  readonly kind: 'icmp' | 'icmpv6' | 'other' | 'terms';
  /** `TCP 80`, `UDP 8000-8999`, `SCTP`. */
  readonly terms: readonly string[];
}

export function describeRuleSet(id: number, content: RuleSetContent | undefined): RuleSetDescription | undefined {
  if (id === RULE_SET_CLOSED) return { id, kind: 'closed', entries: [] };
  if (id === RULE_SET_OPEN) return { id, kind: 'open', entries: [{ peer: 'everyone', ports: ['everything'] }] };
  if (content === undefined) return undefined;
  const everyone = { peer: 'everyone', ports: describePorts(content.everyone) };
  const entries = content.entries.map(({ peer, ports }) => ({ peer: peer.text, ports: describePorts(ports) }));
  const lines = content.lines.map(({ tier, action, peer, others, ports }) => ({
    step: `${tier} ${action}`,
    peer: peer === undefined ? 'everyone' : `${others ? 'all but ' : ''}${peer.text}`,
    ports: describePorts(ports),
  }));
  return { id, kind: 'rules', entries: [...lines, ...(everyone.ports.length === 0 ? [] : [everyone]), ...entries] };
}

export function describePeerClass(id: number, record: PeerClass | undefined): PeerClassDescription | undefined {
  if (id === PEER_CLASS_WORLD) return { id, kind: 'world', terms: [], namedPorts: '' };
  if (id === PEER_CLASS_UNKNOWN_POD) return { id, kind: 'unknown-pod', terms: [], namedPorts: '' };
  if (id === PEER_CLASS_NONE) return { id, kind: 'by-prefix', terms: [], namedPorts: '' };
  if (record === undefined) return undefined;
  const terms = Array.from(termsOf(record), ({ peer }) => peer.text).sort();
  return { id, kind: record.unknown ? 'unknown-pod' : 'terms', terms, namedPorts: numbersText(record.numbers) };
}

export function describePortClass(id: number, record: PortClass | undefined): PortClassDescription | undefined {
  if (id === PORT_CLASS_OTHER) return { id, kind: 'other', terms: [] };
  if (id === PORT_CLASS_ICMP) return { id, kind: 'icmp', terms: [] };
  if (id === PORT_CLASS_ICMPV6) return { id, kind: 'icmpv6', terms: [] };
  return record && { id, kind: 'terms', terms: record.terms.map(formatPortTerm) };
}

function describePorts(ports: PortSpec): readonly string[] {
  return ports.all ? ['everything'] : [...ports.terms.map(formatPortTerm), ...ports.names];
}
