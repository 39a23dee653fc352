/** One flow that shows a change, the smallest of its group, and what each end says of it before and after. */
import { type DiffEnd, type Lane, pairAddresses } from './diff-ends.ts';
import { type DiffSide, endPorts } from './diff-side.ts';
import type { FlowProtocol } from './dry-run.ts';
import { type EndExplanation, explainEnd } from './explain.ts';
import type { Pod } from './model.ts';
import type { PodKey } from './pod-kind.ts';
import { placeOf, PORTLESS_PLACE, type PortInterval, type PortSetId, type PortSets } from './port-set.ts';
import type { Direction } from './simulate.ts';

export interface WitnessEnd {
  /** `namespace/name`; undefined outside. */
  readonly pod: PodKey | undefined;
  /** Before and after. */
  readonly addresses: readonly string[];
  /** The end that it is of, and the address of the pod that was compiled for it. */
  readonly end: DiffEnd;
  readonly lane: Lane;
}

export interface Witness {
  readonly source: WitnessEnd;
  readonly destination: WitnessEnd;
  readonly protocol: FlowProtocol;
  /** 0 where the protocol has none. */
  readonly port: number;
}

export interface EndChange {
  readonly direction: Direction;
  readonly pod: PodKey;
  readonly before: EndExplanation;
  readonly after: EndExplanation;
}

export interface WitnessContext {
  readonly change: 'allowed' | 'denied';
  readonly sides: readonly [DiffSide, DiffSide];
  readonly sets: PortSets;
  readonly pods: readonly [ReadonlyMap<PodKey, Pod>, ReadonlyMap<PodKey, Pod>];
}

/** The first pair by name, the lowest port. */
export function witnessOf(
  sources: readonly DiffEnd[],
  destinations: readonly DiffEnd[],
  ports: PortSetId,
  context: WitnessContext,
): Witness {
  const [first] = context.sets.intervals(ports);
  const [source] = sources;
  const [destination] = destinations;
  if (first === undefined || source === undefined || destination === undefined) throw new RangeError('an empty group');
  // Port 0 is nobody's.
  const port = first.first === 0 && first.last > 0 ? 1 : first.first;
  for (const from of source.lanes) {
    for (const to of destination.lanes) {
      if (from.family !== to.family || !changesAt(source, from, destination, to, placeAt(first, port), context))
        continue;
      // Pods of one kind talk to one another: the second receives.
      const pod = destination.pods[source === destination ? 1 : 0];
      return {
        source: witnessEnd(source, from, source.pods[0], context),
        destination: witnessEnd(destination, to, pod, context),
        protocol: protocolAt(first, from),
        port,
      };
    }
  }
  throw new RangeError('no lane of the group has its ports');
}

/** The ends whose answer differs. */
export function explainFlow(witness: Witness, sides: readonly [DiffSide, DiffSide]): readonly EndChange[] {
  const changes: EndChange[] = [];
  for (const direction of ['egress', 'ingress'] as const) {
    const [own, other] =
      direction === 'egress' ? [witness.source, witness.destination] : [witness.destination, witness.source];
    const speaker = own.end.pods[0];
    if (speaker === undefined) continue;
    const [before, after] = sides.map(({ dryRun }, side) => {
      const pod = dryRun.pods.get(speaker);
      const [mine, theirs] = [own.lane.addresses[side]!, other.lane.addresses[side]!];
      const [source, destination] = direction === 'egress' ? [mine, theirs] : [theirs, mine];
      return (
        pod &&
        explainEnd(dryRun, direction, pod, { source, destination, protocol: witness.protocol, port: witness.port })
      );
    });
    if (before === undefined || after === undefined || before.verdict === after.verdict) continue;
    changes.push({ direction, pod: own.pod ?? speaker, before, after });
  }
  return changes;
}

function changesAt(
  source: DiffEnd,
  from: Lane,
  destination: DiffEnd,
  to: Lane,
  place: number,
  { change, sides, sets }: WitnessContext,
): boolean {
  const [before, after] = sides.map(({ reach }, side) => {
    const { egress, ingress } = endPorts(reach, side, source, from, destination, to);
    return sets.has(egress, place) && sets.has(ingress, place);
  });
  return change === 'allowed' ? before === false && after === true : before === true && after === false;
}

function placeAt({ protocol }: PortInterval, port: number): number {
  return protocol === 'other' ? PORTLESS_PLACE : placeOf({ TCP: 0, UDP: 1, SCTP: 2 }[protocol], port);
}

function protocolAt({ protocol }: PortInterval, { family }: Lane): FlowProtocol {
  if (protocol !== 'other') return protocol;
  return family === 4 ? 'ICMP' : 'ICMPv6';
}

function witnessEnd(
  end: DiffEnd,
  lane: Lane,
  pod: PodKey | undefined,
  { pods: [before, after] }: WitnessContext,
): WitnessEnd {
  if (pod === undefined) return { pod, addresses: lane.addresses, end, lane };
  const index = end.lanes.filter(({ family }) => family === lane.family).indexOf(lane);
  const own = pairAddresses(before.get(pod)?.podIPs ?? [], after.get(pod)?.podIPs ?? []);
  const pair = own.filter(({ family }) => family === lane.family)[index];
  return { pod, addresses: pair?.addresses ?? lane.addresses, end, lane };
}
