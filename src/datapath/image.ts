/**
 * What the store holds in force, as the planner sees it: the tables last brought in force, and beside them what does
 * not come from tables: the endpoints' wiring and the addresses whose element differs from the table's.
 *
 * An image describes a settled store: no element waits for a later generation, and nothing is left over that only an
 * earlier generation used. After a failure the store is read anew and settled (adopt.ts).
 */
import type { PortTable, PrefixTable, RowTable, VerdictTables } from '../policy/tables.ts';
import { PEER_CLASS_UNKNOWN_POD } from '../policy/ids.ts';
import type { AddressLayers } from './address-layers.ts';
import type { ClassUse } from './class-use.ts';
import type { EndpointWiring } from './datapath.ts';
import type { AddressKey, PortTableNumber, RuleSets } from './elements.ts';

export interface ImageEndpoint {
  readonly wiring: EndpointWiring;
  readonly ruleSets: RuleSets;
  /** Closed ever since it was attached: no flow of it was ever allowed, so none has to be judged again. */
  readonly isFresh: boolean;
}

/** An address whose element is not what the address table says, or has more than a class. */
export interface ImageAddress {
  readonly key: AddressKey;
  /** In force. */
  readonly peerClass: number;
  readonly flags: number;
  /** The local endpoint that has it. */
  readonly endpointId: number | undefined;
}

/** Sorted rows by rule set; a rule set without rows has no entry. */
export type RowsBySet = ReadonlyMap<number, RowTable>;

export interface KernelImage {
  readonly generation: number;
  readonly portTable: PortTableNumber;
  /** Of the tables in force; 0: not known. */
  readonly revision: number;
  readonly addresses: AddressLayers;
  readonly prefixes: PrefixTable;
  /** Of `addresses` and `prefixes`. */
  readonly classes: ClassUse;
  readonly ports: PortTable;
  readonly rows: RowsBySet;
  /** By id: what the tables say of endpoints, attached or not. */
  readonly named: ReadonlyMap<number, RuleSets>;
  /** By id. */
  readonly endpoints: ReadonlyMap<number, ImageEndpoint>;
  /** By text (lookup.ts); each stands in for what `addresses` says of it. */
  readonly ownAddresses: ReadonlyMap<string, ImageAddress>;
}

/** Ids that something in the store still refers to: a compiler that starts over must not give them another meaning. */
export interface IdsInUse {
  readonly ruleSets: readonly number[];
  readonly peerClasses: readonly number[];
  readonly portClasses: readonly number[];
}

/** The class of a local endpoint's address that the tables do not know: no selector and no ipBlock matches it. */
export const OWN_ADDRESS_CLASS: number = PEER_CLASS_UNKNOWN_POD;

export const EMPTY_TABLES: VerdictTables = {
  revision: 0,
  addresses: { keys: new Uint8Array(0), classes: new Uint32Array(0), flags: new Uint32Array(0) },
  prefixes: { keys: new Uint8Array(0), classes: new Uint32Array(0) },
  ports: {
    protocol: new Uint8Array(0),
    first: new Uint16Array(0),
    last: new Uint16Array(0),
    portClass: new Uint16Array(0),
  },
  rows: {
    ruleSet: new Uint32Array(0),
    peerClass: new Uint32Array(0),
    block: new Uint32Array(0),
    allow: new Uint8Array(0),
    audit: new Uint8Array(0),
  },
  endpoints: {
    id: new Uint32Array(0),
    ingress: new Uint32Array(0),
    egress: new Uint32Array(0),
    ingressPolicies: [],
    egressPolicies: [],
  },
};

export function idsInUse(image: KernelImage): IdsInUse {
  const ruleSets = new Set(image.rows.keys());
  for (const { ruleSets: named } of image.endpoints.values()) ruleSets.add(named.ingress).add(named.egress);
  const peerClasses = new Set(image.addresses.table().classes);
  for (const { peerClass } of image.rows.values()) for (const id of peerClass) peerClasses.add(id);
  for (const peerClass of image.prefixes.classes) peerClasses.add(peerClass);
  for (const { peerClass } of image.ownAddresses.values()) peerClasses.add(peerClass);
  return {
    ruleSets: ascending(ruleSets),
    peerClasses: ascending(peerClasses),
    portClasses: ascending(new Set(image.ports.portClass)),
  };
}

function ascending(ids: ReadonlySet<number>): number[] {
  return [...ids].sort((a, b) => a - b);
}
