/** What the guest tells the host: one JSON object a line on the second serial port. */
import type { Complexity } from '../../../tools/complexity.ts';

export interface StartReport {
  readonly kind: 'start';
  /** As `uname -r` has it. */
  readonly kernel: string;
  /** How the datapath attaches its programs on this kernel. */
  readonly attach: 'tcx' | 'clsact';
  readonly complexity: Complexity;
}

export interface TestReport {
  readonly kind: 'test';
  readonly file: string;
  readonly path: readonly string[];
  /** Undefined: passed. */
  readonly error?: string;
}

export type Report = StartReport | TestReport;

/** Written by process 1 when everything else has ended, with the exit status of the tests. */
export const END: RegExp = /^end ([0-9]+)$/m;
