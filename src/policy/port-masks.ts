/**
 * Which port classes a set of port terms allows, or a list of tiers over such sets, as the bits of verdict rows. Rows refer to masks, so a new port class
 * changes masks, which are few, and no row. Bits of retired port classes are kept: a row that survives can be written
 * while the port table of before is still in force.
 */
import { PORT_CLASSES_PER_BLOCK, ROW_BYTES } from './ids.ts';
import type { ClusterNetworkPolicyTier } from './model.ts';
import type { PortClass } from './port-classes.ts';
import { allowedBits, chained, tierBits, type DecidedBits, type LayerBits } from './tier-bits.ts';
import type { LineAction } from './tier-line.ts';

/** A line that matches a class. */
export interface MaskLayer {
  readonly tier: ClusterNetworkPolicyTier;
  readonly action: LineAction;
  /** Sorted; undefined: every port of every protocol. */
  readonly terms: readonly number[] | undefined;
}

export interface PortMask {
  /** Sorted; undefined: every port of every protocol. With layers: what is allowed behind the last tier. */
  readonly terms: readonly number[] | undefined;
  /** In the order of evaluation. */
  readonly layers: readonly MaskLayer[];
  /** By block; undefined: no bit is set. */
  blocks: readonly (Uint8Array | undefined)[];
}

const EVERY_BIT = new Uint8Array(ROW_BYTES).fill(0xff);
const NO_BIT = new Uint8Array(ROW_BYTES);
/** Masks that may be there besides those in use before unused ones are looked for. */
const SLACK = 1024;

export class PortMasks {
  readonly #masks = new Map<string, PortMask>();
  /** By the list of layers itself, which is much cheaper than by its text. Only of masks in `#masks`. */
  #tiered = new WeakMap<readonly MaskLayer[], Map<PortMask, PortMask>>();
  /** What lists of layers decide; of the port classes as they are. */
  #decided = new WeakMap<readonly MaskLayer[], readonly DecidedBits[]>();
  #classesOf = new Map<number, number[]>();
  #blockCount = 1;
  #sweepAt = SLACK;

  readonly none: PortMask = { terms: [], layers: [], blocks: [] };
  readonly all: PortMask = { terms: undefined, layers: [], blocks: [EVERY_BIT] };

  get blockCount(): number {
    return this.#blockCount;
  }

  /** Terms must be sorted and without duplicates. */
  of(terms: readonly number[]): PortMask {
    if (terms.length === 0) return this.none;
    const key = terms.join(' ');
    let mask = this.#masks.get(key);
    if (mask === undefined) {
      mask = { terms, layers: [], blocks: this.#bits(terms) };
      this.#masks.set(key, mask);
    }
    return mask;
  }

  /** What the layers decide, and `behind` where they leave it open. */
  tiered(layers: readonly MaskLayer[], behind: PortMask): PortMask {
    if (layers.length === 0) return behind;
    let byBehind = this.#tiered.get(layers);
    if (byBehind === undefined) {
      byBehind = new Map();
      this.#tiered.set(layers, byBehind);
    }
    let mask = byBehind.get(behind);
    if (mask === undefined) {
      mask = this.#intern(layers, behind);
      byBehind.set(behind, mask);
    }
    return mask;
  }

  #intern(layers: readonly MaskLayer[], behind: PortMask): PortMask {
    const lines = layers.map(({ tier, action, terms }) => `${tier} ${action} ${textOf(terms)}`);
    const key = [...lines, textOf(behind.terms)].join('\n');
    let mask = this.#masks.get(key);
    if (mask === undefined) {
      mask = { terms: behind.terms, layers, blocks: this.#tieredBits(layers, behind.terms) };
      this.#masks.set(key, mask);
    }
    return mask;
  }

  /** The port classes changed: every mask gets its bits anew. */
  refresh(classes: Iterable<PortClass>): void {
    const classesOf = new Map<number, number[]>();
    let largest = 0;
    for (const { id, terms } of classes) {
      largest = Math.max(largest, id);
      for (const term of terms) {
        const ids = classesOf.get(term);
        if (ids === undefined) classesOf.set(term, [id]);
        else ids.push(id);
      }
    }
    this.#classesOf = classesOf;
    this.#decided = new WeakMap();
    this.#blockCount = Math.floor(largest / PORT_CLASSES_PER_BLOCK) + 1;
    this.all.blocks = Array.from({ length: this.#blockCount }, () => EVERY_BIT);
    for (const mask of this.#masks.values()) {
      mask.blocks = mask.layers.length === 0 ? this.#bits(mask.terms ?? []) : this.#tieredBits(mask.layers, mask.terms);
    }
  }

  /** Forgets masks that are not in use, once there are twice as many as there were in use. */
  sweep(inUse: () => ReadonlySet<PortMask>): void {
    if (this.#masks.size < this.#sweepAt) return;
    const used = inUse();
    for (const [key, mask] of this.#masks) if (!used.has(mask)) this.#masks.delete(key);
    this.#tiered = new WeakMap();
    this.#sweepAt = this.#masks.size * 2 + SLACK;
  }

  #tieredBits(layers: readonly MaskLayer[], behind: readonly number[] | undefined): readonly Uint8Array[] {
    let decided = this.#decided.get(layers);
    if (decided === undefined) {
      decided = this.#decide(layers);
      this.#decided.set(layers, decided);
    }
    const blocks = this.#blocksOf(behind);
    return decided.map((bits, block) => allowedBits(bits, blocks[block] ?? NO_BIT));
  }

  /** By block. */
  #decide(layers: readonly MaskLayer[]): readonly DecidedBits[] {
    const layered = layers.map(({ tier, action, terms }) => ({ tier, action, blocks: this.#blocksOf(terms) }));
    return Array.from({ length: this.#blockCount }, (_, block) => {
      const of = (wanted: ClusterNetworkPolicyTier): readonly LayerBits[] =>
        layered.flatMap(({ tier, action, blocks }) =>
          tier === wanted ? { action, bits: blocks[block] ?? NO_BIT } : [],
        );
      return chained(tierBits(of('Admin')), tierBits(of('Baseline')));
    });
  }

  #blocksOf(terms: readonly number[] | undefined): readonly (Uint8Array | undefined)[] {
    return terms === undefined ? this.all.blocks : this.#bits(terms);
  }

  #bits(terms: readonly number[]): readonly (Uint8Array | undefined)[] {
    const blocks: (Uint8Array | undefined)[] = Array.from({ length: this.#blockCount }, () => undefined);
    for (const term of terms) {
      for (const id of this.#classesOf.get(term) ?? []) {
        const block = Math.floor(id / PORT_CLASSES_PER_BLOCK);
        const bit = id % PORT_CLASSES_PER_BLOCK;
        const bytes = (blocks[block] ??= new Uint8Array(ROW_BYTES));
        bytes[bit >> 3]! |= 1 << (bit & 7);
      }
    }
    return blocks;
  }
}

function textOf(terms: readonly number[] | undefined): string {
  return terms === undefined ? '*' : terms.join(' ');
}

/** Whether two masks differ in that block, and the first one's bits there. */
export function differingBits(mask: PortMask, other: PortMask, block: number): Uint8Array | undefined {
  const a = mask.blocks[block] ?? NO_BIT;
  const b = other.blocks[block] ?? NO_BIT;
  if (a === b) return undefined;
  for (let i = 0; i < ROW_BYTES; i++) if (a[i] !== b[i]) return a;
  return undefined;
}
