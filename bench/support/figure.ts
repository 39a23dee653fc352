/** What a question gives: figures, each beside the reference that was measured in the same rounds. */
import { ratios, summarize, type Summary } from './statistics.ts';

/** A limit of the figure's ratio, or, where there is no reference, of its value. */
export interface Bound {
  readonly at: 'most' | 'least';
  readonly limit: number;
}

export interface Figure {
  readonly name: string;
  readonly unit: string;
  readonly value: Summary;
  readonly reference?: { readonly name: string; readonly value: Summary };
  readonly ratio?: Summary;
  readonly must?: Bound;
  readonly aim?: Bound;
  /** How it was counted, where the name cannot say it. */
  readonly note?: string;
}

export interface FigureFields {
  readonly name: string;
  readonly unit: string;
  readonly must?: Bound;
  readonly aim?: Bound;
  readonly note?: string;
}

/** `aim`: reaches what was aimed at. `must`: what is required. `short`: less. `shown`: nothing was required. */
export type Standing = 'aim' | 'must' | 'short' | 'shown';

export const atMost = (limit: number): Bound => ({ at: 'most', limit });
export const atLeast = (limit: number): Bound => ({ at: 'least', limit });

/** A figure without reference. @throws RangeError without samples. */
export function plainFigure(fields: FigureFields, samples: readonly number[]): Figure {
  return { ...fields, value: summarize(samples) };
}

/** A figure beside its reference, sample by sample of the same rounds. @throws RangeError when they do not pair up. */
export function ratioFigure(
  fields: FigureFields,
  samples: readonly number[],
  reference: { readonly name: string; readonly samples: readonly number[] },
): Figure {
  return {
    ...fields,
    value: summarize(samples),
    reference: { name: reference.name, value: summarize(reference.samples) },
    ratio: summarize(ratios(samples, reference.samples)),
  };
}

export function standing(figure: Figure): Standing {
  const { must, aim } = figure;
  const { median } = figure.ratio ?? figure.value;
  if (aim !== undefined && reaches(median, aim)) return 'aim';
  if (must !== undefined) return reaches(median, must) ? 'must' : 'short';
  return aim === undefined ? 'shown' : 'short';
}

function reaches(value: number, { at, limit }: Bound): boolean {
  return at === 'most' ? value <= limit : value >= limit;
}
