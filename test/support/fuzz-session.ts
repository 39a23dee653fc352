/** One sequence on both sides, and where they part. */
import { Direction, FlowFlag, Reason } from '../../src/kernel/abi.gen.ts';
import { type FlowText, kernelFlowTexts, referenceFlowTexts } from './fuzz-flow-text.ts';
import type { Counters, KernelOutcome, KernelSide } from './fuzz-kernel.ts';
import { ReferenceSide } from './fuzz-reference.ts';
import type { Step } from './fuzz-step.ts';
import type { Action, Outcome } from './reference-judge.ts';
import type { IpPacket } from './reference-parser.ts';

const ACTIONS = new Map<number, Action>([
  [-1, 'stack'],
  [2, 'drop'],
  [7, 'redirect'],
]);
const REASON_NAMES = new Map<number, string>(Object.entries(Reason).map(([name, value]) => [value, name]));

export interface Mismatch {
  /** Index of the step after which they differed; of the last one where only the sums tell. */
  readonly step: number;
  readonly text: string;
}

/** Packets by reason * 2 + direction, as the reference counted them. */
export type Coverage = number[];

/**
 * Plays the steps. Actions and frames are compared with every packet, counters and flows at the end, or, `isThorough`,
 * after every packet.
 */
export function compare(
  kernel: KernelSide,
  steps: readonly Step[],
  coverage: Coverage,
  isThorough = false,
): Mismatch | undefined {
  return kernel.session(() => {
    const reference = new ReferenceSide();
    const before = kernel.counters();
    const expected = before.map(() => ({ packets: 0, bytes: 0 }));
    for (const [index, step] of steps.entries()) {
      if (step.kind !== 'packet') {
        kernel.write(step);
        reference.write(step);
        continue;
      }
      const actual = kernel.run(step);
      const outcome = reference.run(step, (packet) => takenPort(kernel, packet));
      const cell = outcome.reason * 2 + outcome.direction;
      coverage[cell] = (coverage[cell] ?? 0) + 1;
      expected[cell]!.packets += 1;
      expected[cell]!.bytes += outcome.frame?.length ?? step.frame.length;
      const difference = outcomeDifference(actual, outcome, step.frame);
      const text = difference ?? (isThorough ? stateDifference(kernel, reference, before, expected) : undefined);
      if (text !== undefined) return { step: index, text };
    }
    const text = stateDifference(kernel, reference, before, expected);
    return text === undefined ? undefined : { step: steps.length - 1, text };
  });
}

function describe({ action, reason, direction }: Outcome): string {
  return `${action}, ${reasonName(reason)}, ${direction === Direction.EGRESS ? 'egress' : 'ingress'}`;
}

export function reasonName(reason: number): string {
  return REASON_NAMES.get(reason) ?? `reason ${reason}`;
}

function outcomeDifference(actual: KernelOutcome, expected: Outcome, sent: Uint8Array): string | undefined {
  const action = ACTIONS.get(actual.retval);
  if (action !== expected.action) {
    return `the program says ${action ?? actual.retval}, the reference ${describe(expected)}`;
  }
  const frames = [actual.frame, expected.frame ?? sent].map((frame) => withOneZero(frame, expected.checksums ?? []));
  if (Buffer.compare(frames[0]!, frames[1]!) === 0) return undefined;
  return `the program made another frame of it: ${Buffer.from(actual.frame).toString('hex')} (${describe(expected)})`;
}

function takenPort(
  kernel: KernelSide,
  { source, sourcePort, destination, destinationPort, protocol }: IpPacket,
): number | undefined {
  const ends = [`${hexOf(source)}:${sourcePort}`, `${hexOf(destination)}:${destinationPort}`];
  const entry = kernel
    .flows()
    .find(
      ({ key, value }) =>
        (value.flags & FlowFlag.FLOW_FRONTEND) !== 0 &&
        key.protocol === protocol &&
        ends.includes(`${hexOf(key.addressLo)}:${key.portLo}`) &&
        ends.includes(`${hexOf(key.addressHi)}:${key.portHi}`),
    );
  return entry?.value.sourcePort;
}

/** As wide as IPv6. */
function hexOf(address: string | Uint8Array): string {
  const bytes = typeof address === 'string' ? Buffer.from(address, 'latin1') : Buffer.from(address);
  return bytes.toString('hex').padEnd(32, '0');
}

/** One's complement has two zeros. */
function withOneZero(frame: Uint8Array, checksums: readonly number[]): Buffer {
  const out = Buffer.from(frame);
  for (const at of checksums) if (at + 2 <= out.length && out.readUInt16BE(at) === 0) out.writeUInt16BE(0xffff, at);
  return out;
}

function stateDifference(
  kernel: KernelSide,
  reference: ReferenceSide,
  before: Counters,
  expected: Counters,
): string | undefined {
  return (
    counterDifference(kernel, before, expected) ??
    flowDifference(kernelFlowTexts(kernel.flows()), referenceFlowTexts(reference.judge.table.flows.values())) ??
    usageDifference(kernel.usage(), reference.judge.table.usage)
  );
}

function counterDifference(kernel: KernelSide, before: Counters, expected: Counters): string | undefined {
  const differences = kernel.counters().flatMap(({ packets, bytes }, cell) => {
    const was = before[cell]!;
    const should = expected[cell]!;
    if (packets - was.packets === should.packets && bytes - was.bytes === should.bytes) return [];
    const name = `${reasonName(cell >> 1)} ${cell & 1 ? 'ingress' : 'egress'}`;
    return [`${name}: ${packets - was.packets} counted, ${should.packets} expected`];
  });
  return differences.length === 0 ? undefined : differences.join('; ');
}

function flowDifference(actual: FlowText, expected: FlowText): string | undefined {
  for (const [key, text] of actual) {
    const other = expected.get(key);
    if (other !== text) return `flow ${key}: the programs hold ${text}, the reference ${other ?? 'none'}`;
  }
  for (const [key, text] of expected) if (!actual.has(key)) return `flow ${key}: the reference alone holds ${text}`;
  return undefined;
}

function usageDifference(
  actual: ReadonlyMap<number, number>,
  expected: ReadonlyMap<number, number>,
): string | undefined {
  for (const id of new Set([...actual.keys(), ...expected.keys()])) {
    const [one, other] = [actual.get(id) ?? 0, expected.get(id) ?? 0];
    if (one !== other) return `endpoint ${id} is charged with ${one} flows, the reference says ${other}`;
  }
  return undefined;
}
