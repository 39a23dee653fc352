/** Objects that the test API server has, and beside them in a folder: what both say is what the agents should enforce. */
import { knownResources } from '../../src/cluster/kubernetes/resource.ts';
import type { ApiServer } from './api-server.ts';
import { ManifestFolder, type ManifestObject } from './manifest-folder.ts';

const PATHS: ReadonlyMap<string, string> = new Map(knownResources().map(({ kind, path }) => [kind, path]));

/** Every path that agents ask for. */
export const SERVED_PATHS: readonly string[] = [...PATHS.values()];

export class ServedManifests extends ManifestFolder {
  readonly #api: ApiServer;

  constructor(directory: string, staging: string, api: ApiServer) {
    super(directory, staging);
    this.#api = api;
  }

  override apply(object: ManifestObject): void {
    super.apply(object);
    this.#api.set(pathOf(object), object as { metadata: ManifestObject['metadata'] });
  }

  override delete(object: ManifestObject): void {
    super.delete(object);
    const { namespace, name } = object.metadata;
    const key = namespace === undefined ? name : `${namespace}/${name}`;
    if (this.#api.store.get(pathOf(object), key) !== undefined) this.#api.delete(pathOf(object), key);
  }
}

function pathOf({ kind }: ManifestObject): string {
  const path = PATHS.get(kind);
  if (path === undefined) throw new Error(`the API server has no ${kind}`);
  return path;
}
