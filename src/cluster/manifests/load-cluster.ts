/**
 * Manifests read once, for questions about a cluster that need not exist: workloads stand for their pods, namespaces that
 * nobody wrote down are there, pods without an address get one, and where each object stands in its file is kept.
 */
import { resolve } from 'node:path';
import type { Cidr } from '../../net/cidr.ts';
import type { ClusterChange } from '../../policy/model.ts';
import type { ServiceChange } from '../../service/model.ts';
import { bareNamespace } from '../../policy/validate.ts';
import { objectKey } from '../snapshot.ts';
import type { ObjectProblem, ObjectReference, TextPlace } from '../source.ts';
import { DesiredObjects } from './desired-objects.ts';
import { entriesOf, type ManifestText } from './load-manifests.ts';
import { parseManifest, type RawFields, type RawObject } from './parse-manifest.ts';
import { readManifestFile } from './read-manifest-file.ts';
import { type ManifestContent, type ManifestObject, readParsed } from './read-manifest.ts';
import { addAddresses } from './synthetic-addresses.ts';
import { asWorkload, expandWorkload, workloadKey, type WorkloadSource } from './workloads.ts';

export interface LoadOptions {
  /** Where addresses for pods without one come from; at most one a family. @default the nodes' podCIDRs, SYNTHETIC_CIDR */
  readonly podCidrs?: readonly Cidr[];
  /** Addresses that mean somebody else: no pod gets one. Canonical text. */
  readonly avoid?: Iterable<string>;
  /** Takes a raw object away, when it returns true: documents that are no part of the cluster. */
  readonly claim?: (file: string, raw: RawObject) => boolean;
  /** What is there before the files: an object of a file takes the place of the one of its kind and name. */
  readonly beneath?: GivenObjects;
}

/** Objects that nobody wrote into a file: those of a live cluster. Its workloads stand for the pods that they have. */
export interface GivenObjects {
  /** Stands in messages as a file does. */
  readonly name: string;
  readonly content: ManifestContent;
  /** Every object of `content`, and workloads. */
  readonly raws: readonly RawObject[];
  /** What a person should know of how it was read. */
  readonly notes: readonly string[];
}

/** Where an object was written. */
export interface ObjectSource {
  readonly file: string;
  readonly reference: ObjectReference;
  readonly fields: RawFields;
  readonly place: (path: string) => TextPlace | undefined;
}

export interface LoadedWorkload {
  readonly reference: ObjectReference;
  /** `namespace/name`. */
  readonly pods: readonly string[];
}

export interface LoadedCluster {
  /** Everything, from nothing. */
  readonly changes: readonly ClusterChange[];
  /** Services and EndpointSlices, likewise. */
  readonly services: readonly ServiceChange[];
  readonly problems: readonly ObjectProblem[];
  /** By kind and key, such as `NetworkPolicy shop/web`. Pods that were made of a workload have none. */
  readonly sources: ReadonlyMap<string, ObjectSource>;
  /** By kind and key. */
  readonly workloads: ReadonlyMap<string, LoadedWorkload>;
  /** Pods with made-up addresses. */
  readonly madeUp: ReadonlyMap<string, readonly string[]>;
  /** What a person should know of how the input was completed. */
  readonly notes: readonly string[];
}

/** @throws ConfigError when a path is missing or cannot be read, or --pod-cidr has too few addresses. */
export async function loadCluster(
  paths: readonly string[],
  texts: readonly ManifestText[] = [],
  options: LoadOptions = {},
): Promise<LoadedCluster> {
  const reader = new ClusterReader(options);
  const seen = new Set<string>();
  for (const { name, text } of texts) reader.add(name, reader.read(name, text));
  for (const path of paths) {
    for (const [file, entry] of await entriesOf(path)) {
      // A folder and a file in it may both be named, and one path in two ways.
      if (seen.has(resolve(file))) continue;
      seen.add(resolve(file));
      reader.add(file, (await readManifestFile(file, entry, (name, text) => reader.read(name, text))).content);
    }
  }
  if (options.beneath !== undefined) reader.addBeneath(options.beneath);
  return reader.finish();
}

