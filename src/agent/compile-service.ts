/**
 * The compiler in a thread of its own: a large compile takes long, and CNI requests must not wait for it. Changes are
 * posted as they come, many at once in portions between which the event loop has a turn; tables come back as flat typed
 * arrays that are transferred, not copied.
 */
import { setImmediate } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { errorMessage } from '../lib/errors.ts';
import type { CompileProblem, RetiredIds } from '../policy/compiler.ts';
import type { ClusterChange } from '../policy/model.ts';
import type { TableDelta } from '../policy/table-delta.ts';
import type { VerdictTables } from '../policy/tables.ts';
import type { Frontend } from '../service/frontend.ts';
import type { ServiceChange } from '../service/model.ts';
import type {
  CompilerRequest,
  CompilerResponse,
  CompilerStart,
  FrontendsResponse,
  ResolvedServices,
} from './compiler-worker.ts';

/** Changes of one message: copying them takes a millisecond or two. */
const PORTION_CHANGES = 256;

/** One compile, as whole tables or as what changed since the one before. */
export interface Compiled<T extends VerdictTables | TableDelta> {
  readonly tables: T;
  readonly problems: readonly CompileProblem[];
  readonly retired: RetiredIds;
  /** Undefined: as they were at the compile before. */
  readonly services?: ResolvedServices | undefined;
}

export type CompiledTables = Compiled<VerdictTables>;
export type CompiledDelta = Compiled<TableDelta>;

export interface CompileService {
  /** Order is kept; nothing is compiled yet. */
  update(changes: readonly ClusterChange[], services?: readonly ServiceChange[]): void;
  /** One at a time, of either form. */
  compile(): Promise<CompiledTables>;
  /** What changed since the compile before. */
  compileDelta(): Promise<CompiledDelta>;
  /** These tables are in force, and nothing that only earlier ones used is left: ids that they retired may be used again. */
  applied(tables: Pick<CompiledTables, 'retired'>): void;
  close(): Promise<void>;
}

interface Pending {
  readonly take: (response: CompilerResponse) => void;
  readonly reject: (error: Error) => void;
}

export class CompilerThread implements CompileService {
  readonly #worker: Worker;
  /** Who asked for frontends, in order. */
  #asking: PromiseWithResolvers<readonly Frontend[]>[] = [];
  #pending: Pending | undefined;
  /** Not posted yet, in order. No more than the caller has handed over. */
  #waiting: CompilerRequest[] = [];
  /** Set once the thread has ended: without it nothing can be compiled, and every call says so. */
  #ended: Error | undefined;

  /** onEnd: the thread ended by itself, which is a bug; the agent has to stop. */
  constructor(start: CompilerStart, onEnd: (error: Error) => void) {
    this.#worker = new Worker(new URL('./compiler-worker.ts', import.meta.url), { workerData: start });
    this.#worker.on('message', (response: CompilerResponse | FrontendsResponse) => this.#receive(response));
    this.#worker.on('messageerror', (error) => this.#end(error, onEnd));
    this.#worker.on('error', (error) => {
      this.#end(new Error(`the compiler failed: ${errorMessage(error)}`, { cause: error }), onEnd);
    });
    this.#worker.on('exit', (code) => this.#end(new Error(`the compiler thread ended with code ${code}`), onEnd));
  }

  update(changes: readonly ClusterChange[], services: readonly ServiceChange[] = []): void {
    const count = Math.max(changes.length, services.length);
    for (let at = 0; at < count; at += PORTION_CHANGES) {
      const end = at + PORTION_CHANGES;
      this.#send({ kind: 'update', changes: changes.slice(at, end), services: services.slice(at, end) });
    }
  }

  /** Those of the Service `namespace/name`, or all, as they were at the last compile. */
  async frontends(service?: string): Promise<readonly Frontend[]> {
    if (this.#ended !== undefined) throw this.#ended;
    const asked = Promise.withResolvers<readonly Frontend[]>();
    this.#asking.push(asked);
    this.#send({ kind: 'frontends', service });
    return asked.promise;
  }

  async compile(): Promise<CompiledTables> {
    return this.#compile('whole', (response) => (response.form === 'whole' ? response : undefined));
  }

  async compileDelta(): Promise<CompiledDelta> {
    return this.#compile('delta', (response) => (response.form === 'delta' ? response : undefined));
  }

  applied(tables: Pick<CompiledTables, 'retired'>): void {
    this.#send({ kind: 'release', retired: tables.retired });
  }

  async close(): Promise<void> {
    this.#end(new Error('the compiler is closed'), () => undefined);
    await this.#worker.terminate();
  }

  async #compile<T>(form: 'whole' | 'delta', read: (response: CompilerResponse) => T | undefined): Promise<T> {
    if (this.#ended !== undefined) throw this.#ended;
    if (this.#pending !== undefined) throw new Error('a compile is under way already');
    return new Promise((resolve, reject) => {
      const take = (response: CompilerResponse): void => {
        const compiled = read(response);
        if (compiled === undefined) reject(new Error(`the compiler was asked for another form than ${response.form}`));
        else resolve(compiled);
      };
      this.#pending = { take, reject };
      this.#send({ kind: 'compile', form });
    });
  }

  /** Posts at once what nothing waits before. */
  #send(request: CompilerRequest): void {
    this.#waiting.push(request);
    if (this.#waiting.length === 1) void this.#post();
  }

  async #post(): Promise<void> {
    for (let request = this.#waiting[0]; request !== undefined; request = this.#waiting[0]) {
      this.#worker.postMessage(request);
      // A compile that follows a few changes must not wait for a busy thread; only what is much is spread over turns.
      if (request.kind === 'update' && isPortion(request)) await setImmediate();
      this.#waiting.shift();
    }
  }

  #receive(response: CompilerResponse | FrontendsResponse): void {
    if ('frontends' in response) {
      this.#asking.shift()?.resolve(response.frontends);
      return;
    }
    const pending = this.#pending;
    this.#pending = undefined;
    pending?.take(response);
  }

  #end(error: Error, onEnd: (error: Error) => void): void {
    if (this.#ended !== undefined) return;
    this.#ended = error;
    this.#pending?.reject(error);
    this.#pending = undefined;
    for (const asked of this.#asking) asked.reject(error);
    this.#asking = [];
    onEnd(error);
  }
}

function isPortion({ changes, services }: Extract<CompilerRequest, { kind: 'update' }>): boolean {
  return changes.length >= PORTION_CHANGES || services.length >= PORTION_CHANGES;
}
