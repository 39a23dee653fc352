/**
 * What is wrong with an object somebody wrote: data, with the place and, where it is known, the cure. Reading never
 * throws and never stops at the first mistake.
 */
import { PROBLEMS_MAX } from './limits.ts';

export interface Problem {
  /** Where, as one would write it: `spec.ports[1].port`. Empty: the object as a whole. */
  readonly path: string;
  readonly message: string;
  readonly hint?: string;
  /** error: something that was asked for is not in force. warning: it is, but look at it. */
  readonly severity: 'error' | 'warning';
}

/** Undefined object: it could not be read. Whether an earlier version of it stays is the source's decision. */
export interface Read<T> {
  readonly object: T | undefined;
  readonly problems: readonly Problem[];
}

/** A problem that shows only beside other objects, with the object it is reported on. */
export interface ServiceProblem extends Problem {
  readonly kind: 'Service' | 'EndpointSlice';
  readonly namespace: string;
  readonly name: string;
}

/** On one line: what it is about, what is wrong, the cure. */
export function formatProblem({ kind, namespace, name, path, message, hint, severity }: ServiceProblem): string {
  const where = path === '' ? '' : `: ${path}`;
  const cure = hint === undefined ? '' : `; ${hint}`;
  return `${severity}: ${kind} ${namespace}/${name}${where}: ${message}${cure}`;
}

/** Collects the problems of one object. Past PROBLEMS_MAX they are only counted. */
export class Report {
  readonly #kept: Problem[] = [];
  #total = 0;
  #errors = 0;

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

  /** In the order found. */
  problems(): readonly Problem[] {
    const more = this.#total - this.#kept.length;
    if (more === 0) return this.#kept;
    const severity = this.#errors > 0 ? 'error' : 'warning';
    return [...this.#kept, { path: '', message: `${more} more problems are not listed`, severity }];
  }

  #keep(problem: Problem): void {
    this.#total += 1;
    if (this.#kept.length < PROBLEMS_MAX) this.#kept.push(problem);
  }
}
