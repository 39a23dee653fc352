/** What `sluice status` shows, as JSON: stable names, additions only. */
import type { ObjectProblem } from '../cluster/source.ts';
import type { Counter } from '../datapath/datapath.ts';
import type { CompileProblem } from '../policy/compiler.ts';

export interface EndpointStatus {
  readonly id: number;
  /** `namespace/name`. */
  readonly pod: string;
  readonly containerId: string;
  readonly ifname: string;
  readonly hostInterface: string;
  readonly ifindex: number;
  readonly addresses: readonly string[];
  readonly state: 'wiring' | 'ready';
  /** Nothing passes in either direction: the pod is not in the desired state, or its policies are not in force yet. */
  readonly closed: boolean;
  readonly ingressPolicies: readonly string[];
  readonly egressPolicies: readonly string[];
}

export interface AgentStatus {
  readonly instance: string;
  readonly node: string;
  readonly ready: boolean;
  readonly attach: 'tcx' | 'clsact';
  readonly source: { readonly synced: boolean; readonly asOf: string; readonly fault: string };
  readonly tables: {
    /** Number of the last change taken in, and of the last one in force. */
    readonly submitted: number;
    readonly realized: number;
    readonly generation: number;
    readonly revision: number;
    /** Why the newest state is not in force; empty when it is. */
    readonly failure: string;
  };
  readonly podCIDRs: readonly string[];
  readonly endpoints: readonly EndpointStatus[];
  readonly objectProblems: readonly ObjectProblem[];
  readonly compileProblems: readonly CompileProblem[];
  readonly counters: readonly { reason: string; direction: string; packets: number; bytes: number }[];
}

/** Counters that have counted; numbers beyond 2^53 lose their last digits. */
export function countersOf(counters: readonly Counter[]): AgentStatus['counters'] {
  return counters
    .filter(({ packets }) => packets > 0n)
    .map(({ reason, direction, packets, bytes }) => ({
      reason,
      direction,
      packets: Number(packets),
      bytes: Number(bytes),
    }));
}
