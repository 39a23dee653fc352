import type { KnownObject } from '../object-readers.ts';
import type { ObjectProblem } from '../source.ts';
import type { ObjectChange } from './held-objects.ts';
import { PROBLEMS_MAX } from './limits.ts';
import type { Resource } from './resource.ts';

/** What is wrong with the objects of all resources now. */
export class ObjectProblems {
  /** By kind and key. */
  readonly #problems: Map<string, readonly ObjectProblem[]> = new Map();

  take(resource: Resource<KnownObject>, change: ObjectChange<KnownObject>): void {
    const id = `${resource.kind} ${change.key}`;
    if (change.op === 'delete' || change.problems.length === 0) this.#problems.delete(id);
    else this.#problems.set(id, problemsOf(resource, change));
  }

  /** At most PROBLEMS_MAX, errors first; the last then says how many are left out. */
  list(): readonly ObjectProblem[] {
    const all = [...this.#problems.values()].flat();
    const errors = all.filter(({ severity }) => severity === 'error');
    const sorted = [...errors, ...all.filter(({ severity }) => severity === 'warning')];
    if (sorted.length <= PROBLEMS_MAX) return sorted;
    const more = sorted.length - PROBLEMS_MAX + 1;
    const message = `${more} more problems are not listed: PROBLEMS_MAX is ${PROBLEMS_MAX}`;
    const last = { object: undefined, file: undefined, place: undefined, path: '', hint: '' };
    return [...sorted.slice(0, PROBLEMS_MAX - 1), { ...last, severity: 'error', message }];
  }
}

function problemsOf(
  { kind, apiVersion }: Resource<KnownObject>,
  { namespace, name, object, problems }: Extract<ObjectChange<KnownObject>, { op: 'set' }>,
): readonly ObjectProblem[] {
  const consequence = describeConsequence(kind, object);
  return problems.map(({ severity, path, message, hint = '' }) => ({
    severity,
    object: { apiVersion, kind, namespace, name },
    file: undefined,
    place: undefined,
    path,
    message,
    hint: severity === 'error' ? [hint, consequence].filter((part) => part !== '').join('; ') : hint,
  }));
}

function describeConsequence(kind: string, object: KnownObject | undefined): string {
  if (object === undefined) return 'the object is left out';
  if (kind === 'NetworkPolicy') return 'until then the policy isolates its pods and allows nothing';
  if (kind === 'ClusterNetworkPolicy') return 'until then the policy denies everything in its directions';
  return 'what could be read of the object is in force';
}
