/**
 * The compiler in a thread of its own: a large compile takes long, and CNI requests must not wait for it. Changes are
 * posted as they come; tables come back as flat typed arrays that are transferred, not copied.
 */
import { Worker } from 'node:worker_threads';
import { errorMessage } from '../lib/errors.ts';
import type { CompileProblem, RetiredIds } from '../policy/compiler.ts';
import type { ClusterChange } from '../policy/model.ts';
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

export interface CompiledTables {
  readonly tables: VerdictTables;
  readonly problems: readonly CompileProblem[];
  readonly retired: RetiredIds;
  /** Undefined: as they were at the compile before. */
  readonly services?: ResolvedServices | undefined;
}

export interface CompileService {
  /** Order is kept; nothing is compiled yet. */
  update(changes: readonly ClusterChange[], services?: readonly ServiceChange[]): void;
  /** One at a time. */
  compile(): Promise<CompiledTables>;
  /** These tables are in force: ids that they retired may be used again. */
  applied(tables: CompiledTables): void;
  close(): Promise<void>;
}

interface Pending {
  readonly resolve: (tables: CompiledTables) => void;
  readonly reject: (error: Error) => void;
}

export class CompilerThread implements CompileService {
  readonly #worker: Worker;
  /** Who asked for frontends, in order. */
  #asking: PromiseWithResolvers<readonly Frontend[]>[] = [];
  #pending: Pending | undefined;
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
    this.#send({ kind: 'update', changes, services });
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
    if (this.#ended !== undefined) throw this.#ended;
    if (this.#pending !== undefined) throw new Error('a compile is under way already');
    return new Promise((resolve, reject) => {
      this.#pending = { resolve, reject };
      this.#send({ kind: 'compile' });
    });
  }

  applied(tables: CompiledTables): void {
    this.#send({ kind: 'release', retired: tables.retired });
  }

  async close(): Promise<void> {
    this.#end(new Error('the compiler is closed'), () => undefined);
    await this.#worker.terminate();
  }

  #send(request: CompilerRequest): void {
    this.#worker.postMessage(request);
  }

  #receive(response: CompilerResponse | FrontendsResponse): void {
    if ('frontends' in response) {
      this.#asking.shift()?.resolve(response.frontends);
      return;
    }
    const pending = this.#pending;
    this.#pending = undefined;
    pending?.resolve(response);
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
