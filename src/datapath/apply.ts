/** Writes a plan to a store: batch by batch, giving the event loop a turn between batches. */
import { setImmediate } from 'node:timers/promises';
import type { Plan, Writes } from './plan.ts';
import type { TableStore, TableWrite } from './store.ts';

/** Writes of one batch: a millisecond or two of the event loop. */
export const BATCH_WRITES_MAX = 512;

export interface ApplyOptions {
  /** Resolves once no packet is under way that began before the call. */
  readonly grace: () => Promise<void>;
  /** Writes of one call of the store; 1 lets an observer see every one. */
  readonly batchWrites?: number;
}

/**
 * Brings a plan in force; its clean-up is left (clean-ups.ts). When it throws, the store is between two writes: adopt it anew.
 */
export async function bringInForce(store: TableStore, plan: Plan, options: ApplyOptions): Promise<void> {
  await writeAll(store, plan.prepare, options);
  if (plan.commit !== undefined) store.write([{ table: 'commit', ...plan.commit }]);
}

export function writesOf(plan: Plan): number {
  return sizeOf(plan.prepare) + sizeOf(plan.cleanup) + (plan.commit === undefined ? 0 : 1);
}

export async function writeAll(
  store: TableStore,
  writes: Writes,
  options: Pick<ApplyOptions, 'batchWrites'>,
): Promise<void> {
  const size = options.batchWrites ?? BATCH_WRITES_MAX;
  let batch: TableWrite[] = [];
  for (const write of writes) {
    if (batch.length === size) {
      store.write(batch);
      batch = [];
      await setImmediate();
    }
    batch.push(write);
  }
  if (batch.length > 0) store.write(batch);
}

export function sizeOf(writes: Writes): number {
  return 'size' in writes ? writes.size : writes.length;
}
