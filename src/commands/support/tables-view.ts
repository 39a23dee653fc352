/** The tables of a node as JSON: every number with what it means. The form that docs/output.md describes. */
import { addressFromTable, formatAddress } from '../../net/address.ts';
import { formatAddressBytes } from '../../policy/address-key.ts';
import {
  ADDRESS_KEY_BYTES,
  ADDRESS_OWN_NODE,
  PEER_CLASS_NONE,
  PORT_CLASSES_PER_BLOCK,
  PREFIX_KEY_BYTES,
  ROW_BYTES,
} from '../../policy/ids.ts';
import { formatPortTerm, packPortTerm } from '../../policy/port-term.ts';
import type { VerdictTables } from '../../policy/tables.ts';
import type { NodeTables } from './node-tables.ts';

export interface TablesView {
  readonly endpoints: readonly {
    readonly id: number;
    readonly pod: string;
    readonly ingress: number;
    readonly egress: number;
    readonly ingressPolicies: readonly string[];
    readonly egressPolicies: readonly string[];
  }[];
  readonly ruleSets: readonly {
    readonly id: number;
    readonly kind: string;
    readonly rules: readonly { readonly peer: string; readonly ports: readonly string[] }[];
  }[];
  readonly peerClasses: readonly {
    readonly id: number;
    readonly kind: string;
    readonly terms: readonly string[];
    readonly namedPorts: string;
  }[];
  readonly ports: readonly { readonly ports: string; readonly portClass: number }[];
  /** peerClass null: that of the prefixes. */
  readonly addresses: readonly {
    readonly address: string;
    readonly peerClass: number | null;
    readonly ownNode: boolean;
  }[];
  readonly prefixes: readonly { readonly prefix: string; readonly peerClass: number }[];
  /** peerClass 0: everyone without a row of its own. */
  readonly rows: readonly {
    readonly ruleSet: number;
    readonly peerClass: number;
    readonly portClasses: readonly number[];
  }[];
}

export function viewTables({ result: { tables }, glossary }: NodeTables): TablesView {
  const { endpoints, addresses, prefixes, ports, rows } = tables;
  const ruleSets = [...new Set([...endpoints.ingress, ...endpoints.egress])].sort((a, b) => a - b);
  const classes = [...new Set([...addresses.classes, ...prefixes.classes])].filter((id) => id !== PEER_CLASS_NONE);
  return {
    endpoints: Array.from(endpoints.id, (id, i) => ({
      id,
      pod: glossary.describeEndpoint?.(id) ?? '',
      ingress: endpoints.ingress[i]!,
      egress: endpoints.egress[i]!,
      ingressPolicies: endpoints.ingressPolicies[i] ?? [],
      egressPolicies: endpoints.egressPolicies[i] ?? [],
    })),
    ruleSets: ruleSets.flatMap((id) => {
      const found = glossary.describeRuleSet(id);
      return found === undefined ? [] : [{ id, kind: found.kind, rules: found.entries }];
    }),
    peerClasses: classes.sort((a, b) => a - b).flatMap((id) => glossary.describePeerClass(id) ?? []),
    ports: Array.from(ports.portClass, (portClass, i) => {
      const term = packPortTerm({ protocol: ports.protocol[i]!, first: ports.first[i]!, last: ports.last[i]! });
      return { ports: formatPortTerm(term), portClass };
    }),
    addresses: Array.from(addresses.classes, (peerClass, i) => ({
      address: formatAddressBytes(addresses.keys.subarray(i * ADDRESS_KEY_BYTES, (i + 1) * ADDRESS_KEY_BYTES)),
      peerClass: peerClass === PEER_CLASS_NONE ? null : peerClass,
      ownNode: (addresses.flags[i]! & ADDRESS_OWN_NODE) !== 0,
    })),
    prefixes: Array.from(prefixes.classes, (peerClass, i) => ({ prefix: prefixAt(tables, i), peerClass })),
    rows: Array.from(rows.ruleSet, (ruleSet, i) => ({
      ruleSet,
      peerClass: rows.peerClass[i]!,
      portClasses: setBits(
        rows.allow.subarray(i * ROW_BYTES, (i + 1) * ROW_BYTES),
        rows.block[i]! * PORT_CLASSES_PER_BLOCK,
      ),
    })),
  };
}

function prefixAt({ prefixes }: VerdictTables, index: number): string {
  const key = prefixes.keys.subarray(index * PREFIX_KEY_BYTES, (index + 1) * PREFIX_KEY_BYTES);
  return `${formatAddress(addressFromTable(key[0] === 4 ? 4 : 6, key.subarray(2)).bytes)}/${key[1]}`;
}

function setBits(bytes: Uint8Array, first: number): readonly number[] {
  const bits: number[] = [];
  for (let bit = 0; bit < PORT_CLASSES_PER_BLOCK; bit++) {
    if ((bytes[bit >> 3]! & (1 << (bit & 7))) !== 0) bits.push(first + bit);
  }
  return bits;
}
