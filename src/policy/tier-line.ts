/**
 * Lines: the rules of ClusterNetworkPolicies as a rule set holds them, one peer each, in the order of evaluation.
 *
 * 1. A line of the Admin tier that decides is final; what Admin passes, or does not mention, goes to the NetworkPolicies
 *    when they isolate, otherwise to Baseline, and from there to allow (CNP-20 to CNP-24).
 * 2. Where it is not known whether a peer matches, traffic passes only if it would pass either way: Accept does not match,
 *    Deny does, and Pass becomes MayPass, which allows what both the rest of its tier and the next tier allow.
 */
import type { ClusterNetworkPolicyTier } from './model.ts';
import type { Peer } from './peer.ts';
import { PORT_MAX, packPortTerm, type PortSpec, protocolOfPortKey, sortedSpec } from './port-term.ts';

export type LineAction = 'Accept' | 'Deny' | 'Pass' | 'MayPass';

export interface TierLine {
  readonly tier: ClusterNetworkPolicyTier;
  readonly action: LineAction;
  /** Undefined: every address. */
  readonly peer: Peer | undefined;
  /** Every address but the peer's. */
  readonly others: boolean;
  /** Names only in egress lines whose peer is pods. */
  readonly ports: PortSpec;
}

/** Canonical text of whom the line is about. */
export function lineText({ tier, action, peer, others, ports }: TierLine): string {
  const text = peer === undefined ? 'everyone' : `${others ? 'all but ' : ''}${peer.text}`;
  return `${tier} ${action} ${text}: ${ports.all ? '*' : [...ports.terms, ...ports.names].join(' ')}`;
}

/** Every port that a named port might stand for: all of its protocol. */
export function widened(ports: PortSpec): PortSpec {
  if (ports.names.length === 0) return ports;
  const whole = ports.names.map((key) => packPortTerm({ protocol: protocolOfPortKey(key), first: 0, last: PORT_MAX }));
  return sortedSpec(new Set([...ports.terms, ...whole]), new Set());
}
