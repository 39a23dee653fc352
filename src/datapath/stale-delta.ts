/** A delta to other tables than those in force: nothing was done, and only whole tables can follow. */
export class StaleDeltaError extends Error {
  override readonly name = 'StaleDeltaError';

  /** inForce undefined: after a start or a failure no revision is in force as it was given. */
  constructor(base: number, inForce: number | undefined) {
    const what = inForce === undefined ? 'no revision is known to be in force' : `revision ${inForce} is in force`;
    super(`the delta changes revision ${base} of the tables, but ${what}: whole tables are needed`);
  }
}
