/**
 * The bits of one block of a row, from the lines that match a class: what `tier-line.ts` says in words. Decided and
 * undecided ports are bits of 32-byte masks, so a line costs the same however many ports it names.
 */
import { ROW_BYTES } from './ids.ts';
import type { LineAction } from './tier-line.ts';

export interface LayerBits {
  readonly action: LineAction;
  readonly bits: Uint8Array;
}

/** What lines decide, whatever lies behind them. */
export interface DecidedBits {
  /** Allowed. */
  readonly always: Uint8Array;
  /** Allowed where what lies behind allows. */
  readonly open: Uint8Array;
}

/** The lines of one tier; behind it lies the next. */
export function tierBits(layers: readonly LayerBits[]): DecidedBits {
  const always = new Uint8Array(ROW_BYTES);
  const open = new Uint8Array(ROW_BYTES);
  for (let i = 0; i < ROW_BYTES; i++) {
    let undecided = 0xff;
    let accepted = 0;
    let passed = 0;
    let mayPass = 0;
    for (const { action, bits } of layers) {
      const matched = bits[i]! & undecided;
      if (action === 'MayPass') {
        mayPass |= matched;
        continue;
      }
      undecided &= ~matched;
      if (action === 'Accept') accepted |= matched;
      else if (action === 'Pass') passed |= matched;
    }
    always[i] = accepted & ~mayPass;
    open[i] = (accepted & mayPass) | passed | undecided;
  }
  return { always, open };
}

/** Two tiers as one. */
export function chained(first: DecidedBits, second: DecidedBits): DecidedBits {
  return {
    always: first.always.map((bits, i) => bits | (first.open[i]! & second.always[i]!)),
    open: first.open.map((bits, i) => bits & second.open[i]!),
  };
}

export function allowedBits({ always, open }: DecidedBits, behind: Uint8Array): Uint8Array {
  return always.map((bits, i) => bits | (open[i]! & behind[i]!));
}
