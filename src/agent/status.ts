/** What `sluice status` shows, as JSON: stable names, additions only. */
import type { ObjectProblem } from '../cluster/source.ts';
import type { TableFill } from '../datapath/capacity.ts';
import type { Counter } from '../datapath/datapath.ts';
import type { RangeUsage } from '../ipam/ipam.ts';
import type { CompileProblem } from '../policy/compiler.ts';
import type { FlowSettings } from './flow-settings.ts';
import type { RoutingStatus } from './routing/status.ts';

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

/** How full the tables of flows are. */
export interface FlowStatus {
  /** Room for flows seen both ways, for all and for one endpoint; and for unanswered ones. */
  readonly liveMax: number;
  readonly endpointMax: number;
  readonly newMax: number;
  /** Flows seen both ways, at most: those that ended unseen are counted until their time is over. */
  readonly live: number;
  /** Pods at their limit: further flows of theirs may be forgotten before their time. */
  readonly atLimit: readonly string[];
}

/** What probes and reports look at, every few seconds: nothing of it is read from the kernel. */
export type AgentState = Pick<
  AgentStatus,
  'instance' | 'node' | 'ready' | 'source' | 'tables' | 'podCIDRs' | 'objectProblems' | 'compileProblems'
>;

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
  /** The service tables in force. */
  readonly services: {
    readonly frontends: number;
    readonly backends: number;
    readonly slots: number;
    /** Why the newest are not in force; empty when they are. */
    readonly failure: string;
  };
  readonly flows: FlowStatus;
  readonly podCIDRs: readonly string[];
  /** How full each of the ranges in use is. */
  readonly ipam: readonly RangeUsage[];
  /** How full the tables of policy are. */
  readonly tableFill: readonly TableFill[];
  readonly routing: RoutingStatus;
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

/** From the upper bounds by endpoint id. A pod that is gone is counted, and not named. */
export function flowStatus(
  settings: FlowSettings,
  usage: ReadonlyMap<number, number>,
  recordOf: (id: number) => { readonly namespace: string; readonly pod: string } | undefined,
): FlowStatus {
  const atLimit = [...usage].flatMap(([id, flows]) => {
    const record = flows >= settings.endpointFlows ? recordOf(id) : undefined;
    return record === undefined ? [] : [`${record.namespace}/${record.pod}`];
  });
  return {
    liveMax: settings.liveFlows,
    endpointMax: settings.endpointFlows,
    newMax: settings.newFlows,
    live: [...usage.values()].reduce((sum, flows) => sum + flows, 0),
    atLimit: atLimit.toSorted(),
  };
}
