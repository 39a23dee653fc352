/**
 * Puts a kustomization together as kustomize does, for the few things that deploy/ uses: resources (files and folders),
 * images, and patches that set fields of one object. Anything else is refused rather than read wrongly.
 */
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { parse, parseAllDocuments } from 'yaml';
import type { KubernetesObject } from './kubernetes-objects.ts';

interface Image {
  readonly name: string;
  readonly newName: string;
  readonly newTag: string;
}

interface Kustomization {
  readonly resources: readonly string[];
  readonly images?: readonly Image[];
  readonly patches?: readonly { readonly path: string }[];
}

const KNOWN_KEYS = new Set(['apiVersion', 'kind', 'resources', 'images', 'patches']);

export function kustomize(folder: string): readonly KubernetesObject[] {
  const kustomization = parse(readFileSync(join(folder, 'kustomization.yaml'), 'utf8')) as Kustomization;
  const unknown = Object.keys(kustomization).filter((key) => !KNOWN_KEYS.has(key));
  if (unknown.length > 0) throw new Error(`${folder}: ${unknown.join(', ')} is not understood here`);
  const objects = kustomization.resources.flatMap((name) => {
    const path = join(folder, name);
    return statSync(path).isDirectory() ? kustomize(path) : readObjects(path);
  });
  const patches = (kustomization.patches ?? []).flatMap(({ path }) => readObjects(join(folder, path)));
  const lost = patches.filter((patch) => !objects.some((object) => isSame(object, patch)));
  if (lost.length > 0) throw new Error(`${folder}: patches of nothing: ${lost.map(({ kind }) => kind).join(', ')}`);
  return objects
    .map((object) => patches.filter((patch) => isSame(object, patch)).reduce(merge, object))
    .map((object) => (kustomization.images ?? []).reduce(withImage, object));
}

export function readObjects(path: string): readonly KubernetesObject[] {
  return parseAllDocuments(readFileSync(path, 'utf8')).map((document) => {
    if (document.errors[0] !== undefined) throw document.errors[0];
    return document.toJS() as KubernetesObject;
  });
}

function isSame(a: KubernetesObject, b: KubernetesObject): boolean {
  return a.kind === b.kind && a.metadata.name === b.metadata.name && a.metadata.namespace === b.metadata.namespace;
}

function merge<T extends object>(object: T, patch: object): T {
  const merged = Object.entries(patch).map(([key, value]: [string, unknown]) => {
    const before: unknown = Reflect.get(object, key);
    if (Array.isArray(value)) throw new Error(`a patch of the list ${key} is not understood here`);
    const isMap = typeof value === 'object' && value !== null && typeof before === 'object' && before !== null;
    return [key, isMap ? merge(before, value) : value] as const;
  });
  return { ...object, ...Object.fromEntries(merged) };
}

function withImage(object: KubernetesObject, { name, newName, newTag }: Image): KubernetesObject {
  return JSON.parse(JSON.stringify(object), (key, value: unknown) =>
    key === 'image' && value === name ? `${newName}:${newTag}` : value,
  ) as KubernetesObject;
}
