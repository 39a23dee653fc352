/**
 * From changes to enforcement, one step at a time: changes that arrive while a step runs are taken together by the next.
 *
 * 1. At most one compile is under way, or one apply on its way into force. What only earlier tables used is removed beside
 *    the steps that follow (datapath.apply); until it is gone its ids are not given to others.
 * 2. A change submitted as number n is in force once `realized` is n or more; waiters learn it, or why it is not.
 * 3. One that is held takes changes in and enforces nothing before `begin`.
 * 4. A step that fails leaves the last state in force and is tried again: at the next change, or after a growing pause.
 * 5. Removing that fails leaves nothing open and nothing closed, only room taken: a step with whole tables mends it later.
 */
import type { Datapath, Realized } from '../datapath/datapath.ts';
import { StaleDeltaError } from '../datapath/stale-delta.ts';
import { CapacityError } from '../lib/errors.ts';
import type { ClusterChange } from '../policy/model.ts';
import type { TableDelta } from '../policy/table-delta.ts';
import type { VerdictTables } from '../policy/tables.ts';
import type { ServiceChange } from '../service/model.ts';
import type { CompileService, Compiled, CompiledTables } from './compile-service.ts';
import type { Log } from '../lib/log.ts';
import type { ServiceStep } from './service-step.ts';

const RETRY_FIRST_MS = 500;
const RETRY_MAX_MS = 30_000;
/** To the step that removes what could not be removed; a change that comes before does it too. */
const MEND_MS = 10_000;
const STOPPING = 'the agent is stopping';

interface Waiter {
  readonly sequence: number;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

type AnyCompiled = Compiled<VerdictTables | TableDelta>;

export interface ReconcilerState {
  /** Number of the last change taken in. */
  readonly submitted: number;
  /** Every change up to this number is in force. */
  readonly realized: number;
  readonly generation: number;
  readonly revision: number;
  /** Why the newest state is not in force; empty when it is, or is on its way. */
  readonly failure: string;
  readonly problems: CompiledTables['problems'];
}

export class Reconciler {
  readonly #compiler: CompileService;
  readonly #datapath: Pick<Datapath, 'apply'>;
  readonly #log: Log;
  readonly #services: ServiceStep | undefined;
  #waiters: Waiter[] = [];
  #submitted = 0;
  #realized = 0;
  #last: Realized = { generation: 0, revision: 0, writes: 0 };
  /** Of the newest step; undefined when it succeeded. */
  #lastError: Error | undefined;
  #problems: CompiledTables['problems'] = [];
  #isHeld: boolean;
  #isRunning = false;
  #running: Promise<void> = Promise.resolve();
  #retry: NodeJS.Timeout | undefined;
  #retryMs = RETRY_FIRST_MS;
  #closed = false;
  readonly #before = new Set<Promise<void>>();
  /** Tables in force of which something earlier is still to be removed. */
  readonly #leaving = new Set<Promise<void>>();
  /** Times that this failed, and how many of them whole tables have mended. */
  #torn = 0;
  #mended = 0;
  readonly #started: PromiseWithResolvers<void> = Promise.withResolvers<void>();
  /** What the last compile came to is in force: what changes from there is enough. */
  #isInStep = false;
  readonly #onTables: (tables: AnyCompiled) => void;
  readonly #onRealized: (sequence: number) => void;

  constructor(parts: {
    compiler: CompileService;
    datapath: Pick<Datapath, 'apply'>;
    log: Log;
    /** Without it Services are not brought in force. */
    services?: ServiceStep;
    onTables: (tables: AnyCompiled) => void;
    /** Every change up to that number is in force. Must not throw. */
    onRealized?: (sequence: number) => void;
    /** @default false */
    isHeld?: boolean;
  }) {
    this.#compiler = parts.compiler;
    this.#datapath = parts.datapath;
    this.#log = parts.log;
    this.#services = parts.services;
    this.#onTables = parts.onTables;
    this.#onRealized = parts.onRealized ?? (() => undefined);
    this.#isHeld = parts.isHeld ?? false;
  }

  /** All that came so far is one change, and from now on each comes into force. Returns the number to wait for. */
  begin(): number {
    this.#isHeld = false;
    return this.submit([]);
  }

  /** Takes changes in and starts a step if none runs. Returns the number to wait for. */
  submit(changes: readonly ClusterChange[], services: readonly ServiceChange[] = []): number {
    this.#compiler.update(changes, services);
    this.#submitted += 1;
    this.#kick();
    return this.#submitted;
  }

  /** Resolves once anything is in force, however often that had to be tried, or it is closed. */
  get started(): Promise<void> {
    return this.#started.promise;
  }