class ClusterReader {
  readonly #options: LoadOptions;
  readonly #contents = new Map<string, ManifestContent>();
  readonly #raws: { readonly file: string; readonly raw: RawObject }[] = [];
  readonly #workloads: WorkloadSource[] = [];
  /** Those of a live cluster: they have the pods that they have. */
  readonly #grown: WorkloadSource[] = [];
  readonly #notes: string[] = [];

  constructor(options: LoadOptions) {
    this.#options = options;
  }

  add(file: string, content: ManifestContent): void {
    this.#contents.set(file, content);
  }

  read(file: string, text: string): ManifestContent {
    const parsed = parseManifest(file, text);
    const objects: RawObject[] = [];
    for (const raw of parsed.objects) {
      if (this.#options.claim?.(file, raw) === true) continue;
      const workload = asWorkload(file, raw);
      if (workload === undefined) objects.push(raw);
      else this.#workloads.push(workload);
      this.#raws.push({ file, raw });
    }
    return readParsed(file, { ...parsed, objects });
  }

  addBeneath({ name, content, raws, notes }: GivenObjects): void {
    const written = new Set(this.#raws.map(({ raw }) => sourceKey(raw)));
    this.#contents.set(name, {
      ...content,
      objects: content.objects.filter(({ kind, key }) => !written.has(`${kind} ${key}`)),
    });
    for (const raw of raws) {
      if (written.has(sourceKey(raw))) continue;
      this.#raws.push({ file: name, raw });
      const workload = asWorkload(name, raw);
      if (workload !== undefined) this.#grown.push(workload);
    }
    this.#notes.push(...notes);
  }

  finish(): LoadedCluster {
    const { workloads, notes } = this.#expand();
    const { changes, services, problems } = new DesiredObjects().take(this.#contents);
    const named = [...changes, ...missingNamespaces(changes)];
    const addressed = addAddresses(named, this.#options.podCidrs ?? [], this.#options.avoid ?? []);
    return {
      changes: addressed.changes,
      services,
      problems,
      sources: this.#sources(),
      workloads,
      madeUp: addressed.madeUp,
      notes: [...this.#notes, ...notes],
    };
  }

  /** Adds the workloads' pods to their files, except where the pods themselves were given. */
  #expand(): { workloads: ReadonlyMap<string, LoadedWorkload>; notes: readonly string[] } {
    const notes: string[] = [];
    const owned = ownedObjects(this.#raws.map(({ raw }) => raw));
    const nodes = this.#nodeNames();
    const taken = new Set(this.#raws.filter(({ raw }) => raw.reference.kind === 'Pod').map(({ raw }) => podKeyOf(raw)));
    const workloads = new Map<string, LoadedWorkload>();
    const first = new Map<string, WorkloadSource>();
    for (const workload of this.#workloads.toSorted(byFile)) {
      const key = workloadKey(workload.reference);
      const same = first.get(key);
      if (same !== undefined) {
        this.#addTo(workload.file, [], [duplicateWorkload(workload, same)]);
        continue;
      }
      first.set(key, workload);
      const given = owned.get(key);
      if (given !== undefined) {
        workloads.set(key, { reference: workload.reference, pods: podsBelow(key, owned) });
        continue;
      }
      const { objects, problems, note } = expandWorkload(workload, nodes, taken);
      for (const object of objects) taken.add(object.key);
      this.#addTo(workload.file, objects, problems);
      if (note !== '') notes.push(note);
      workloads.set(key, { reference: workload.reference, pods: objects.map((object) => object.key) });
      owned.set(
        key,
        objects.map((object) => `Pod ${object.key}`),
      );
    }
    for (const { reference } of this.#grown) workloads.set(workloadKey(reference), { reference, pods: [] });
    // A Deployment read before its ReplicaSet was expanded has its pods only now.
    for (const [key, workload] of workloads) {
      workloads.set(key, { ...workload, pods: podsBelow(key, owned) });
    }
    return { workloads, notes };
  }

  #addTo(file: string, objects: readonly ManifestObject[], problems: readonly ObjectProblem[]): void {
    const content = this.#contents.get(file);
    if (content === undefined) return;
    this.#contents.set(file, {
      ...content,
      objects: [...content.objects, ...objects],
      problems: [...content.problems, ...problems],
    });
  }

  #nodeNames(): readonly string[] {
    const names = this.#raws.filter(({ raw }) => raw.reference.kind === 'Node').map(({ raw }) => raw.reference.name);
    return [...new Set(names)].sort();
  }

  /** Of several with one name the one that counts: the first by the file's path. */
  #sources(): ReadonlyMap<string, ObjectSource> {
    const sources = new Map<string, ObjectSource>();
    for (const { file, raw } of this.#raws.toSorted(byFile)) {
      const key = sourceKey(raw);
      if (!sources.has(key)) sources.set(key, { file, reference: raw.reference, fields: raw.fields, place: raw.place });
    }
    return sources;
  }
}

