/**
 * From policies to the canonical content of a rule set. A policy is compiled once; the policies that isolate one endpoint
 * in one direction are then added up (NP-4: a union, so neither order nor repetition matters).
 */
import { ascending } from './ascending.ts';
import type { NetworkPolicy, NetworkPolicyRule, PolicyType } from './model.ts';
import type { Peer } from './peer.ts';
import {
  ALL_PORTS,
  namedPortTerm,
  NO_PORTS,
  portsKey,
  sortedSpec,
  type NamedNumbers,
  type PortSpec,
} from './port-term.ts';
import type { CompiledRule, RulePool } from './rule-pool.ts';
import { compileSelector, type Selector } from './selector.ts';
import { lineText, type TierLine } from './tier-line.ts';

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
  /** Serials of the rules: policies with equal keys say the same. */
  rulesKey(direction: PolicyType): string;
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

const NO_LINES: readonly never[] = [];

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

const NO_RULES: readonly never[] = [];
const TYPES: ReadonlyMap<string, ReadonlySet<PolicyType>> = new Map(
  [[], ['Ingress'], ['Egress'], ['Egress', 'Ingress']].map((types) => [types.join(), new Set(types as PolicyType[])]),
);

/** One set for all that have the same. */
function typesOf({ policyTypes }: NetworkPolicy): ReadonlySet<PolicyType> {
  return TYPES.get(policyTypes.join()) ?? new Set(policyTypes);
}

export function compilePolicy(policy: NetworkPolicy, serial: number, pool: RulePool): CompiledPolicy {
  const { namespace, invalid } = policy;
  const unreadable: string[] = [];
  const compiled: { [direction in PolicyType]?: readonly CompiledRule[] } = {};
  // What is compiled is not kept as it was written, too: the object must not be reached from `rules`.
  const written: { [direction in PolicyType]: readonly NetworkPolicyRule[] } = {
    Ingress: policy.ingress,
    Egress: policy.egress,
  };
  const rulesOf = (direction: PolicyType): readonly CompiledRule[] => {
    if (invalid === true) return NO_RULES;
    let rules = compiled[direction];
    if (rules === undefined) {
      rules = written[direction].map((rule) => pool.compile(rule, namespace, unreadable));
      compiled[direction] = rules;
      written[direction] = NO_RULES;
    }
    return rules;
  };
  return {
    key: policyKey(policy),
    serial,
    namespace,
    selector: compileSelector(policy.podSelector),
    types: typesOf(policy),
    unreadable,
    rules: rulesOf,
    rulesKey: (direction) =>
      rulesOf(direction)
        .map((rule) => rule.serial)
        .join(' '),
  };
}

/** Ports being added up. Mostly nothing is added to the first ones: they are then shared, not copied. */
class PortUnion {
  #first: PortSpec | undefined;
  #more: { all: boolean; readonly terms: Set<number>; readonly names: Set<string> } | undefined;

  add(ports: PortSpec): void {
    if (this.#first === undefined) {
      this.#first = ports;
      return;
    }
    if (this.#first === ports) return;
    const { all, terms, names } = this.#first;
    this.#more ??= { all, terms: new Set(terms), names: new Set(names) };
    if (ports.all) this.#more.all = true;
    for (const term of ports.terms) this.#more.terms.add(term);
    for (const name of ports.names) this.#more.names.add(name);
  }

  spec(): PortSpec {
    if (this.#more === undefined) return this.#first ?? NO_PORTS;
    return this.#more.all ? ALL_PORTS : sortedSpec(this.#more.terms, this.#more.names);
  }
}

/** What is left of ports beside those that everyone may. */
function beside({ terms, names }: PortSpec): (ports: PortSpec) => PortSpec {
  if (terms.length === 0 && names.length === 0) return (ports) => ports;
  const said = new Set<number | string>([...terms, ...names]);
  return (ports) => {
    if (ports.all || !(ports.terms.some((term) => said.has(term)) || ports.names.some((name) => said.has(name))))
      return ports;
    return {
      all: false,
      terms: ports.terms.filter((term) => !said.has(term)),
      names: ports.names.filter((name) => !said.has(name)),
    };
  };
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
    const restOf = beside(everyone);
    for (const { peer, ports } of byPeer.values()) {
      const rest = restOf(ports.spec());
      if (!isEmpty(rest)) entries.push({ peer, ports: rest });
    }
  }
  if (entries.length > 1) entries.sort((a, b) => (a.peer.text < b.peer.text ? -1 : 1));
  const lines = entries.map(({ peer, ports }) => `${peer.text}: ${portsKey(ports)}`);
  if (!isEmpty(everyone)) lines.unshift(`everyone: ${portsKey(everyone)}`);
  return { key: lines.join('\n'), everyone, entries: entries.slice(), lines: NO_LINES };
}

/** A name that the pod does not declare resolves to nothing, never to every port (NP-46). */
export function resolveNames(ports: PortSpec, numbers: NamedNumbers): PortSpec {
  if (ports.names.length === 0) return ports;
  const terms = [...ports.terms];
  for (const name of ports.names) for (const number of numbers.get(name) ?? []) terms.push(namedPortTerm(name, number));
  return { all: false, terms: ascending(terms).slice(), names: [] };
}

function withoutNames(ports: PortSpec): PortSpec {
  return ports.names.length === 0 ? ports : { ...ports, names: [] };
}

function isEmpty(ports: PortSpec): boolean {
  return !ports.all && ports.terms.length === 0 && ports.names.length === 0;
}
