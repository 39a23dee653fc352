/**
 * What the files together ask for. Rules, as the tests name them:
 * 1. a file that is gone takes its objects with it; a file that cannot be made out keeps those it had;
 * 2. of an object in two files the first by path counts, the other is reported;
 * 3. an object that becomes invalid stays in force as it was when it was valid;
 * 4. one that never was valid is what validation makes of it: an invalid NetworkPolicy isolates and allows nothing,
 *    an invalid ClusterNetworkPolicy denies its pods everything;
 * 5. an object whose kind or apiVersion is mistyped in its file stays in force as it was.
 */
import { isDeepStrictEqual } from 'node:util';
import type { ClusterChange } from '../../policy/model.ts';
import type { ServiceChange } from '../../service/model.ts';
import { CHANGE_ORDER, SERVICE_CHANGE_ORDER } from '../change-order.ts';
import { type ClusterUpdate, formatReference, type ObjectProblem, type ObjectReference } from '../source.ts';
import { PROBLEMS_MAX } from './limits.ts';
import type { KnownKind, KnownObject } from '../object-readers.ts';
import type { ManifestContent, ManifestObject, UnreadObject } from './read-manifest.ts';

interface InForce {
  readonly kind: KnownKind;
  readonly key: string;
  readonly object: KnownObject;
  readonly valid: boolean;
}

export class DesiredObjects {
  /** By path. What each file is held to ask for, also when its text says less just now. */
  #files: ReadonlyMap<string, ManifestContent> = new Map();
  #inForce: ReadonlyMap<string, InForce> = new Map();

  /** The file's content as it counts now, if it was read before. */
  content(file: string): ManifestContent | undefined {
    return this.#files.get(file);
  }

  /** Every file that counts now. */
  files(): Iterable<string> {
    return this.#files.keys();
  }

