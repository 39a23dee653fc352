/**
 * What is wrong with an object somebody wrote: data, with the place and, where it is known, the cure. Reading never
 * throws and never stops at the first mistake; a `Report` collects what is found in one object and bounds the work.
 */
import { OBJECT_ITEMS_MAX, PROBLEMS_MAX } from './validate-limits.ts';

export interface Problem {
  /** Where, as one would write it: `spec.ingress[0].ports[1].endPort`. Empty: the object as a whole. */
  readonly path: string;
  readonly message: string;
  readonly hint?: string;
  /** An error makes the object unusable; a warning says that it does something its author may not expect. */
  readonly severity: 'error' | 'warning';
}

/** Undefined object: it could not be read. Whether an earlier version of it stays is the source’s decision. */
export interface Read<T> {
  readonly object: T | undefined;
  readonly problems: readonly Problem[];
}

/** Collects the problems of one object. Past PROBLEMS_MAX they are only counted. */
export class Report {
  readonly #kept: Problem[] = [];
  #total = 0;
  #errors = 0;
  #items = 0;

  error(path: string, message: string, hint?: string): void {
    this.#errors += 1;
    this.#keep({ path, message, ...(hint !== undefined && { hint }), severity: 'error' });
  }

  warn(path: string, message: string, hint?: string): void {
    this.#keep({ path, message, ...(hint !== undefined && { hint }), severity: 'warning' });
  }

  /** Errors so far; a part was read without error when this did not grow. */
  get errors(): number {
    return this.#errors;
  }

  /** No further problem will be listed. */
  get full(): boolean {
    return this.#total > PROBLEMS_MAX;
  }

  /** Counts list items and map entries about to be read; false once the object has more than OBJECT_ITEMS_MAX. */
  spend(items: number): boolean {
    this.#items += items;
    return this.#items <= OBJECT_ITEMS_MAX;
  }

  /** Errors before warnings, each in the order found. */
  problems(): readonly Problem[] {
    const sorted = [
      ...this.#kept.filter((problem) => problem.severity === 'error'),
      ...this.#kept.filter((problem) => problem.severity === 'warning'),
    ];
    const more = this.#total - this.#kept.length;
    if (more === 0) return sorted;
    const message = `${more} more problems are not listed`;
    return [...sorted, { path: '', message, severity: this.#errors > 0 ? 'error' : 'warning' }];
  }

  #keep(problem: Problem): void {
    this.#total += 1;
    if (this.#kept.length < PROBLEMS_MAX) this.#kept.push(problem);
  }
}
