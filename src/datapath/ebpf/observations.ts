/** What the programs tell: drop events and counters, in the words of the Datapath interface. */
import * as abi from '../../kernel/abi.gen.ts';
import type { BpfMap } from '../../kernel/bpf-map.ts';
import { addressFromTable, formatAddress } from '../../net/address.ts';
import type { Counter, DropEvent } from '../datapath.ts';
import { familyOf } from '../lookup.ts';

/** By number: the member of enum reason in lower case. */
const REASONS: readonly string[] = reasonNames();
const DIRECTIONS = ['egress', 'ingress'] as const;

function reasonNames(): string[] {
  const names: string[] = [];
  for (const [name, number] of Object.entries(abi.Reason)) if (name !== 'COUNT') names[number] = name.toLowerCase();
  return names;
}

export function reasonName(number: number): string {
  return REASONS[number] ?? `reason_${number}`;
}

/** @param record as the ring buffer gives it. */
export function readDropEvent(record: Uint8Array): DropEvent {
  const event = abi.decodeDropEvent(new DataView(record.buffer, record.byteOffset, record.byteLength), 0);
  // A frame without an IP header that could be read has no family: its addresses are zeros.
  const text = (bytes: Uint8Array): string => formatAddress(addressFromTable(familyOf(event.family || 4), bytes).bytes);
  return {
    timeNs: event.timeNs,
    generation: event.generation,
    ifindex: event.ifindex,
    endpointId: event.endpointId,
    ruleSet: event.ruleSet,
    peerClass: event.peerClass,
    portClass: event.portClass,
    reason: reasonName(event.reason),
    direction: event.direction === abi.Direction.INGRESS ? 'ingress' : 'egress',
    verdict: event.verdict === abi.Verdict.ALLOW ? 'allow' : 'deny',
    protocol: event.protocol,
    source: text(event.source),
    destination: text(event.destination),
    sourcePort: event.sourcePort,
    destinationPort: event.destinationPort,
    tcpFlags: event.tcpFlags,
    bytes: event.bytes,
    suppressed: event.suppressed,
  };
}

/** Every reason and direction, summed over the CPUs. */
export function readCounters(map: BpfMap): readonly Counter[] {
  return REASONS.flatMap((reason, number) =>
    DIRECTIONS.map((direction, side) => {
      const key = new Uint8Array(4);
      new DataView(key.buffer).setUint32(0, number * DIRECTIONS.length + side, true);
      let packets = 0n;
      let bytes = 0n;
      for (const value of map.lookupPerCpu(key) ?? []) {
        const counter = abi.decodeCounterValue(new DataView(value.buffer, value.byteOffset, value.byteLength), 0);
        packets += counter.packets;
        bytes += counter.bytes;
      }
      return { reason, direction, packets, bytes };
    }),
  );
}