function byFile(a: { readonly file: string }, b: { readonly file: string }): number {
  return a.file < b.file ? -1 : a.file > b.file ? 1 : 0;
}

function duplicateWorkload({ file, raw, reference }: WorkloadSource, first: WorkloadSource): ObjectProblem {
  const place = first.raw.place('');
  const where = `${first.file}${place === undefined ? '' : `:${place.line}`}`;
  return {
    severity: 'error',
    object: reference,
    file,
    place: raw.place(''),
    path: '',
    message: `is in ${where} already, and only that counts`,
    hint: 'remove one of the two',
  };
}

function podKeyOf({ reference: { namespace, name } }: RawObject): string {
  return objectKey(namespace || 'default', name);
}

const CLUSTER_SCOPED: ReadonlySet<string> = new Set(['Node', 'Namespace', 'ClusterNetworkPolicy']);

function sourceKey({ reference: { kind, namespace, name } }: RawObject): string {
  return `${kind} ${CLUSTER_SCOPED.has(kind) ? name : objectKey(namespace || 'default', name)}`;
}

/** What each controller owns, by kind and key; only what is in the input. */
function ownedObjects(raws: readonly RawObject[]): Map<string, readonly string[]> {
  const owned = new Map<string, readonly string[]>();
  for (const raw of raws) {
    for (const owner of ownersOf(raw.fields)) {
      const key = `${owner.kind} ${objectKey(raw.reference.namespace || 'default', owner.name)}`;
      owned.set(key, [...(owned.get(key) ?? []), sourceKey(raw)]);
    }
  }
  return owned;
}

function ownersOf(fields: RawFields): readonly { readonly kind: string; readonly name: string }[] {
  const metadata = fields['metadata'];
  const list =
    typeof metadata === 'object' && metadata !== null && 'ownerReferences' in metadata && metadata.ownerReferences;
  if (!Array.isArray(list)) return [];
  return list.flatMap((owner: unknown) => {
    if (typeof owner !== 'object' || owner === null || !('kind' in owner) || !('name' in owner)) return [];
    return typeof owner.kind === 'string' && typeof owner.name === 'string'
      ? [{ kind: owner.kind, name: owner.name }]
      : [];
  });
}

/** Keys of the pods that a controller owns, itself or through others. */
function podsBelow(key: string, owned: ReadonlyMap<string, readonly string[]>): readonly string[] {
  const pods = new Set<string>();
  const seen = new Set([key]);
  for (const owner of seen) {
    for (const child of owned.get(owner) ?? []) {
      if (child.startsWith('Pod ')) pods.add(child.slice('Pod '.length));
      else seen.add(child);
    }
  }
  return [...pods].sort();
}

function missingNamespaces(changes: readonly ClusterChange[]): readonly ClusterChange[] {
  const known = new Set<string>();
  const used = new Set<string>();
  for (const change of changes) {
    if (change.op !== 'set') continue;
    if (change.kind === 'Namespace') known.add(change.object.name);
    else if (change.kind === 'Pod' || change.kind === 'NetworkPolicy') used.add(change.object.namespace);
  }
  return [...used]
    .filter((name) => !known.has(name))
    .sort()
    .map((name) => ({ kind: 'Namespace', op: 'set', object: bareNamespace(name) }));
}
