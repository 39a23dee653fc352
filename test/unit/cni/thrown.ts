import { CniError } from '../../../src/cni/error.ts';

/** The `CniError` that `work` throws. */
export function thrownBy(work: () => unknown): CniError {
  try {
    work();
  } catch (error) {
    if (error instanceof CniError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

/** The `CniError` that the promise rejects with. */
export async function rejectedBy(work: Promise<unknown>): Promise<CniError> {
  const error: unknown = await work.then(
    () => new Error('the promise was fulfilled'),
    (reason: unknown) => reason,
  );
  if (error instanceof CniError) return error;
  throw error;
}
