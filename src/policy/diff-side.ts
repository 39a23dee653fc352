/** One side of a diff, and what an end of it lets through. */
import type { DiffEnd, Lane } from './diff-ends.ts';
import type { DryRun } from './dry-run.ts';
import type { PortSetId } from './port-set.ts';
import type { Reach } from './reach.ts';

/** Compiled with one pod of each kind. */
export interface DiffSide {
  readonly dryRun: DryRun;
  readonly reach: Reach;
}

/** What each end lets through on one side (0 before, 1 after). */
export function endPorts(
  reach: Reach,
  side: number,
  source: DiffEnd,
  from: Lane,
  destination: DiffEnd,
  to: Lane,
): { readonly egress: PortSetId; readonly ingress: PortSetId } {
  return {
    egress: reach.portsOf(source.egress[side]!, to.classes[side]!),
    ingress: reach.portsOf(destination.ingress[side]!, from.classes[side]!),
  };
}
