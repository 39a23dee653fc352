/**
 * What enforces verdict tables on a node. `ebpf/` writes them into the kernel, `memory/` keeps them for tests and dry
 * runs; both pass test/unit/datapath/contract.ts.
 */
import type { TableDelta } from '../policy/table-delta.ts';
import type { VerdictTables } from '../policy/tables.ts';
import type { ServiceDelta } from '../service/delta.ts';
import type { ServiceTables } from '../service/tables.ts';

/** What is known of a pod's interface once it is wired; all that a datapath needs to attach to it. */
export interface EndpointWiring {
  /** Unique over the life of the node, > 0. */
  readonly id: number;
  /** Index of the host end of the veth, in the node's namespace. */
  readonly ifindex: number;
  /** Canonical text; at most one a family. */
  readonly addresses: readonly string[];
  /** `aa:bb:cc:dd:ee:ff` of the pod's end. */
  readonly mac: string;
  /** Of the host's end. */
  readonly hostMac: string;
  /** Redirecting straight into the pod would bypass something that hangs on its interface. */
  readonly noPeer: boolean;
}

/** `at-once`: in whatever way is fastest; the interface is new. `settleEndpoint` is to follow. */
export type AttachPace = 'lasting' | 'at-once';

export interface Realized {
  /** The generation now in force; counts commits, not compiles. */
  readonly generation: number;
  readonly revision: number;
  /** Elements written and deleted, for metrics and tests. */
  readonly writes: number;
}

export interface RealizedServices {
  readonly revision: number;
  /** Elements and stretches of slots written and deleted. */
  readonly writes: number;
  readonly frontends: number;
  readonly backends: number;
  readonly slots: number;
}

/** One side's view of one dropped or audited packet. */
export interface DropEvent {
  readonly timeNs: bigint;
  readonly generation: number;
  readonly ifindex: number;
  readonly endpointId: number;
  readonly ruleSet: number;
  readonly peerClass: number;
  readonly portClass: number;
  /** Name in bpf/abi.h's enum reason without the prefix, lower case: `policy`, `source_address`. */
  readonly reason: string;
  readonly direction: 'egress' | 'ingress';
  readonly verdict: 'deny' | 'allow';
  readonly protocol: number;
  readonly source: string;
  readonly destination: string;
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly tcpFlags: number;
  readonly bytes: number;
  readonly suppressed: number;
}

export interface Counter {
  readonly reason: string;
  readonly direction: 'egress' | 'ingress';
  readonly packets: bigint;
  readonly bytes: bigint;
}

/** A new flow's first packet, judged by the tables in force. */
export interface FlowQuery {
  readonly source: string;
  readonly destination: string;
  /** IANA number. */
  readonly protocol: number;
  /** 0 for protocols without ports. */
  readonly destinationPort: number;
}

/** The verdict of each end that is a local endpoint; undefined: that end is not on this node. */
export interface FlowVerdict {
  readonly egress: 'allow' | 'deny' | undefined;
  readonly ingress: 'allow' | 'deny' | undefined;
}

export interface Datapath extends AsyncDisposable {
  /** Attaches to the interface; the endpoint is closed in both directions until `apply` names its rule sets. */
  attachEndpoint(wiring: EndpointWiring, pace?: AttachPace): Promise<void>;
  /**
   * Brings an endpoint that was attached at once to where a lasting one is, without a gap and without holding anybody up.
   * Idempotent; an unknown id is fine. When it rejects, the endpoint is enforced as it was.
   */
  settleEndpoint(id: number): Promise<void>;
  /**
   * The first half of `detachEndpoint`, fast: nothing passes the interface any more, and its addresses are nobody's. What
   * is attached stays, until `detachEndpoint`, which then no longer needs the interface. Idempotent.
   */
  closeEndpoint(id: number): Promise<void>;
  /** Idempotent: an unknown id is fine. Afterwards nothing of the endpoint is left. */
  detachEndpoint(id: number): Promise<void>;
  /**
   * Reads the kernel: what is not there of what enforces the endpoint, in words; empty when all is. Changes nothing.
   */
  missingOf(wiring: EndpointWiring): readonly string[];
  /** Endpoints as attached now, by id. */
  endpoints(): ReadonlyMap<number, EndpointWiring>;
  /**
   * Brings the tables in force, or what a delta changes of them. `inForce` is called as soon as they are, for every flow;
   * from then on the next call goes on. Resolves once what only earlier tables used is gone too, so that its ids may be used
   * again; when that fails, it rejects, and the next call mends it. Throws `CapacityError` before anything is written when
   * they do not fit, and `StaleDeltaError` when a delta does not change the tables that came in force last: whole ones are
   * needed then.
   */
  apply(tables: VerdictTables | TableDelta, inForce?: (realized: Realized) => void): Promise<Realized>;
  /**
   * Brings service tables in force, or what a delta changes of them, independently of `apply`; whole ones come first. Throws
   * `CapacityError` before anything is written when they do not fit. After whatever failure the next delta is enough: what was
   * not brought in force is with it.
   */
  applyServices(tables: ServiceTables | ServiceDelta): Promise<RealizedServices>;
  /** Reads the tables in force as the programs would. */
  judge(flow: FlowQuery): FlowVerdict;
  counters(): readonly Counter[];
  /** At most one listener; events are dropped while there is none. */
  onDrop(listener: (event: DropEvent) => void): void;
  /** Stops listening and releases handles; what is enforced stays enforced. */
  close(): Promise<void>;
}
