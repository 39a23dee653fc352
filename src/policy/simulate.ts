/**
 * Judges a packet by the tables alone, step by step as the datapath does. It knows nothing of policies; what is decided
 * elsewhere is not here: connection tracking, the node's own traffic (NP-80, NP-81), a pod to itself (NP-85).
 *
 * 1. rule set of (endpoint, direction); open and closed decide at once;
 * 2. class of the peer: exact address -> longest prefix -> world;
 * 3. port class: by protocol and port, or a fixed one for protocols without ports;
 * 4. row of (rule set, class, block), else of the default class, else deny.
 */
import { parseAddress } from '../net/address.ts';
import { addressKey, writeAddressKey } from './address-key.ts';
import {
  ADDRESS_KEY_BYTES,
  PEER_CLASS_DEFAULT,
  PEER_CLASS_NONE,
  PEER_CLASS_WORLD,
  PORT_CLASS_ICMP,
  PORT_CLASS_ICMPV6,
  PORT_CLASS_OTHER,
  PORT_CLASSES_PER_BLOCK,
  PORT_PROTOCOL_SCTP,
  PORT_PROTOCOL_TCP,
  PORT_PROTOCOL_UDP,
  PREFIX_KEY_BYTES,
  ROW_BYTES,
  RULE_SET_CLOSED,
  RULE_SET_OPEN,
} from './ids.ts';
import type { VerdictTables } from './tables.ts';

export type Direction = 'egress' | 'ingress';

const IPPROTO_ICMP = 1;
const IPPROTO_TCP = 6;
const IPPROTO_UDP = 17;
const IPPROTO_ICMPV6 = 58;
const IPPROTO_SCTP = 132;
const PORT_PROTOCOLS: ReadonlyMap<number, number> = new Map([
  [IPPROTO_TCP, PORT_PROTOCOL_TCP],
  [IPPROTO_UDP, PORT_PROTOCOL_UDP],
  [IPPROTO_SCTP, PORT_PROTOCOL_SCTP],
]);

export interface EndpointRuleSets {
  readonly ingress: number;
  readonly egress: number;
}

/** Looks things up in one set of tables, which must not change meanwhile. */
export class TableReader {
  readonly #tables: VerdictTables;
  readonly #endpoints = new Map<number, EndpointRuleSets>();
  /** Prefix lengths that occur, longest first, by family. */
  readonly #lengths: ReadonlyMap<number, readonly number[]>;

  constructor(tables: VerdictTables) {
    this.#tables = tables;
    const { id, ingress, egress } = tables.endpoints;
    for (const [i, endpoint] of id.entries()) {
      this.#endpoints.set(endpoint, { ingress: ingress[i]!, egress: egress[i]! });
    }
    this.#lengths = prefixLengths(tables.prefixes.keys);
  }

  /** Undefined when there is no such endpoint. */
  ruleSetsOf(endpointId: number): EndpointRuleSets | undefined {
    return this.#endpoints.get(endpointId);
  }

  /** Class of an address, given as a 17-byte key of AddressTable. */
  classOf(address: Uint8Array): number {
    const { keys, classes } = this.#tables.addresses;
    const at = findKey(keys, ADDRESS_KEY_BYTES, address);
    const exact = at < 0 ? PEER_CLASS_NONE : classes[at]!;
    return exact === PEER_CLASS_NONE ? this.#classOfPrefix(address) : exact;
  }

