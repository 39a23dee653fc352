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
  /** Keys that the transition touches; undefined: all. */
  readonly touched: ReadonlySet<string> | undefined;
  readonly done: PromiseWithResolvers<void>;
}

export class CleanUps {
  readonly #store: TableStore;
  readonly #options: ApplyOptions;
  /** In the order of their commits; those being removed too. */
  #left: Left[] = [];
  #running: Promise<void> = Promise.resolve();
  #isRunning = false;
  #failure: Error | undefined;

  constructor(store: TableStore, options: ApplyOptions) {
    this.#store = store;
    this.#options = options;
  }

  /** One did not end: nothing may be written before the store was read anew. */
  get hasFailed(): boolean {
    return this.#failure !== undefined;
  }

  get isEmpty(): boolean {
    return this.#left.length === 0;
  }

  /** The store was read anew. */
  forgetFailure(): void {
    this.#failure = undefined;
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
    this.#left.push({ cleanup: plan.cleanup, touched: touchedBy(plan), done });
    if (!this.#isRunning) this.#running = this.#run();
    return done.promise;
  }

  /** Resolves once nothing is left that all else has to wait for. Rejects when something could not be removed. */
  async ready(): Promise<void> {
    await this.#end(this.#left.findLast(({ touched }) => touched === undefined));
  }

  /** Resolves once nothing is left that these writes must not meet. Rejects when something could not be removed. */
  async clearFor(plan: Transition): Promise<void> {
    if (this.#left.length === 0) return this.#end(undefined);
    const keys = isWatched(plan) && !hasTable(plan.prepare, 'ports') ? keysOf(plan) : undefined;
    const isMet = ({ touched }: Left): boolean =>
      touched === undefined || keys === undefined || !touched.isDisjointFrom(keys);
    await this.#end(this.#left.findLast(isMet));
  }

  /** Resolves once nothing is left. Rejects when something could not be removed. */
  async drain(): Promise<void> {
    await this.#end(this.#left.at(-1));
  }

  /** Room beside what is left. After `ready`. */
  roomOf(limits: TableLimits): TableLimits {
    const room = { ...limits };
    for (const { cleanup } of this.#left) {
      for (const { table } of cleanup) if (isLimited(table)) room[table] -= 1;
    }
    return room;
  }

  /** Resolves once nothing is under way, whatever came of it. */
  async idle(): Promise<void> {
    await this.#running;
  }

  async #end(left: Left | undefined): Promise<void> {
    await left?.done.promise;
    if (this.#failure !== undefined) throw this.#failure;
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
      this.#failure = error instanceof Error ? error : new Error(String(error));
      const failed = this.#left;
      this.#left = [];
      for (const { done } of failed) done.reject(error);
    } finally {
      this.#isRunning = false;
    }
  }
}

function touchedBy(plan: Transition): ReadonlySet<string> | undefined {
  if (!isWatched(plan)) return undefined;
  const changesMeaning = hasTable(plan.prepare, 'ports') || hasTable(plan.prepare, 'prefixes');
  return changesMeaning ? undefined : keysOf(plan);
}

function isWatched({ prepare, cleanup }: Transition): boolean {
  return sizeOf(prepare) + sizeOf(cleanup) <= WATCHED_WRITES_MAX;
}

function hasTable(writes: Writes, table: TableWrite['table']): boolean {
  for (const write of writes) if (write.table === table) return true;
  return false;
}

function keysOf({ prepare, cleanup }: Transition): ReadonlySet<string> {
  return new Set([...prepare, ...cleanup].map(keyOf));
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

function isLimited(table: TableWrite['table']): table is keyof TableLimits {
  return table === 'endpoints' || table === 'addresses' || table === 'prefixes' || table === 'rows';
}