  /** Resolves once change `sequence` is in force; rejects when the step that held it failed, also if that was before. */
  async realized(sequence: number): Promise<void> {
    if (this.#realized >= sequence) return;
    if (this.#closed) throw new Error(STOPPING);
    if (this.#isHeld) throw new Error('the desired state is not known yet');
    if (!this.#isRunning) throw this.#lastError ?? new Error(`change ${sequence} was not submitted`);
    await new Promise<void>((resolve, reject) => this.#waiters.push({ sequence, resolve, reject }));
  }

  /** Tables that come meanwhile are in force only after `work` has settled: they may speak of what it makes. */
  after(work: Promise<unknown>): void {
    const settle = (): void => {
      this.#before.delete(settled);
    };
    const settled: Promise<void> = work.then(settle, settle);
    this.#before.add(settled);
  }

  state(): ReconcilerState {
    return {
      submitted: this.#submitted,
      realized: this.#realized,
      generation: this.#last.generation,
      revision: this.#last.revision,
      failure: this.#lastError?.message ?? '',
      problems: this.#problems,
    };
  }

  /** Lets a running step end and starts no other. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#retry);
    this.#started.resolve();
    await this.#running;
    await Promise.all(this.#leaving);
    for (const waiter of this.#waiters) waiter.reject(new Error(STOPPING));
    this.#waiters = [];
  }

  #kick(): void {
    if (this.#closed || this.#isHeld || this.#isRunning) return;
    clearTimeout(this.#retry);
    this.#isRunning = true;
    this.#running = this.#run();
  }

  async #run(): Promise<void> {
    // Reset in the same turn as the last look at `submitted`: a change that comes right after starts a step of its own.
    try {
      while (!this.#closed && (this.#realized < this.#submitted || this.#mended < this.#torn)) {
        const target = this.#submitted;
        try {
          await this.#step(target);
        } catch (error) {
          this.#fail(target, error);
          if (this.#submitted === target) return;
        }
      }
    } finally {
      this.#isRunning = false;
    }
  }

  async #step(target: number): Promise<void> {
    const torn = this.#torn;
    const isDelta = this.#isInStep && this.#mended === torn;
    this.#isInStep = false;
    const compiled: AnyCompiled = isDelta ? await this.#compiler.compileDelta() : await this.#compiler.compile();
    this.#problems = compiled.problems;
    this.#onTables(compiled);
    this.#services?.take(compiled.services);
    const limit = limitError(compiled);
    // The first tables put the programs to work, and these look for Services. Later on a backend's address is to be known
    // before anything leads to it.
    if (this.#realized === 0) await this.#services?.run();
    await Promise.all(this.#before);
    try {
      this.#last = await this.#bringInForce(compiled);
    } catch (error) {
      // An operation of the datapath failed meanwhile, and it had to read the kernel anew.
      if (error instanceof StaleDeltaError) return this.#step(target);
      if (error instanceof CapacityError) await this.#services?.run();
      // The datapath has closed what would be newly isolated; the compiler knows which policies need the room.
      throw error instanceof CapacityError && limit !== undefined ? limit : error;
    }
    this.#isInStep = true;
    if (!isDelta) this.#mended = torn;
    await this.#services?.run();
    // Port classes that ran out deny where they should allow: closed, and not what was asked for.
    if (limit !== undefined) throw limit;
    this.#succeed(target);
  }

  /** Resolves at the commit: from there on every packet that comes is judged by the tables. */
  async #bringInForce(compiled: AnyCompiled): Promise<Realized> {
    const inForce = Promise.withResolvers<Realized>();
    let isInForce = false;
    const applied = this.#datapath.apply(compiled.tables, (realized) => {
      isInForce = true;
      inForce.resolve(realized);
    });
    const leaving: Promise<void> = applied
      .then(
        (realized) => {
          inForce.resolve(realized);
          this.#compiler.applied(compiled);
        },
        (error: unknown) => {
          if (isInForce) this.#mendLater(error);
          else inForce.reject(error);
        },
      )
      .finally(() => this.#leaving.delete(leaving));
    this.#leaving.add(leaving);
    return inForce.promise;
  }

  #succeed(target: number): void {
    this.#realized = target;
    this.#started.resolve();
    this.#onRealized(target);
    this.#lastError = undefined;
    clearTimeout(this.#retry);
    this.#retryMs = RETRY_FIRST_MS;
    this.#log.debug({ ...this.#last, change: target }, 'tables in force');
    const done = this.#waiters.filter((waiter) => waiter.sequence <= target);
    this.#waiters = this.#waiters.filter((waiter) => waiter.sequence > target);
    for (const waiter of done) waiter.resolve();
  }

  #mendLater(error: unknown): void {
    this.#torn += 1;
    this.#log.error(
      { err: error, retry_ms: MEND_MS },
      'tables are in force; what only earlier ones used is still there',
    );
    if (this.#closed || this.#isRunning) return;
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => this.#kick(), MEND_MS);
  }

  #fail(target: number, error: unknown): void {
    const reason = error instanceof Error ? error : new Error(String(error));
    this.#lastError = reason;
    // What does not fit will not fit the next time either; only a change can mend it.
    const retryMs = reason instanceof CapacityError || this.#closed ? undefined : this.#retryMs;
    this.#log.error(
      { err: reason, change: target, ...(retryMs === undefined ? {} : { retry_ms: retryMs }) },
      'tables are not in force; the last ones stay',
    );
    const failed = this.#waiters.filter((waiter) => waiter.sequence <= target);
    this.#waiters = this.#waiters.filter((waiter) => waiter.sequence > target);
    for (const waiter of failed) waiter.reject(reason);
    if (retryMs === undefined) return;
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => this.#kick(), retryMs);
    this.#retryMs = Math.min(retryMs * 2, RETRY_MAX_MS);
  }
}

function limitError({ problems }: AnyCompiled): CapacityError | undefined {
  const limit = problems.find((problem) => problem.kind === 'limit');
  if (limit === undefined) return undefined;
  const cause = limit.policies.join(', ') || 'the state of the cluster';
  return new CapacityError(limit.limit, limit.needed, limit.available, cause);
}
