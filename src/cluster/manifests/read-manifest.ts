/**
 * One manifest file -> the objects that Sluice knows, validated. Which kinds it knows, which it must speak up about and
 * which it leaves alone is written here.
 */
import type { ObjectProblem, ObjectReference, TextPlace } from '../source.ts';
import { objectKey } from '../snapshot.ts';
import { type KnownKind, type KnownObject, type ObjectReader, READERS } from '../object-readers.ts';
import { type ParsedManifest, parseManifest, type RawObject } from './parse-manifest.ts';

/** An object as its file has it. */
export interface ManifestObject {
  readonly kind: KnownKind;
  /** As in ClusterChange. */
  readonly key: string;
  readonly reference: ObjectReference;
  readonly file: string;
  readonly place: TextPlace | undefined;
  /** What validation made of it: all of it, what can stand in for an invalid one, or nothing. */
  readonly object: KnownObject | undefined;
  /** False: something in it is wrong, so a valid version that was in force is better than this one. */
  readonly valid: boolean;
  readonly problems: readonly ObjectProblem[];
}

/** A kind that Sluice does not read, and where it was met first. */
export interface ForeignKind {
  readonly type: string;
  readonly place: TextPlace | undefined;
}

export interface ManifestContent {
  readonly objects: readonly ManifestObject[];
  readonly foreignKinds: readonly ForeignKind[];
  /** Of the file, not of an object in `objects`. */
  readonly problems: readonly ObjectProblem[];
  /** False: what the file held before and does not name now is not gone. */
  readonly complete: boolean;
  /** Objects of types that are not read: one that has a known object's name and is new there was perhaps mistyped. */
  readonly unread: readonly UnreadObject[];
}

export interface UnreadObject {
  readonly reference: ObjectReference;
  readonly place: TextPlace | undefined;
}

/** Of a file that could not be read at all. */
export function unreadContent(file: string, message: string, hint = ''): ManifestContent {
  const problem: ObjectProblem = {
    severity: 'error',
    object: undefined,
    file,
    place: undefined,
    path: '',
    message,
    hint,
  };
  return { objects: [], foreignKinds: [], problems: [problem], complete: false, unread: [] };
}

export function readManifest(file: string, text: string): ManifestContent {
  return readParsed(file, parseManifest(file, text));
}

/** The second half of `readManifest`, for who wants to see the raw objects in between. */
export function readParsed(file: string, parsed: ParsedManifest): ManifestContent {
  const objects: ManifestObject[] = [];
  const problems: ObjectProblem[] = [...parsed.problems];
  const foreignKinds = new Map<string, ForeignKind>();
  const unread: UnreadObject[] = [];
  let known = 0;
  for (const raw of parsed.objects) {
    const { reference } = raw;
    const reader = READERS.get(reference.kind);
    if (reader === undefined || reader.apiVersion !== reference.apiVersion) {
      const problem = foreignProblem(file, raw, reader?.apiVersion);
      if (problem !== undefined) problems.push(problem);
      const type = `${reference.apiVersion} ${reference.kind}`;
      if (problem === undefined && !foreignKinds.has(type)) foreignKinds.set(type, { type, place: raw.place('kind') });
      unread.push({ reference, place: raw.place('kind') });
    } else {
      known++;
      const object = readObject(file, raw, reader);
      if (isIdentified(object)) objects.push(object);
      else problems.push(...withoutIdentity(object));
    }
  }
  const complete = parsed.complete && objects.length === known;
  return { objects, foreignKinds: [...foreignKinds.values()], problems, complete, unread };
}

function readObject(file: string, raw: RawObject, reader: ObjectReader): ManifestObject {
  const { kind } = reader;
  const reference = { ...raw.reference, namespace: reader.namespaced ? raw.reference.namespace || 'default' : '' };
  const read = reader.read(raw.fields);
  const problems = read.problems.map(({ path, message, hint, severity }): ObjectProblem => ({
    severity,
    object: reference,
    file,
    place: raw.place(path),
    path,
    message,
    hint: hint ?? '',
  }));
  return {
    kind,
    key: reader.namespaced ? objectKey(reference.namespace, reference.name) : reference.name,
    reference,
    file,
    place: raw.place(''),
    object: read.object,
    valid: read.object !== undefined && !problems.some((problem) => problem.severity === 'error'),
    problems,
  };
}

/** Kinds that are left alone need no word of their own, except when somebody counts on Sluice to enforce them. */
function foreignProblem(file: string, raw: RawObject, known: string | undefined): ObjectProblem | undefined {
  const { reference } = raw;
  const base = {
    severity: 'error',
    object: reference,
    file,
    place: raw.place('apiVersion'),
    path: 'apiVersion',
  } as const;
  if (known !== undefined) {
    return {
      ...base,
      message: `${reference.kind} of ${reference.apiVersion} is not read`,
      hint: `write apiVersion: ${known}`,
    };
  }
  if (!reference.kind.endsWith('NetworkPolicy')) return undefined;
  return {
    ...base,
    message: `${reference.kind} of ${reference.apiVersion} is not enforced`,
    hint: 'Sluice enforces NetworkPolicy of networking.k8s.io/v1 and ClusterNetworkPolicy of policy.networking.k8s.io/v1alpha2',
  };
}

/** Whether it is known which object this is, so that it can be the next version of it. */
function isIdentified({ reference, problems }: ManifestObject): boolean {
  const wrongNamespace = problems.some(({ path, severity }) => severity === 'error' && path === 'metadata.namespace');
  return reference.name !== '' && !wrongNamespace;
}

function withoutIdentity({ kind, problems }: ManifestObject): readonly ObjectProblem[] {
  const consequence =
    kind === 'NetworkPolicy' ? 'without it this is no policy: nothing is isolated by it' : 'the object is left out';
  return problems.map((problem) => {
    if (problem.severity !== 'error') return problem;
    return { ...problem, hint: problem.hint === '' ? consequence : `${problem.hint}; ${consequence}` };
  });
}
