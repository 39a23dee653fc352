/**
 * A port term is an interval of one protocol's ports, packed into one number that sorts by (protocol, first, last). Named
 * ports are not terms: whoever knows the pod they are resolved on turns them into terms (NP-45).
 */
import { ascending } from './ascending.ts';
import { PORT_PROTOCOL_SCTP, PORT_PROTOCOL_TCP, PORT_PROTOCOL_UDP } from './ids.ts';
import type { NamedPort, NetworkPolicyPort, Protocol } from './model.ts';

export const PORT_MAX = 65535;

const PROTOCOLS: readonly Protocol[] = ['TCP', 'UDP', 'SCTP'];
const PROTOCOL_NUMBERS: Readonly<Record<Protocol, number>> = {
  TCP: PORT_PROTOCOL_TCP,
  UDP: PORT_PROTOCOL_UDP,
  SCTP: PORT_PROTOCOL_SCTP,
};

export interface PortRange {
  /** port_protocol of bpf/abi.h. */
  readonly protocol: number;
  readonly first: number;
  /** Inclusive. */
  readonly last: number;
}

export function packPortTerm({ protocol, first, last }: PortRange): number {
  return protocol * 2 ** 32 + first * 2 ** 16 + last;
}

export function unpackPortTerm(term: number): PortRange {
  return {
    protocol: Math.floor(term / 2 ** 32),
    first: Math.floor(term / 2 ** 16) % 2 ** 16,
    last: term % 2 ** 16,
  };
}

/** Text of a term: `TCP 80`, `UDP 8000-8999`, `SCTP` for every port. */
export function formatPortTerm(term: number): string {
  const { protocol, first, last } = unpackPortTerm(term);
  const name = PROTOCOLS[protocol] ?? `protocol ${protocol}`;
  if (first === 0 && last === PORT_MAX) return name;
  return first === last ? `${name} ${first}` : `${name} ${first}-${last}`;
}

/**
 * The ports of a rule, or of several together. `all` covers every protocol, those without ports too; the other two lists
 * never do (NP-52). Lists are sorted and without duplicates, and empty when `all` is set.
 */
export interface PortSpec {
  readonly all: boolean;
  readonly terms: readonly number[];
  /** Keys of named ports that are still to be resolved on the destination. */
  readonly names: readonly string[];
}

export const NO_PORTS: PortSpec = { all: false, terms: [], names: [] };
export const ALL_PORTS: PortSpec = { all: true, terms: [], names: [] };

/** Name and protocol together: a name declared for another protocol is another port (NP-46). */
export function namedPortKey(protocol: Protocol, name: string): string {
  return `${protocol}/${name}`;
}

/** port_protocol of the protocol that the key names. */
export function protocolOfPortKey(key: string): number {
  const protocol = PROTOCOLS.find((name) => key.startsWith(`${name}/`)) ?? 'TCP';
  return PROTOCOL_NUMBERS[protocol];
}

/** The term of one number of a named port. */
export function namedPortTerm(key: string, number: number): number {
  return packPortTerm({ protocol: protocolOfPortKey(key), first: number, last: number });
}

/** An empty list means every port of every protocol (NP-9). */
export function portSpec(ports: readonly NetworkPolicyPort[]): PortSpec {
  if (ports.length === 0) return ALL_PORTS;
  const terms: number[] = [];
  const names = new Set<string>();
  for (const { protocol, port, endPort } of ports) {
    const number = PROTOCOL_NUMBERS[protocol];
    if (typeof port === 'string') names.add(namedPortKey(protocol, port));
    else if (port === undefined) terms.push(packPortTerm({ protocol: number, first: 0, last: PORT_MAX }));
    else terms.push(packPortTerm({ protocol: number, first: port, last: endPort ?? port }));
  }
  return sortedSpec(terms, names);
}

export function sortedSpec(terms: Iterable<number>, names: ReadonlySet<string>): PortSpec {
  return { all: false, terms: ascending([...terms]).slice(), names: sortedNames(names) };
}

const NO_NAMES: readonly string[] = [];

function sortedNames(names: ReadonlySet<string>): readonly string[] {
  if (names.size === 0) return NO_NAMES;
  return names.size === 1 ? [...names] : [...names].sort();
}

/** Canonical text; empty when nothing is in it. */
export function portsKey(ports: PortSpec): string {
  return ports.all ? '*' : [...ports.terms, ...ports.names].join(' ');
}

/** What a pod declares: for every named port its numbers, sorted; several containers may use one name (NP-49). */
export type NamedNumbers = ReadonlyMap<string, readonly number[]>;

export const NO_NUMBERS: NamedNumbers = new Map();

export function declaredNumbers(ports: readonly NamedPort[]): NamedNumbers {
  if (ports.length === 0) return NO_NUMBERS;
  const numbers = new Map<string, number[]>();
  for (const { name, protocol, containerPort } of ports) {
    const key = namedPortKey(protocol, name);
    const list = numbers.get(key);
    if (list === undefined) numbers.set(key, [containerPort]);
    else if (!list.includes(containerPort)) list.push(containerPort);
  }
  for (const list of numbers.values()) list.sort((a, b) => a - b);
  return numbers;
}

/** Canonical text of resolved names: `TCP/http=80|8080,UDP/dns=53`. */
export function numbersText(numbers: NamedNumbers): string {
  if (numbers.size === 0) return '';
  const texts: string[] = [];
  for (const [key, list] of numbers) texts.push(`${key}=${list.join('|')}`);
  return texts.length === 1 ? texts[0]! : texts.sort().join(',');
}
