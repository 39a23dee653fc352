/**
 * Numbered fault points: every native call passes one. Tests set a hook that throws or ends the process at the n-th
 * call, so that each place where the agent can die or be refused is reached on purpose, not by sleeping.
 */

export interface FaultPoint {
  /** Counts native calls since the hook was set; 1 is the first. */
  readonly number: number;
  readonly call: string;
  readonly object: string;
}

let hook: ((point: FaultPoint) => void) | undefined;
let count = 0;

/** Replaces the hook and starts counting anew; undefined removes it. */
export function setFaultHook(next: ((point: FaultPoint) => void) | undefined): void {
  hook = next;
  count = 0;
}

/** Called before every native call; the hook may throw in its place. */
export function passFaultPoint(call: string, object: string): void {
  if (hook === undefined) return;
  count += 1;
  hook({ number: count, call, object });
}
