/**
 * Numbers out of samples. Everything is a median with its spread, never a mean: one disturbed round must not move a figure.
 * A ratio is made inside a round, where both sides met the same load, and only then summarized.
 */

/** Of one list of samples, in their unit. */
export interface Summary {
  readonly median: number;
  /** Quartiles: half of the samples lie between them. */
  readonly low: number;
  readonly high: number;
  readonly samples: number;
}

/**
 * The value below which that share of the samples lies, linear between neighbours.
 * @param share 0 to 1
 * @throws RangeError without samples, or for a share outside.
 */
export function quantile(samples: readonly number[], share: number): number {
  if (samples.length === 0) throw new RangeError('no samples: a quantile needs one');
  if (!(share >= 0 && share <= 1)) throw new RangeError(`a quantile lies between 0 and 1, not at ${share}`);
  const sorted = samples.toSorted((a, b) => a - b);
  const position = share * (sorted.length - 1);
  const below = sorted[Math.floor(position)]!;
  const above = sorted[Math.ceil(position)]!;
  return below + (above - below) * (position - Math.floor(position));
}

/** @throws RangeError without samples. */
export function summarize(samples: readonly number[]): Summary {
  return {
    median: quantile(samples, 0.5),
    low: quantile(samples, 0.25),
    high: quantile(samples, 0.75),
    samples: samples.length,
  };
}

/**
 * Subject by reference, round by round.
 * @throws RangeError when the rounds do not pair up, or a reference is not above 0.
 */
export function ratios(subject: readonly number[], reference: readonly number[]): readonly number[] {
  if (subject.length !== reference.length) {
    throw new RangeError(`${subject.length} rounds of the subject, but ${reference.length} of the reference`);
  }
  return subject.map((value, round) => {
    const divisor = reference[round]!;
    if (!(divisor > 0)) throw new RangeError(`the reference of round ${round + 1} is ${divisor}`);
    return value / divisor;
  });
}
