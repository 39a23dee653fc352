/**
 * What transitions leave behind: after a commit, what only the side before used is removed once no packet is under way that
 * read an earlier commit. It runs beside the operations that follow, which need not wait for it as long as they touch other
 * elements.
 *
 * Why other elements: each has two sides, and packets of more than two commits may be under way. An element that at most one
 * of those commits changed shows every such packet its right side; one that two of them changed could not. The same holds
 * for what is to be removed and comes back. Where prefixes or port classes change, elements without a write of their own
 * change what they mean; those, and changes of many elements, are waited for as a whole.
 */
import { type ApplyOptions, sizeOf, writeAll } from './apply.ts';
import type { TableLimits } from './capacity.ts';
import { addressText } from './lookup.ts';
import type { Plan, Writes } from './plan.ts';
import type { TableStore, TableWrite } from './store.ts';

/** Writes of one plan beyond which it is not looked at one by one what it touches. */
const WATCHED_WRITES_MAX = 2048;

type Transition = Pick<Plan, 'prepare' | 'commit' | 'cleanup'>;

interface Left {
  readonly cleanup: Writes;
  /** Keys that the transition touches; undefined: any. */
  readonly touched: ReadonlySet<string> | undefined;
  /** Elements to be removed, by table. */
  readonly removed: TableLimits;
  readonly done: PromiseWithResolvers<void>;
}

export class CleanUps {
  readonly #store: TableStore;
  readonly #options: ApplyOptions;
  /** In the order of their commits; those being removed too. */
  #left: Left[] = [];
  #running: Promise<void> = Promise.resolve();
  #isRunning = false;
  #hasFailed = false;

  constructor(store: TableStore, options: ApplyOptions) {
    this.#store = store;
    this.#options = options;
  }

  /** One did not end: the store has to be read anew. Asking forgets it. */
  takeFailure(): boolean {
    const hasFailed = this.#hasFailed;
    this.#hasFailed = false;
    return hasFailed;
  }

  /**
   * To be called right after the commit. Resolves once nothing is left of this transition and of those before it; rejects
   * when that failed.
   */
  add(plan: Transition): Promise<void> {
    if (plan.commit === undefined && sizeOf(plan.cleanup) === 0) {
      return this.#left.at(-1)?.done.promise ?? Promise.resolve();
    }
    const done = Promise.withResolvers<void>();
    // Whoever waits for it learns it; the store is read anew in any case.
    done.promise.catch(() => undefined);
    this.#left.push({ cleanup: plan.cleanup, touched: touchedBy(plan), removed: removedBy(plan.cleanup), done });
    if (!this.#isRunning) this.#running = this.#run();
    return done.promise;
  }

  /** Resolves once nothing is left that the writes must not meet. Rejects when that could not be removed. */
  async clearFor(plan: Transition): Promise<void> {
    if (this.#left.length === 0) return;
    const keys = hasPorts(plan.prepare) ? undefined : keysOf(plan);
    const last = this.#left.findLast(({ touched }) => {
      return touched === undefined || keys === undefined || !touched.isDisjointFrom(keys);
    });
    await last?.done.promise;
  }

  /** Room beside what is left; the limits themselves when nothing is. */
  roomOf(limits: TableLimits): TableLimits {
    return this.#left.reduce(
      (room, { removed }) => ({
        endpoints: room.endpoints - removed.endpoints,
        addresses: room.addresses - removed.addresses,
        prefixes: room.prefixes - removed.prefixes,
        rows: room.rows - removed.rows,
      }),
      limits,
    );
  }

  /** Rejects when something could not be removed. */
  async drain(): Promise<void> {
    await this.#left.at(-1)?.done.promise;
  }

  /** Resolves once nothing is under way, whatever came of it. */
  async idle(): Promise<void> {
    await this.#running;
  }

  async #run(): Promise<void> {
    this.#isRunning = true;
    try {
      while (this.#left.length > 0) {
        // Those that come meanwhile need a grace of their own, and share it.
        const round = this.#left.slice();
        await this.#options.grace();
        for (const left of round) {
          await writeAll(this.#store, left.cleanup, this.#options);
          this.#left.shift();
          left.done.resolve();
        }
      }
    } catch (error) {
      this.#hasFailed = true;
      const failed = this.#left;
      this.#left = [];
      for (const { done } of failed) done.reject(error);
    } finally {
      this.#isRunning = false;
    }
  }
}

function touchedBy(plan: Transition): ReadonlySet<string> | undefined {
  const changesMeaning = [...firstOf(plan.prepare)].some(({ table }) => table === 'ports' || table === 'prefixes');
  return changesMeaning ? undefined : keysOf(plan);
}

function hasPorts(writes: Writes): boolean {
  return [...firstOf(writes)].some(({ table }) => table === 'ports');
}

/** Undefined: too many. */
function keysOf({ prepare, cleanup }: Transition): ReadonlySet<string> | undefined {
  if (sizeOf(prepare) + sizeOf(cleanup) > WATCHED_WRITES_MAX) return undefined;
  return new Set([...prepare, ...cleanup].map(keyOf));
}

/** No more than are looked at. */
function* firstOf(writes: Writes): Generator<TableWrite> {
  let count = 0;
  for (const write of writes) {
    yield write;
    count += 1;
    if (count === WATCHED_WRITES_MAX) return;
  }
}

function keyOf(write: TableWrite): string {
  switch (write.table) {
    case 'addresses':
    case 'locals':
      return `${write.table} ${addressText(write.key)}`;
    case 'prefixes':
      return `prefixes ${addressText(write.key)} ${write.key.length}`;
    case 'endpoints':
      return `endpoints ${write.ifindex}`;
    case 'rows':
      return `rows ${write.key.ruleSet} ${write.key.peerClass} ${write.key.block}`;
    case 'ports':
    case 'commit':
      return write.table;
  }
}

function removedBy(cleanup: Writes): TableLimits {
  const removed = { endpoints: 0, addresses: 0, prefixes: 0, rows: 0 };
  for (const { table } of cleanup) if (table in removed) removed[table as keyof typeof removed] += 1;
  return removed;
}
