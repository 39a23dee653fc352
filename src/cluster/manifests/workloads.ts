/**
 * Workloads -> the pods that their controllers would make, for a dry run on manifests nobody has applied yet. Only what
 * policy reads of a pod is made: name, labels, node, named ports.
 */
import type { Pod } from '../../policy/model.ts';
import { objectKey } from '../snapshot.ts';
import { formatReference, type ObjectProblem, type ObjectReference } from '../source.ts';
import { WORKLOAD_PODS_MAX } from './limits.ts';
import type { RawFields, RawObject } from './parse-manifest.ts';
import { type ManifestObject, readParsed } from './read-manifest.ts';

interface WorkloadKind {
  readonly apiVersion: string;
  /** Path of the pod template. */
  readonly template: string;
  /** How many pods it asks for; undefined: one a node. */
  readonly count: (spec: RawFields) => unknown;
  /** Names as on the command line. */
  readonly names: readonly string[];
}

const TEMPLATE = 'spec.template';
const KINDS: Readonly<Record<string, WorkloadKind>> = {
  Deployment: { apiVersion: 'apps/v1', template: TEMPLATE, count: replicaCount, names: ['deploy', 'deployment'] },
  ReplicaSet: { apiVersion: 'apps/v1', template: TEMPLATE, count: replicaCount, names: ['rs', 'replicaset'] },
  StatefulSet: { apiVersion: 'apps/v1', template: TEMPLATE, count: replicaCount, names: ['sts', 'statefulset'] },
  DaemonSet: { apiVersion: 'apps/v1', template: TEMPLATE, count: () => undefined, names: ['ds', 'daemonset'] },
  ReplicationController: {
    apiVersion: 'v1',
    template: TEMPLATE,
    count: replicaCount,
    names: ['rc', 'replicationcontroller'],
  },
  Job: { apiVersion: 'batch/v1', template: TEMPLATE, count: parallelism, names: ['job'] },
  CronJob: {
    apiVersion: 'batch/v1',
    template: 'spec.jobTemplate.spec.template',
    count: (spec) => parallelism(at(spec, 'jobTemplate.spec') ?? {}),
    names: ['cj', 'cronjob'],
  },
};

export interface WorkloadSource {
  readonly file: string;
  readonly raw: RawObject;
  readonly kind: WorkloadKind;
  /** With its namespace filled in. */
  readonly reference: ObjectReference;
}

export interface ExpandedWorkload {
  readonly objects: readonly ManifestObject[];
  readonly problems: readonly ObjectProblem[];
  /** Empty, or what a person should know of how it was expanded. */
  readonly note: string;
}

/** Undefined: the object is no workload. */
export function asWorkload(file: string, raw: RawObject): WorkloadSource | undefined {
  const { reference } = raw;
  const kind = Object.hasOwn(KINDS, reference.kind) ? KINDS[reference.kind] : undefined;
  if (kind === undefined || kind.apiVersion !== reference.apiVersion || reference.name === '') return undefined;
  return { file, raw, kind, reference: { ...reference, namespace: reference.namespace || 'default' } };
}

/** The kind that a word such as `deploy` means on the command line. */
export function workloadKindOf(word: string): string | undefined {
  const lower = word.toLowerCase();
  const found = Object.entries(KINDS).find(
    ([, { names }]) => names.includes(lower) || names.includes(lower.slice(0, -1)),
  );
  return found?.[0];
}

export function workloadKey({ kind, namespace, name }: ObjectReference): string {
  return `${kind} ${objectKey(namespace, name)}`;
}

/**
 * The pods of one workload. `nodes`: every node's name, for workloads that run on each. `taken`: pods that are there
 * already, `namespace/name`; where names meet, this workload's get its kind in the middle.
 */
export function expandWorkload(
  workload: WorkloadSource,
  nodes: readonly string[],
  taken: ReadonlySet<string>,
): ExpandedWorkload {
  const { file, raw, kind, reference } = workload;
  const template = at(raw.fields, kind.template);
  if (template === undefined)
    return { objects: [], problems: [problemAt(workload, kind.template, 'is missing')], note: '' };
  const asked = kind.count(fieldsOf(raw.fields['spec']));
  const count = asked === undefined ? Math.max(1, nodes.length) : asked;
  if (typeof count !== 'number' || !Number.isInteger(count) || count < 0) {
    return { objects: [], problems: [problemAt(workload, 'spec.replicas', 'must be a number, 0 or more')], note: '' };
  }
  const { objects, problems } = readParsed(file, {
    objects: [podOf(workload, template)],
    problems: [],
    complete: true,
  });
  const [first] = objects;
  if (first === undefined)
    return { objects, problems: problems.map((problem) => inTemplate(workload, problem)), note: '' };
  const made = Math.min(count, WORKLOAD_PODS_MAX);
  const pods = replicas(workload, first, made, asked === undefined ? nodes : [], taken);
  // The problems are the template's: told once, and also when the workload has no pods.
  const told = first.problems.map((problem) => inTemplate(workload, problem));
  return { objects: pods, problems: told, note: noteOf(reference, count, made) };
}

