/**
 * VerdictTables: all that the kernel needs to judge a packet on one node, as flat typed arrays, so that a worker can
 * transfer them and two of them can be compared by a merge. Pure data: what the dry run prints is what is written.
 *
 * Ids are stable from one compile to the next of the same compiler:
 * 1. a peer class is the set of peer terms it matches (plus the numbers its named ports resolve to);
 * 2. a port class is the set of port terms it matches;
 * 3. a rule set is its canonical list of (peer term, port term) pairs.
 * An id that survives therefore keeps its meaning, and a bit of a surviving row at a surviving port class never
 * changes. An id that fell out of use is not used again before the caller releases it (`Compiler.release`).
 * Numbers with a fixed meaning are in bpf/abi.h (rule_set, peer_class, port_class).
 */

/** Sorted by key. */
export interface AddressTable {
  /** 17 bytes an entry: family (4 or 6), then the address in network order (IPv4: 4 bytes, the rest zero). */
  readonly keys: Uint8Array;
  /** PEER_CLASS_NONE: only flags are known of it; the class is that of the prefixes. */
  readonly classes: Uint32Array;
  /** address_flag bits. */
  readonly flags: Uint32Array;
}

/** Sorted by key. The longest prefix decides; classes are complete (a deeper prefix repeats what holds around it). */
export interface PrefixTable {
  /** 18 bytes an entry: family, prefix length, then the address as in AddressTable. */
  readonly keys: Uint8Array;
  readonly classes: Uint32Array;
}

/** Intervals in order of (protocol, first); together they cover 0-65535 of every protocol. */
export interface PortTable {
  /** port_protocol: 0 TCP, 1 UDP, 2 SCTP. */
  readonly protocol: Uint8Array;
  readonly first: Uint16Array;
  readonly last: Uint16Array;
  readonly portClass: Uint16Array;
}

/**
 * Sorted by (ruleSet, peerClass, block). Per rule set the row of PEER_CLASS_DEFAULT answers for every class without a
 * row of its own; a block without any row denies. A row equal to the default row of its block is not stored.
 */
export interface RowTable {
  readonly ruleSet: Uint32Array;
  readonly peerClass: Uint32Array;
  readonly block: Uint32Array;
  /** 32 bytes an entry; bit n % 8 of byte n / 8 is port class block * 256 + n. */
  readonly allow: Uint8Array;
  readonly audit: Uint8Array;
}

/** Sorted by id. */
export interface EndpointTable {
  readonly id: Uint32Array;
  readonly ingress: Uint32Array;
  readonly egress: Uint32Array;
  /**
   * Policies that have a say at the endpoint, in the order in which they are asked: `cnp:name` of ClusterNetworkPolicies,
   * `namespace/name` of the NetworkPolicies that isolate it. For explanations. Same order as id.
   */
  readonly ingressPolicies: readonly (readonly string[])[];
  readonly egressPolicies: readonly (readonly string[])[];
}

export interface VerdictTables {
  /** Counts compiles; 1 is the first. */
  readonly revision: number;
  readonly addresses: AddressTable;
  readonly prefixes: PrefixTable;
  readonly ports: PortTable;
  readonly rows: RowTable;
  readonly endpoints: EndpointTable;
}
