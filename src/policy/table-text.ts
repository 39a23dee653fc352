/** Tables as text that a person can read and compare: what the dry run prints, and what golden files hold. */
import { addressFromTable, formatAddress } from '../net/address.ts';
import { formatAddressBytes } from './address-key.ts';
import type { PeerClassDescription, PortClassDescription, RuleDescription, RuleSetDescription } from './describe.ts';
import {
  ADDRESS_KEY_BYTES,
  ADDRESS_OWN_NODE,
  PEER_CLASS_DEFAULT,
  PEER_CLASS_NONE,
  PORT_CLASSES_PER_BLOCK,
  PREFIX_KEY_BYTES,
  ROW_BYTES,
} from './ids.ts';
import { formatPortTerm, packPortTerm } from './port-term.ts';
import type { VerdictTables } from './tables.ts';

/** Whoever made the tables; a Compiler is one. */
export interface TableGlossary {
  describeRuleSet(id: number): RuleSetDescription | undefined;
  describePeerClass(id: number): PeerClassDescription | undefined;
  describePortClass(id: number): PortClassDescription | undefined;
  /** Whose endpoint it is; without it the numbers stand alone. */
  describeEndpoint?(id: number): string | undefined;
}

/** One section a table; each number is followed by what it means. Ends with a line feed. */
export function formatTables(tables: VerdictTables, glossary: TableGlossary): string {
  const sections = [
    ['endpoints', formatEndpoints(tables, glossary)],
    ['rule sets', formatRuleSets(tables, glossary)],
    ['peer classes', formatPeerClasses(tables, glossary)],
    ['port classes', formatPorts(tables)],
    ['addresses', formatAddresses(tables)],
    ['prefixes', formatPrefixes(tables)],
    ['rows', formatRows(tables)],
  ] as const;
  return `${sections.map(([title, lines]) => [title, ...lines.map((line) => `  ${line}`)].join('\n')).join('\n')}\n`;
}

function byPolicies(policies: readonly string[] | undefined): string {
  return policies === undefined || policies.length === 0 ? '' : ` (${policies.join(', ')})`;
}

function formatEndpoints({ endpoints }: VerdictTables, glossary: TableGlossary): string[] {
  return Array.from(
    endpoints.id,
    (id, i) =>
      `${id}${nameOf(glossary.describeEndpoint?.(id))}: ingress ${endpoints.ingress[i]}${byPolicies(endpoints.ingressPolicies[i])}` +
      `, egress ${endpoints.egress[i]}${byPolicies(endpoints.egressPolicies[i])}`,
  );
}

function nameOf(endpoint: string | undefined): string {
  return endpoint === undefined ? '' : ` ${endpoint}`;
}

function formatRuleSets({ endpoints }: VerdictTables, glossary: TableGlossary): string[] {
  const ids = [...new Set([...endpoints.ingress, ...endpoints.egress])].sort((a, b) => a - b);
  return ids.flatMap((id) => {
    const description = glossary.describeRuleSet(id);
    if (description === undefined) return [`${id}: ?`];
    if (description.kind !== 'rules') return [`${id}: ${description.kind}`];
    if (description.entries.length === 0) return [`${id}: nothing is allowed`];
    return [`${id}:`, ...description.entries.map(formatRule)];
  });
}

function formatRule({ step, peer, ports }: RuleDescription): string {
  return `  ${step === undefined ? '' : `${step} `}${peer}: ${ports.join(', ')}`;
}

function formatPeerClasses({ addresses, prefixes }: VerdictTables, glossary: TableGlossary): string[] {
  const ids = new Set([...addresses.classes, ...prefixes.classes]);
  ids.delete(PEER_CLASS_NONE);
  return [...ids]
    .sort((a, b) => a - b)
    .map((id) => {
      const description = glossary.describePeerClass(id);
      if (description === undefined) return `${id}: ?`;
      const { kind, terms, namedPorts } = description;
      if (kind !== 'terms') return `${id}: ${[kind, ...terms].join('; ')}`;
      const parts = [...(terms.length === 0 ? ['no term'] : terms), ...(namedPorts === '' ? [] : [namedPorts])];
      return `${id}: ${parts.join('; ')}`;
    });
}

function formatPorts({ ports }: VerdictTables): string[] {
  return Array.from(ports.portClass, (portClass, i) => {
    const range = { protocol: ports.protocol[i]!, first: ports.first[i]!, last: ports.last[i]! };
    return `${formatPortTerm(packPortTerm(range))}: ${portClass}`;
  });
}

function formatAddresses({ addresses }: VerdictTables): string[] {
  return Array.from(addresses.classes, (classId, i) => {
    const key = addresses.keys.subarray(i * ADDRESS_KEY_BYTES, (i + 1) * ADDRESS_KEY_BYTES);
    const own = (addresses.flags[i]! & ADDRESS_OWN_NODE) === 0 ? '' : ' (own node)';
    const peerClass = classId === PEER_CLASS_NONE ? 'by prefix' : `${classId}`;
    return `${formatAddressBytes(key)}: ${peerClass}${own}`;
  });
}

function formatPrefixes({ prefixes }: VerdictTables): string[] {
  return Array.from(prefixes.classes, (classId, i) => {
    const key = prefixes.keys.subarray(i * PREFIX_KEY_BYTES, (i + 1) * PREFIX_KEY_BYTES);
    const address = addressFromTable(key[0] === 4 ? 4 : 6, key.subarray(2));
    return `${formatAddress(address.bytes)}/${key[1]}: ${classId}`;
  });
}

function formatRows({ rows }: VerdictTables): string[] {
  return Array.from(rows.ruleSet, (ruleSet, i) => {
    const peerClass = rows.peerClass[i] === PEER_CLASS_DEFAULT ? 'everyone' : `class ${rows.peerClass[i]}`;
    const allow = rows.allow.subarray(i * ROW_BYTES, (i + 1) * ROW_BYTES);
    return `rule set ${ruleSet}, ${peerClass}: port classes ${formatBits(allow, rows.block[i]! * PORT_CLASSES_PER_BLOCK)}`;
  });
}

/** Set bits as a list of ranges. */
function formatBits(bytes: Uint8Array, first: number): string {
  const ranges: string[] = [];
  const isSet = (bit: number): boolean => bit < PORT_CLASSES_PER_BLOCK && (bytes[bit >> 3]! & (1 << (bit & 7))) !== 0;
  for (let bit = 0; bit < PORT_CLASSES_PER_BLOCK; bit++) {
    if (!isSet(bit)) continue;
    const start = bit;
    while (isSet(bit + 1)) bit += 1;
    ranges.push(start === bit ? `${first + start}` : `${first + start}-${first + bit}`);
  }
  return ranges.join(' ');
}