function noteOf(reference: ObjectReference, count: number, made: number): string {
  if (count === 0) return `${formatReference(reference)} has 0 pods`;
  if (made === count) return '';
  return `${formatReference(reference)} stands for ${made} of its ${count} pods (WORKLOAD_PODS_MAX)`;
}

function replicas(
  workload: WorkloadSource,
  first: ManifestObject,
  count: number,
  nodes: readonly string[],
  taken: ReadonlySet<string>,
): readonly ManifestObject[] {
  const { kind, namespace, name } = workload.reference;
  // Pods are numbered from 1, a StatefulSet's from 0.
  const start = kind === 'StatefulSet' ? 0 : 1;
  const names = (stem: string): readonly string[] => Array.from({ length: count }, (_, i) => `${stem}-${start + i}`);
  const own = names(name);
  const areTaken = own.some((each) => taken.has(objectKey(namespace, each)));
  const chosen = areTaken ? names(`${name}-${kind.toLowerCase()}`) : own;
  return chosen.map((each, i) => replica(workload, first, each, i, nodes[i]));
}

/** With the labels that controllers set. */
function replica(
  { reference }: WorkloadSource,
  first: ManifestObject,
  name: string,
  index: number,
  nodeName: string | undefined,
): ManifestObject {
  const pod = first.object as Pod | undefined;
  const labels = {
    ...(reference.kind === 'StatefulSet' && {
      'statefulset.kubernetes.io/pod-name': name,
      'apps.kubernetes.io/pod-index': `${index}`,
    }),
    ...(reference.kind === 'Job' && { 'batch.kubernetes.io/job-name': reference.name, 'job-name': reference.name }),
    ...pod?.labels,
  };
  return {
    ...first,
    key: objectKey(first.reference.namespace, name),
    reference: { ...first.reference, name },
    object: pod && { ...pod, name, labels, nodeName: pod.nodeName || (nodeName ?? '') },
    problems: [],
  };
}

function podOf({ raw, kind, reference }: WorkloadSource, template: RawFields): RawObject {
  const { labels, annotations } = fieldsOf(template['metadata']);
  const metadata = { name: `${reference.name}-1`, namespace: reference.namespace, labels, annotations };
  return {
    reference: { apiVersion: 'v1', kind: 'Pod', namespace: reference.namespace, name: metadata.name },
    fields: { apiVersion: 'v1', kind: 'Pod', metadata, spec: template['spec'] },
    place: (path) => raw.place(pathIn(kind, path)),
  };
}

/** Where a field of the pod stands in the workload. */
function pathIn(kind: WorkloadKind, path: string): string {
  if (path === '' || path === 'metadata.name' || path === 'metadata.namespace') return path;
  return `${kind.template}.${path}`;
}

function inTemplate({ reference, kind }: WorkloadSource, problem: ObjectProblem): ObjectProblem {
  return { ...problem, object: reference, path: pathIn(kind, problem.path) };
}

function problemAt({ file, raw, reference }: WorkloadSource, path: string, message: string): ObjectProblem {
  return { severity: 'error', object: reference, file, place: raw.place(path), path, message, hint: '' };
}

function replicaCount(spec: RawFields): unknown {
  return spec['replicas'] ?? 1;
}

function parallelism(spec: RawFields): unknown {
  const parallel = spec['parallelism'] ?? 1;
  const completions = spec['completions'] ?? parallel;
  return typeof parallel === 'number' && typeof completions === 'number' ? Math.min(parallel, completions) : parallel;
}

function at(fields: RawFields, path: string): RawFields | undefined {
  let value: unknown = fields;
  for (const step of path.split('.')) value = fieldsOf(value)[step];
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as RawFields) : undefined;
}

function fieldsOf(value: unknown): RawFields {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as RawFields) : {};
}
