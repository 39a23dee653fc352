/**
 * Moves elements from one layout to another, field by field by name. Fields that only the new layout has are zero, those
 * that only the old one has are left out. A value is never cut: a field that does not fit is a reason to refuse.
 */
import type { AbiField } from '../../kernel/bpf-abi.ts';

/** Elements of one layout cannot become elements of another. */
export class LayoutError extends Error {
  override readonly name = 'LayoutError';
}

/** Copies one element: bytes from one offset on to zeroed bytes at another. */
export type FieldCopy = (from: Uint8Array, fromOffset: number, to: Uint8Array, toOffset: number) => void;

interface Run {
  readonly from: number;
  readonly to: number;
  readonly length: number;
}

/** Room between fields: nothing is kept in it, so it may shrink or go. */
const FILLER = /^(pad|reserve)[0-9]*$/;

/**
 * @param required fields of the new layout that mean nothing as zero.
 * @throws LayoutError naming the field that is missing or does not fit.
 */
export function planFieldCopy(
  from: readonly AbiField[],
  to: readonly AbiField[],
  required: readonly string[],
): FieldCopy {
  const known = new Map(from.map((field) => [field.name, field]));
  const runs: Run[] = [];
  for (const target of to) {
    if (FILLER.test(target.name)) continue;
    const source = known.get(target.name);
    if (source !== undefined) addRuns(runs, source, target);
    else if (required.includes(target.name)) throw new LayoutError(`it has no field ${target.name}`);
  }
  return (source, sourceOffset, target, targetOffset) => {
    for (const { from: start, to: end, length } of runs) {
      for (let byte = 0; byte < length; byte += 1) {
        target[targetOffset + end + byte] = source[sourceOffset + start + byte]!;
      }
    }
  };
}

/** Every field but room: for keys, in which a field more or less makes another key. */
export function namesOf(fields: readonly AbiField[]): readonly string[] {
  return fields.map(({ name }) => name).filter((name) => !FILLER.test(name));
}

/** Little-endian: the low bytes of a wider unsigned integer come first, and the rest stays zero. */
function addRuns(runs: Run[], source: AbiField, target: AbiField): void {
  const isWider = source.integer.startsWith('u') && target.integer.startsWith('u') && source.width <= target.width;
  const elements = source.length ?? 1;
  const fits = isWider || source.integer === target.integer;
  if (!fits || (source.length === undefined) !== (target.length === undefined) || elements > (target.length ?? 1)) {
    throw new LayoutError(`${textOf(source)} does not fit into ${textOf(target)}`);
  }
  for (let element = 0; element < elements; element += 1) {
    const from = source.offset + element * source.width;
    const to = target.offset + element * target.width;
    const last = runs.at(-1);
    if (last !== undefined && last.from + last.length === from && last.to + last.length === to) {
      runs[runs.length - 1] = { ...last, length: last.length + source.width };
    } else {
      runs.push({ from, to, length: source.width });
    }
  }
}

function textOf({ name, integer, length }: AbiField): string {
  return `${integer} ${name}${length === undefined ? '' : `[${length}]`}`;
}