  /** address_flag bits of an address, given as a 17-byte key. */
  flagsOf(address: Uint8Array): number {
    const at = findKey(this.#tables.addresses.keys, ADDRESS_KEY_BYTES, address);
    return at < 0 ? 0 : this.#tables.addresses.flags[at]!;
  }

  /** `protocol` is the IANA number; `port` is ignored where it has none. */
  portClassOf(protocol: number, port: number): number {
    if (protocol === IPPROTO_ICMP) return PORT_CLASS_ICMP;
    if (protocol === IPPROTO_ICMPV6) return PORT_CLASS_ICMPV6;
    const index = PORT_PROTOCOLS.get(protocol);
    if (index === undefined) return PORT_CLASS_OTHER;
    const { ports } = this.#tables;
    let low = 0;
    let high = ports.first.length;
    while (high - low > 1) {
      const middle = (low + high) >>> 1;
      const before = ports.protocol[middle]! - index || ports.first[middle]! - port;
      if (before <= 0) low = middle;
      else high = middle;
    }
    return ports.portClass[low]!;
  }

  /** True: allowed. */
  verdict(ruleSet: number, peerClass: number, portClass: number): boolean {
    if (ruleSet === RULE_SET_OPEN) return true;
    if (ruleSet === RULE_SET_CLOSED) return false;
    const block = Math.floor(portClass / PORT_CLASSES_PER_BLOCK);
    let row = this.#findRow(ruleSet, peerClass, block);
    if (row < 0) row = this.#findRow(ruleSet, PEER_CLASS_DEFAULT, block);
    if (row < 0) return false;
    const bit = portClass % PORT_CLASSES_PER_BLOCK;
    return (this.#tables.rows.allow[row * ROW_BYTES + (bit >> 3)]! & (1 << (bit & 7))) !== 0;
  }

  /**
   * Verdict at the endpoint's end for a packet to (egress) or from (ingress) the peer. `port` is the destination port of
   * the flow. Undefined when there is no such endpoint.
   * @throws RangeError when the peer is not an address.
   */
  judge(
    endpointId: number,
    direction: Direction,
    peer: string,
    protocol: number,
    port: number,
  ): 'allow' | 'deny' | undefined {
    const ruleSets = this.ruleSetsOf(endpointId);
    if (ruleSets === undefined) return undefined;
    const allowed = this.verdict(ruleSets[direction], this.classOf(keyOf(peer)), this.portClassOf(protocol, port));
    return allowed ? 'allow' : 'deny';
  }

  #classOfPrefix(address: Uint8Array): number {
    const { keys, classes } = this.#tables.prefixes;
    for (const length of this.#lengths.get(address[0]!) ?? []) {
      const at = findKey(keys, PREFIX_KEY_BYTES, prefixKey(address, length));
      if (at >= 0) return classes[at]!;
    }
    return PEER_CLASS_WORLD;
  }

  #findRow(ruleSet: number, peerClass: number, block: number): number {
    const { rows } = this.#tables;
    let low = 0;
    let high = rows.ruleSet.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const order =
        rows.ruleSet[middle]! - ruleSet || rows.peerClass[middle]! - peerClass || rows.block[middle]! - block;
      if (order === 0) return middle;
      if (order < 0) low = middle + 1;
      else high = middle;
    }
    return -1;
  }
}

function keyOf(text: string): Uint8Array {
  const address = parseAddress(text);
  if (address === undefined) throw new RangeError(`${JSON.stringify(text)} is not an IP address`);
  const key = new Uint8Array(ADDRESS_KEY_BYTES);
  writeAddressKey(addressKey(address), key, 0);
  return key;
}

function prefixLengths(keys: Uint8Array): ReadonlyMap<number, readonly number[]> {
  const lengths = new Map<number, Set<number>>();
  for (let at = 0; at < keys.length; at += PREFIX_KEY_BYTES) {
    const family = keys[at]!;
    const known = lengths.get(family) ?? new Set();
    lengths.set(family, known.add(keys[at + 1]!));
  }
  return new Map([...lengths].map(([family, known]) => [family, [...known].sort((a, b) => b - a)]));
}

function prefixKey(address: Uint8Array, length: number): Uint8Array {
  const key = new Uint8Array(PREFIX_KEY_BYTES);
  key[0] = address[0]!;
  key[1] = length;
  for (let i = 0; i < 16; i++) {
    const keep = Math.min(8, Math.max(0, length - i * 8));
    key[i + 2] = address[i + 1]! & (0xff << (8 - keep));
  }
  return key;
}

/** Index of the key among sorted keys of that width; -1 when it is not there. */
function findKey(keys: Uint8Array, width: number, key: Uint8Array): number {
  let low = 0;
  let high = keys.length / width;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const order = compareAt(keys, middle * width, key, width);
    if (order === 0) return middle;
    if (order < 0) low = middle + 1;
    else high = middle;
  }
  return -1;
}

function compareAt(keys: Uint8Array, at: number, key: Uint8Array, width: number): number {
  for (let i = 0; i < width; i++) {
    const order = keys[at + i]! - key[i]!;
    if (order !== 0) return order;
  }
  return 0;
}
