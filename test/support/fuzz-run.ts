/** Many sequences, until packets or time are used up, or one of them shows a difference. */
import { compare, type Coverage, reasonName } from './fuzz-session.ts';
import type { KernelSide } from './fuzz-kernel.ts';
import { makeSequence } from './fuzz-sequence.ts';
import { shrink } from './fuzz-shrink.ts';
import type { Recording, Step } from './fuzz-step.ts';
import { Direction, Reason } from '../../src/kernel/abi.gen.ts';

export interface FuzzLimits {
  readonly packets: number;
  readonly seconds: number;
  readonly seed: number;
}

export interface FuzzResult {
  readonly packets: number;
  readonly sequences: number;
  readonly seconds: number;
  readonly coverage: Coverage;
  /** Cut down, with what differs. */
  readonly failure: Recording | undefined;
}

/** What no packet can bring about: a map that takes no entry, a helper that fails. */
const UNREACHABLE: ReadonlySet<number> = new Set([Reason.FLOW_TABLE, Reason.INTERNAL]);

/** A stalled machine may let a timeout pass in the middle of a sequence; such a difference does not come again. */
const ATTEMPTS = 3;

export function fuzz(kernel: KernelSide, limits: FuzzLimits): FuzzResult {
  const coverage: Coverage = [];
  const started = performance.now();
  const elapsed = (): number => (performance.now() - started) / 1000;
  let packets = 0;
  let sequences = 0;
  while (packets < limits.packets && elapsed() < limits.seconds) {
    const seed = (limits.seed + sequences) >>> 0;
    const steps = makeSequence(seed);
    sequences += 1;
    packets += steps.filter(({ kind }) => kind === 'packet').length;
    if (differs(kernel, steps, coverage)) {
      const failure = cutDown(kernel, seed, steps);
      return { packets, sequences, seconds: elapsed(), coverage, failure };
    }
  }
  return { packets, sequences, seconds: elapsed(), coverage, failure: undefined };
}

function differs(kernel: KernelSide, steps: readonly Step[], coverage: Coverage): boolean {
  if (compare(kernel, steps, coverage) === undefined) return false;
  return Array.from({ length: ATTEMPTS - 1 }).every(() => compare(kernel, steps, []) !== undefined);
}

function cutDown(kernel: KernelSide, seed: number, steps: readonly Step[]): Recording {
  const few = shrink(kernel, steps);
  const text = compare(kernel, few, [], true)?.text ?? compare(kernel, few, [])?.text ?? 'it did not show again';
  return { title: `seed ${seed}: ${text}`, steps: few };
}

/** Reasons that packets can bring about and none did. */
export function reasonsMissed(coverage: Coverage): readonly string[] {
  return Object.values(Reason)
    .filter((reason) => reason !== Reason.COUNT && !UNREACHABLE.has(reason))
    .filter((reason) => (coverage[reason * 2] ?? 0) + (coverage[reason * 2 + 1] ?? 0) === 0)
    .map(reasonName);
}

/** A line for each reason: packets out of pods, packets into pods. */
export function coverageTable(coverage: Coverage): string {
  const rows = Object.values(Reason)
    .filter((reason) => reason !== Reason.COUNT)
    .map((reason) => {
      const [egress, ingress] = [Direction.EGRESS, Direction.INGRESS].map((way) => coverage[reason * 2 + way] ?? 0);
      const note = UNREACHABLE.has(reason) ? '  (no packet can cause it)' : '';
      return `${reasonName(reason).padEnd(20)} ${String(egress).padStart(9)} ${String(ingress).padStart(9)}${note}`;
    });
  return [`${'reason'.padEnd(20)} ${'egress'.padStart(9)} ${'ingress'.padStart(9)}`, ...rows].join('\n');
}
