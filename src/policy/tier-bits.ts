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

/** One tier: what it allows of all ports when `next` is what the tiers behind it allow. */
export function tierBits(layers: readonly LayerBits[], next: Uint8Array): Uint8Array {
  const allowed = new Uint8Array(ROW_BYTES);
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
    allowed[i] = (accepted & (~mayPass | next[i]!)) | ((passed | undecided) & next[i]!);
  }
  return allowed;
}
