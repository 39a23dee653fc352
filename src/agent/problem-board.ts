/** What is wrong now, from whoever knows of something, in one list; each problem is logged when it comes. */
import { formatProblem, type ObjectProblem } from '../cluster/source.ts';
import type { Log } from '../lib/log.ts';

export class ProblemBoard {
  readonly #log: Log;
  readonly #reporters: (() => readonly ObjectProblem[])[] = [];
  #told = new Set<string>();

  constructor(log: Log) {
    this.#log = log;
  }

  /** @param report gives everything that is wrong at the time of the call, from memory. */
  add(report: () => readonly ObjectProblem[]): void {
    this.#reporters.push(report);
  }

  list(): readonly ObjectProblem[] {
    return this.#reporters.flatMap((report) => report());
  }

  /** Logs what was not there at the last call. */
  tell(): void {
    const now = new Set<string>();
    for (const problem of this.list()) {
      const text = formatProblem(problem);
      now.add(text);
      if (this.#told.has(text)) continue;
      const { place } = problem;
      const fields = place === undefined ? {} : { excerpt: place.excerpt };
      if (problem.severity === 'error') this.#log.error(fields, text);
      else this.#log.warn(fields, text);
    }
    this.#told = now;
  }
}
