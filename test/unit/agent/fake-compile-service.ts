/** A compiler in this thread, whose every answer a test can hold back, or replace by an error or a limit. */
import type { CompiledTables, CompileService } from '../../../src/agent/compile-service.ts';
import { Compiler, type CompileProblem } from '../../../src/policy/compiler.ts';
import type { ClusterChange } from '../../../src/policy/model.ts';

export class FakeCompileService implements CompileService {
  /** What each compile had been told since the one before. */
  readonly batches: (readonly ClusterChange[])[] = [];
  /** Revisions said to be in force. */
  readonly inForce: number[] = [];
  /** The next compiles fail with these, first one first. */
  readonly failures: Error[] = [];
  /** The next compile finds these. */
  problems: readonly CompileProblem[] = [];
  isClosed = false;
  readonly #compiler = new Compiler({ node: 'n1' });
  #news: ClusterChange[] = [];
  #gate: Promise<void> = Promise.resolve();

  update(changes: readonly ClusterChange[]): void {
    this.#news.push(...changes);
    for (const change of changes) this.#compiler.update(change);
  }

  async compile(): Promise<CompiledTables> {
    this.batches.push(this.#news);
    this.#news = [];
    const { tables, problems, retired } = this.#compiler.compile();
    const found = [...problems, ...this.problems];
    this.problems = [];
    const failure = this.failures.shift();
    await this.#gate;
    if (failure !== undefined) throw failure;
    return { tables, problems: found, retired };
  }

  applied({ tables }: CompiledTables): void {
    this.inForce.push(tables.revision);
  }

  async close(): Promise<void> {
    this.isClosed = true;
  }

  /** Compiles do not answer before the function given back is called. */
  hold(): () => void {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#gate = promise;
    return resolve;
  }
}
