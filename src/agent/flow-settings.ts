/**
 * How many flows the kernel remembers, and for how long. Tables are made at the start of the programs and cannot grow, so
 * their size follows the memory of the machine; timeouts are constants of the programs.
 */

export interface FlowSettings {
  /** Unanswered flows, and those of endpoints beyond their limit. */
  readonly newFlows: number;
  /** Flows seen both ways. */
  readonly liveFlows: number;
  /** Of them one endpoint may have so many. */
  readonly endpointFlows: number;
  /** Constants of the programs, by name. */
  readonly constants: Readonly<Record<string, bigint>>;
}

/** Key, value and what the kernel adds to an element of such a table. */
const FLOW_BYTES = 200;
/** The part of the memory that both tables may take. */
const MEMORY_SHARE = 1 / 256;
export const LIVE_FLOWS_MIN = 16_384;
export const LIVE_FLOWS_MAX = 1_048_576;
/** Unanswered flows end soon: a quarter of the room is plenty. */
const NEW_SHARE = 1 / 4;
/** It takes the flows of eight endpoints at their limit to fill the table. */
const ENDPOINT_SHARE = 1 / 8;
export const FLOW_TIMEOUT_SECONDS_MAX: number = 7 * 86_400;

export const FLOW_TIMEOUT_NAMES = ['tcp-opening', 'tcp', 'tcp-closing', 'other-opening', 'other'] as const;
export type FlowTimeoutName = (typeof FLOW_TIMEOUT_NAMES)[number];
/** Seconds; a name that is not there has its default. */
export type FlowTimeouts = Readonly<Partial<Record<FlowTimeoutName, number>>>;

/** The constant of each, and its default in seconds (bpf/maps.h has the same). */
const TIMEOUTS: Readonly<Record<FlowTimeoutName, { readonly constant: string; readonly seconds: number }>> = {
  'tcp-opening': { constant: 'tcp_opening_timeout_ns', seconds: 60 },
  tcp: { constant: 'tcp_live_timeout_ns', seconds: 86_400 },
  'tcp-closing': { constant: 'tcp_closing_timeout_ns', seconds: 10 },
  'other-opening': { constant: 'other_opening_timeout_ns', seconds: 60 },
  other: { constant: 'other_live_timeout_ns', seconds: 180 },
};

/** @param table the number of flows seen both ways, LIVE_FLOWS_MIN to LIVE_FLOWS_MAX. */
export function readFlowSettings(table: number | 'auto', timeouts: FlowTimeouts, memoryBytes: number): FlowSettings {
  const liveFlows = table === 'auto' ? flowsForMemory(memoryBytes) : table;
  const endpointFlows = Math.floor(liveFlows * ENDPOINT_SHARE);
  return {
    liveFlows,
    newFlows: Math.floor(liveFlows * NEW_SHARE),
    endpointFlows,
    constants: { ...timeoutConstants(timeouts), endpoint_flows_max: BigInt(endpointFlows) },
  };
}

/** A power of two, so that machines of nearly the same size have the same. */
export function flowsForMemory(memoryBytes: number): number {
  const fitting = (memoryBytes * MEMORY_SHARE) / (FLOW_BYTES * (1 + NEW_SHARE));
  return Math.min(LIVE_FLOWS_MAX, Math.max(LIVE_FLOWS_MIN, 2 ** Math.floor(Math.log2(fitting))));
}

function timeoutConstants(timeouts: FlowTimeouts): Record<string, bigint> {
  return Object.fromEntries(
    FLOW_TIMEOUT_NAMES.map((name) => {
      const { constant, seconds } = TIMEOUTS[name];
      return [constant, BigInt(timeouts[name] ?? seconds) * 1_000_000_000n];
    }),
  );
}
