/**
 * The elements of the tables as bpf/abi.h lays them out, as plain values: what the planner writes and every store keeps.
 * Field names are those of the generated codecs, so that `ebpf/` can hand them over as they are.
 *
 * A versioned element carries two sides. The new one is in force once the generation in force has reached the element's
 * generation, the old one before; a packet reads the generation in force once, so one store makes every new side
 * effective at the same time.
 */
import type { Family } from '../net/address.ts';
import { PEER_CLASS_NONE, RULE_SET_CLOSED } from '../policy/ids.ts';

/** Numbers of bpf/abi.h that only the datapath needs; a unit test compares them with the header's. */
export const LIMIT_ENDPOINTS = 4096;
/** Of one endpoint: one a family. */
export const ENDPOINT_ADDRESSES_MAX = 2;
export const ENDPOINT_NO_PEER = 1;
export const CONFIG_JUDGE_OWN_NODE = 1;
export const CONFIG_SERVICES = 2;
export const FRONTEND_ADDRESS = 8;
export const LIMIT_FRONTENDS = 131_072;
export const LIMIT_BACKENDS = 262_144;
export const LIMIT_SLOTS = 4_194_304;
export const LIMIT_SERVICE_RANGES = 64;
export const PORT_TABLE_CELLS = 49152;
export const PORT_CLASSES_PER_CELL = 4;

/** Which of the two port tables. */
export type PortTableNumber = 0 | 1;

export interface AddressKey {
  readonly family: Family;
  /** 16 bytes; IPv4 in the first four, the rest zero. */
  readonly address: Uint8Array;
}

export interface PrefixKey extends AddressKey {
  /** Prefix length within the family. */
  readonly length: number;
}

export interface RowKey {
  readonly ruleSet: number;
  readonly peerClass: number;
  readonly block: number;
}

export interface AddressElement {
  readonly generation: number;
  readonly classOld: number;
  readonly classNew: number;
  /** address_flag bits; not versioned. */
  readonly flags: number;
}

/** The local endpoint that has an address. Not versioned: who has it is the same for all tables. */
export interface LocalElement {
  readonly endpointId: number;
  readonly ifindex: number;
  readonly mac: Uint8Array;
  readonly hostMac: Uint8Array;
  /** endpoint_flag bits. */
  readonly endpointFlags: number;
}

export interface PrefixElement {
  readonly generation: number;
  readonly classOld: number;
  readonly classNew: number;
}

export interface EndpointElement {
  readonly id: number;
  /** endpoint_flag bits. */
  readonly flags: number;
  readonly mac: Uint8Array;
  readonly hostMac: Uint8Array;
  readonly generation: number;
  readonly ingressOld: number;
  readonly ingressNew: number;
  readonly egressOld: number;
  readonly egressNew: number;
  /** 4 bytes; all zero: none. */
  readonly ipv4: Uint8Array;
  /** 16 bytes; all zero: none. */
  readonly ipv6: Uint8Array;
}

export interface RowElement {
  /** 32 bytes. */
  readonly allow: Uint8Array;
  readonly audit: Uint8Array;
}

export interface Commit {
  readonly generation: number;
  readonly portTable: PortTableNumber;
}

/** Rule sets of one endpoint, by direction. */
export interface RuleSets {
  readonly ingress: number;
  readonly egress: number;
}

export const CLOSED: RuleSets = { ingress: RULE_SET_CLOSED, egress: RULE_SET_CLOSED };

/** The generation after this one; 0 is never in force. */
export function nextGeneration(generation: number): number {
  const next = (generation + 1) >>> 0;
  return next === 0 ? 1 : next;
}

/** Whether an element of that generation shows its new side. Modulo 2^32, as the programs reckon. */
export function isInForce(generationInForce: number, generation: number): boolean {
  return ((generationInForce - generation) | 0) >= 0;
}

/** The class of the side in force; PEER_CLASS_NONE: the address has none of its own. */
export function classInForce(element: PrefixElement, generationInForce: number): number {
  return isInForce(generationInForce, element.generation) ? element.classNew : element.classOld;
}

export function ruleSetsInForce(element: EndpointElement, generationInForce: number): RuleSets {
  return isInForce(generationInForce, element.generation)
    ? { ingress: element.ingressNew, egress: element.egressNew }
    : { ingress: element.ingressOld, egress: element.egressOld };
}

/** Without a class and without flags an address element says nothing. */
export function isVoidAddress(element: Pick<AddressElement, 'flags'>, peerClass: number): boolean {
  return peerClass === PEER_CLASS_NONE && element.flags === 0;
}
