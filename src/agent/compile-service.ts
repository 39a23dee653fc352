/**
 * The compiler in a thread of its own: a large compile takes long, and CNI requests must not wait for it. Changes are
 * posted as they come; tables come back as flat typed arrays that are transferred, not copied.
 */
import { Worker } from 'node:worker_threads';
import { errorMessage } from '../lib/errors.ts';
import type { CompileProblem, RetiredIds } from '../policy/compiler.ts';
import type { ClusterChange } from '../policy/model.ts';
import type { VerdictTables } from '../policy/tables.ts';
import type { CompilerRequest, CompilerResponse, CompilerStart } from './compiler-worker.ts';

export interface CompiledTables {
  readonly tables: VerdictTables;
  readonly problems: readonly CompileProblem[];
  readonly retired: RetiredIds;
}

export interface CompileService {
  /** Order is kept; nothing is compiled yet. */
  update(changes: readonly ClusterChange[]): void;
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
  #pending: Pending | undefined;
  /** Set once the thread has ended: without it nothing can be compiled, and every call says so. */
  #ended: Error | undefined;

  /** onEnd: the thread ended by itself, which is a bug; the agent has to stop. */
  constructor(start: CompilerStart, onEnd: (error: Error) => void) {
    this.#worker = new Worker(new URL('./compiler-worker.ts', import.meta.url), { workerData: start });
    this.#worker.on('message', (response: CompilerResponse) => this.#receive(response));
    this.#worker.on('messageerror', (error) => this.#end(error, onEnd));
    this.#worker.on('error', (error) => {
      this.#end(new Error(`the compiler failed: ${errorMessage(error)}`, { cause: error }), onEnd);
    });
    this.#worker.on('exit', (code) => this.#end(new Error(`the compiler thread ended with code ${code}`), onEnd));
  }

  update(changes: readonly ClusterChange[]): void {
    this.#send({ kind: 'update', changes });
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

  #receive(response: CompilerResponse): void {
    const pending = this.#pending;
    this.#pending = undefined;
    pending?.resolve(response);
  }

  #end(error: Error, onEnd: (error: Error) => void): void {
    if (this.#ended !== undefined) return;
    this.#ended = error;
    this.#pending?.reject(error);
    this.#pending = undefined;
    onEnd(error);
  }
}
