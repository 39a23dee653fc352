/**
 * How many flows each endpoint has in the table of flows seen both ways: an upper bound, as bpf/conntrack.h counts it.
 * The table itself is not walked, which would take long; an endpoint at its limit is what a person has to know of.
 */
import * as abi from '../../kernel/abi.gen.ts';
import type { BpfMap } from '../../kernel/bpf-map.ts';

export interface FlowTimes {
  /** Of a TCP flow and of any other without traffic, nanoseconds: the programs' constants. */
  readonly tcpLiveNs: bigint;
  readonly otherLiveNs: bigint;
}

/** By endpoint id. nowNs: CLOCK_MONOTONIC. */
export function readFlowUsage(map: BpfMap, times: FlowTimes, nowNs: bigint): ReadonlyMap<number, number> {
  const usage = new Map<number, number>();
  for (const { key, value } of map.entries()) {
    const id = new DataView(key.buffer, key.byteOffset).getUint32(0, true);
    const slots = abi.decodeUsageValue(new DataView(value.buffer, value.byteOffset), 0);
    const tcp = sum(slots.tcpPart, slots.tcpFlows, partOf(nowNs, times.tcpLiveNs));
    const other = sum(slots.otherPart, slots.otherFlows, partOf(nowNs, times.otherLiveNs));
    if (tcp + other > 0) usage.set(id, tcp + other);
  }
  return usage;
}

/** Number of the part of time, as usage_part() has it. */
function partOf(nowNs: bigint, lifeNs: bigint): number {
  return Number(nowNs / (lifeNs / BigInt(abi.Limit.USAGE_SLOTS - 1) + 1n)) >>> 0;
}

function sum(parts: readonly number[], flows: readonly number[], now: number): number {
  return parts.reduce((total, part, i) => total + ((now - part) >>> 0 < abi.Limit.USAGE_SLOTS ? flows[i]! : 0), 0);
}