  /**
   * Takes the files as they are now, by path, and gives what changes by it. What `contents` does not have is gone. Pass
   * a file that did not change as `content` gives it.
   */
  take(contents: ReadonlyMap<string, ManifestContent>): ClusterUpdate {
    const sorted = [...contents].toSorted(([a], [b]) => (a < b ? -1 : 1));
    this.#files = new Map(sorted.map(([file, content]) => [file, withKept(content, this.#files.get(file))]));
    const problems: ObjectProblem[] = [];
    const next = new Map<string, InForce>();
    const firstOf = new Map<string, ManifestObject>();
    for (const content of this.#files.values()) {
      problems.push(...content.problems);
      for (const object of content.objects) {
        const id = identify(object);
        const first = firstOf.get(id);
        if (first !== undefined) {
          problems.push(duplicateProblem(object, first));
          continue;
        }
        firstOf.set(id, object);
        const inForce = this.#choose(id, object);
        if (inForce !== undefined) next.set(id, inForce);
        problems.push(...withConsequence(object, inForce));
      }
    }
    problems.push(...foreignProblems(this.#files));
    const difference = differenceOf(this.#inForce, next);
    this.#inForce = next;
    return { ...difference, problems: bounded(problems) };
  }

  /** Rules 3 and 4. */
  #choose(id: string, { kind, key, object, valid }: ManifestObject): InForce | undefined {
    const before = this.#inForce.get(id);
    if (!valid && before?.valid === true) return before;
    return object === undefined ? undefined : { kind, key, object, valid };
  }
}

function identify(object: { readonly kind: KnownKind; readonly key: string }): string {
  return `${object.kind} ${object.key}`;
}

/** Rules 1 and 5: the content with what it had before and cannot be said to have given up. */
function withKept(content: ManifestContent, before: ManifestContent | undefined): ManifestContent {
  if (before === undefined || content === before) return content;
  const named = new Set(content.objects.map(identify));
  const missing = before.objects.filter((object) => !named.has(identify(object)));
  if (!content.complete) return { ...content, objects: [...content.objects, ...missing] };
  // A Deployment that has always been there beside a policy of its name says nothing about the policy.
  const news = content.unread.filter(
    ({ reference }) => !before.unread.some((old) => isDeepStrictEqual(old.reference, reference)),
  );
  const mistyped = new Map<UnreadObject, ManifestObject>();
  for (const object of missing) {
    const unread = news.find(({ reference }) => hasNameOf(reference, object));
    if (unread !== undefined) mistyped.set(unread, object);
  }
  if (mistyped.size === 0) return content;
  return {
    ...content,
    objects: [...content.objects, ...mistyped.values()],
    problems: [...content.problems, ...[...mistyped].map(([unread, object]) => mistypedProblem(unread, object))],
    // Left out, so that they are news again when the file is read next.
    unread: content.unread.filter((unread) => !mistyped.has(unread)),
  };
}

function hasNameOf(reference: ObjectReference, { reference: known }: ManifestObject): boolean {
  const namespace = known.namespace === '' ? '' : reference.namespace || 'default';
  return reference.name === known.name && namespace === known.namespace;
}

function mistypedProblem({ reference, place }: UnreadObject, object: ManifestObject): ObjectProblem {
  return {
    severity: 'error',
    object: reference,
    file: object.file,
    place,
    path: 'kind',
    message: `${formatReference(object.reference)} was here and has become a ${reference.kind} of ${reference.apiVersion}, which is not read`,
    hint: 'what was read before stays in force; if it is meant to go, move this object to another file',
  };
}

/** The object's problems, the errors with what they lead to. */
function withConsequence(object: ManifestObject, inForce: InForce | undefined): readonly ObjectProblem[] {
  const consequence = describeConsequence(object, inForce);
  return object.problems.map((problem) =>
    problem.severity === 'error'
      ? { ...problem, hint: problem.hint === '' ? consequence : `${problem.hint}; ${consequence}` }
      : problem,
  );
}

function describeConsequence(object: ManifestObject, inForce: InForce | undefined): string {
  if (inForce === undefined) return 'the object is left out';
  if (inForce.valid) return 'the last valid version stays in force';
  if (object.kind === 'ClusterNetworkPolicy') return 'until then the policy denies its pods everything, at its place';
  return object.kind === 'NetworkPolicy'
    ? 'until then the policy isolates its pods and allows nothing'
    : 'what could be read of the object is in force';
}

function duplicateProblem(object: ManifestObject, first: ManifestObject): ObjectProblem {
  const where = `${first.file}${first.place === undefined ? '' : `:${first.place.line}`}`;
  return {
    severity: 'error',
    object: object.reference,
    file: object.file,
    place: object.place,
    path: '',
    message: `${formatReference(object.reference)} is in ${where} already, and only that counts`,
    hint: 'remove one of the two',
  };
}

/** Once for every kind, at the first place. */
function foreignProblems(files: ReadonlyMap<string, ManifestContent>): readonly ObjectProblem[] {
  const problems = new Map<string, ObjectProblem>();
  for (const [file, { foreignKinds }] of files) {
    for (const { type, place } of foreignKinds) {
      if (problems.has(type)) continue;
      const message = `objects of type ${type} are left alone`;
      problems.set(type, { severity: 'warning', object: undefined, file, place, path: 'kind', message, hint: '' });
    }
  }
  return [...problems.values()];
}

function bounded(problems: readonly ObjectProblem[]): readonly ObjectProblem[] {
  if (problems.length <= PROBLEMS_MAX) return problems;
  const more = problems.length - PROBLEMS_MAX + 1;
  const message = `${more} more problems are not listed: PROBLEMS_MAX is ${PROBLEMS_MAX}`;
  const last = { object: undefined, file: undefined, place: undefined, path: '', hint: '' };
  return [...problems.slice(0, PROBLEMS_MAX - 1), { ...last, severity: 'error', message }];
}

function differenceOf(
  before: ReadonlyMap<string, InForce>,
  next: ReadonlyMap<string, InForce>,
): Pick<ClusterUpdate, 'changes' | 'services'> {
  const groups = new Map<string, InForce[]>();
  const add = (op: ClusterChange['op'], inForce: InForce): void => {
    const group = `${op} ${inForce.kind}`;
    const members = groups.get(group);
    if (members === undefined) groups.set(group, [inForce]);
    else members.push(inForce);
  };
  for (const [id, inForce] of next) {
    if (!isDeepStrictEqual(before.get(id)?.object, inForce.object)) add('set', inForce);
  }
  for (const [id, inForce] of before) if (!next.has(id)) add('delete', inForce);
  // A reader's object is of the type that belongs to its kind; the two come together in ManifestObject.
  return {
    changes: changesIn(CHANGE_ORDER, groups) as readonly ClusterChange[],
    services: changesIn(SERVICE_CHANGE_ORDER, groups) as readonly ServiceChange[],
  };
}

interface Change {
  readonly kind: KnownKind;
  readonly op: ClusterChange['op'];
}

function changesIn(
  order: readonly (readonly [Change['op'], KnownKind])[],
  groups: ReadonlyMap<string, readonly InForce[]>,
): readonly Change[] {
  return order.flatMap(([op, kind]) =>
    (groups.get(`${op} ${kind}`) ?? []).map(({ key, object }) =>
      op === 'set' ? { kind, op, object } : { kind, op, key },
    ),
  );
}
