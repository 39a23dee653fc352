/** A compiler in this thread, whose every answer a test can hold back, or replace by an error or a limit. */
import type { Compiled, CompiledDelta, CompiledTables, CompileService } from '../../../src/agent/compile-service.ts';
import { Compiler, type CompileProblem } from '../../../src/policy/compiler.ts';
import type { ClusterChange } from '../../../src/policy/model.ts';
import type { TableDelta } from '../../../src/policy/table-delta.ts';
import type { VerdictTables } from '../../../src/policy/tables.ts';

export class FakeCompileService implements CompileService {
  /** What each compile had been told since the one before. */
  readonly batches: (readonly ClusterChange[])[] = [];
  /** What was asked for. */
  readonly forms: ('whole' | 'delta')[] = [];
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
    this.forms.push('whole');
    return this.#answer(this.#compiler.compile());
  }

  async compileDelta(): Promise<CompiledDelta> {
    this.forms.push('delta');
    const { delta, ...findings } = this.#compiler.compileDelta();
    return this.#answer({ tables: delta, ...findings });
  }

  async #answer<T extends VerdictTables | TableDelta>(compiled: Compiled<T>): Promise<Compiled<T>> {
    this.batches.push(this.#news);
    this.#news = [];
    const { tables, problems, retired } = compiled;
    const found = [...problems, ...this.problems];
    this.problems = [];
    const failure = this.failures.shift();
    await this.#gate;
    if (failure !== undefined) throw failure;
    return { tables, problems: found, retired };
  }

  applied({ retired }: Pick<CompiledTables, 'retired'>): void {
    this.inForce.push(retired.revision);
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
