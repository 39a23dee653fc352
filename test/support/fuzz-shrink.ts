/** The shortest sequence, with the plainest packets, that still shows a difference. */
import { compare } from './fuzz-session.ts';
import type { KernelSide } from './fuzz-kernel.ts';
import type { PacketStep, Step } from './fuzz-step.ts';
import { shortestOf } from './packet-mutation.ts';

/** Sequences played to find it. */
const TRIALS_MAX = 1_500;

export function shrink(kernel: KernelSide, steps: readonly Step[]): readonly Step[] {
  let left = TRIALS_MAX;
  const fails = (candidate: readonly Step[]): boolean => (left -= 1) > 0 && isDifferent(kernel, candidate);
  const first = compare(kernel, steps, [], true);
  let best = first === undefined ? steps : steps.slice(0, first.step + 1);
  if (!fails(best)) return steps;
  for (let size = Math.ceil(best.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    best = withoutChunks(best, size, fails);
  }
  best = withSimplerPackets(best, fails);
  return withoutChunks(best, 1, fails);
}

function isDifferent(kernel: KernelSide, steps: readonly Step[]): boolean {
  try {
    return compare(kernel, steps, [], true) !== undefined;
  } catch {
    // A frame that cannot be run shows nothing.
    return false;
  }
}

function withoutChunks(
  steps: readonly Step[],
  size: number,
  fails: (candidate: readonly Step[]) => boolean,
): readonly Step[] {
  let best = steps;
  for (let at = best.length - size; at > -size; at -= size) {
    const candidate = best.filter((_, index) => index < at || index >= at + size);
    if (candidate.length < best.length && fails(candidate)) best = candidate;
  }
  return best;
}

function withSimplerPackets(steps: readonly Step[], fails: (candidate: readonly Step[]) => boolean): readonly Step[] {
  let best = steps;
  for (const index of steps.keys()) {
    const step = best[index];
    if (step?.kind !== 'packet') continue;
    for (const frame of simplerFrames(step)) {
      const current = best[index] as PacketStep;
      const candidate = best.with(index, { ...current, frame: frame(current.frame) });
      if (fails(candidate)) best = candidate;
    }
  }
  return best;
}

/** Shorter, then with a byte after the other set to zero. */
function simplerFrames({ frame }: PacketStep): ((frame: Uint8Array) => Uint8Array)[] {
  const cuts = [64, 16, 8, 4, 1].map(
    (bytes) => (current: Uint8Array) => current.slice(0, Math.max(shortestOf(current), current.length - bytes)),
  );
  const zeros = [...frame.keys()]
    .filter((at) => at >= 14 && frame[at] !== 0)
    .map((at) => (current: Uint8Array) => (at < current.length ? current.with(at, 0) : current));
  return [...cuts, ...zeros];
}
