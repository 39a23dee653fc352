/** Which ports are open from one address to another: at both ends, by the tables alone. */
import type { DryRun } from './dry-run.ts';
import type { FlowCell } from './flow-cells.ts';
import { PORT_CLASS_ICMP, PORT_CLASS_ICMPV6, PORT_CLASS_OTHER } from './ids.ts';
import { judgeFlow } from './answer.ts';
import { formatPortTerm, packPortTerm, type PortRange } from './port-term.ts';

/** Pairs for which the same is open. */
export interface OpenPart {
  /** `TCP 80`, `UDP`, `ICMP`, `other protocols`; `everything` alone; empty: nothing. */
  readonly ports: readonly string[];
  readonly pairs: number;
  readonly sources: readonly FlowCell[];
  readonly destinations: readonly FlowCell[];
}

const EVERYTHING = ['everything'];

/** Pairs of different families are passed over, and a pod and itself when there are others. Nothing open first. */
export function openParts(
  dryRun: DryRun,
  sources: readonly FlowCell[],
  destinations: readonly FlowCell[],
): readonly OpenPart[] {
  const parts = new Map<string, { ports: readonly string[]; pairs: number; from: Set<FlowCell>; to: Set<FlowCell> }>();
  const isOnlyPair = sources.length * destinations.length === 1;
  for (const source of sources) {
    for (const destination of destinations) {
      if (source.family !== destination.family || (source.address === destination.address && !isOnlyPair)) continue;
      const ports = openPorts(dryRun, source, destination);
      const key = ports.join(', ');
      const part = parts.get(key) ?? { ports, pairs: 0, from: new Set(), to: new Set() };
      parts.set(key, part);
      part.pairs += 1;
      part.from.add(source);
      part.to.add(destination);
    }
  }
  return Array.from(parts.values(), ({ ports, pairs, from, to }) => {
    return { ports, pairs, sources: [...from], destinations: [...to] };
  }).toSorted((a, b) => Number(a.ports.length > 0) - Number(b.ports.length > 0));
}

function openPorts(dryRun: DryRun, source: FlowCell, destination: FlowCell): readonly string[] {
  const flow = { source: source.address, destination: destination.address, protocol: 'TCP', port: 0 } as const;
  const { reason, egress, ingress } = judgeFlow(dryRun, flow, {
    ...(source.pod !== undefined && { source: source.pod }),
    ...(destination.pod !== undefined && { destination: destination.pod }),
  });
  if (reason !== 'policy') return EVERYTHING;
  const ends = [
    { end: egress, peerClass: dryRun.classAt(destination.address) },
    { end: ingress, peerClass: dryRun.classAt(source.address) },
  ];
  const isOpen = (portClass: number): boolean =>
    ends.every(({ end, peerClass }) => {
      const endpoint = end === undefined ? undefined : dryRun.endpointOf(end.pod);
      const ruleSets = endpoint === undefined ? undefined : dryRun.reader.ruleSetsOf(endpoint);
      return (
        end === undefined ||
        ruleSets === undefined ||
        dryRun.reader.verdict(ruleSets[end.direction], peerClass, portClass)
      );
    });
  const isOtherOpen = isOpen(PORT_CLASS_OTHER);
  const isIcmpOpen = isOpen(source.family === 4 ? PORT_CLASS_ICMP : PORT_CLASS_ICMPV6);
  const ranges = openRanges(dryRun, isOpen);
  const texts = ranges.map((range) => formatPortTerm(packPortTerm(range)));
  // Only what is open as a whole protocol has no numbers in its text.
  if (isOtherOpen && isIcmpOpen && texts.join() === 'TCP,UDP,SCTP') return EVERYTHING;
  const icmp = source.family === 4 ? 'ICMP' : 'ICMPv6';
  return [...texts, ...(isIcmpOpen ? [icmp] : []), ...(isOtherOpen ? ['other protocols'] : [])];
}

/** Neighbouring intervals are one. */
function openRanges(dryRun: DryRun, isOpen: (portClass: number) => boolean): readonly PortRange[] {
  const { ports } = dryRun.result.tables;
  const ranges: PortRange[] = [];
  for (const [i, portClass] of ports.portClass.entries()) {
    if (!isOpen(portClass)) continue;
    const range = { protocol: ports.protocol[i]!, first: ports.first[i]!, last: ports.last[i]! };
    const before = ranges.at(-1);
    if (before?.protocol === range.protocol && before.last + 1 === range.first) {
      ranges[ranges.length - 1] = { ...before, last: range.last };
    } else {
      ranges.push(range);
    }
  }
  return ranges;
}
