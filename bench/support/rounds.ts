/** Interleaved rounds: whatever else the machine does meets every contestant alike. */

export const ROUNDS_DEFAULT = 10;
/** Fewer say nothing about spread; more than these take longer than anybody waits. */
export const ROUNDS_MIN = 3;
export const ROUNDS_MAX = 1000;

export interface Contestant<T> {
  readonly name: string;
  readonly run: () => T | Promise<T>;
}

/**
 * Runs every contestant once a round, and in every round another one first. Gives the results by name, in the order of
 * the rounds. What a contestant throws ends it all.
 * @param before is waited for ahead of every run.
 */
export async function interleave<T>(
  contestants: readonly Contestant<T>[],
  rounds: number,
  before: () => Promise<void> = async () => undefined,
): Promise<ReadonlyMap<string, readonly T[]>> {
  const results = new Map<string, T[]>(contestants.map(({ name }) => [name, []]));
  if (results.size < contestants.length) throw new RangeError('two contestants have one name');
  for (let round = 0; round < rounds; round++) {
    for (let turn = 0; turn < contestants.length; turn++) {
      const { name, run } = contestants[(round + turn) % contestants.length]!;
      await before();
      results.get(name)!.push(await run());
    }
  }
  return results;
}
