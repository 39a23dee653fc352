/**
 * The folder of YAML that stands in for the API server: one file an object (JSON is YAML), replaced as a whole, so that
 * an agent that watches the folder never reads half a file.
 */
import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface ManifestObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly uid?: string;
    readonly labels?: Readonly<Record<string, string>>;
  };
  readonly spec?: object;
  readonly status?: object;
}

export class ManifestFolder {
  readonly directory: string;
  readonly #staging: string;

  /** Both directories exist, on one file system. */
  constructor(directory: string, staging: string) {
    this.directory = directory;
    this.#staging = staging;
  }

  apply(object: ManifestObject): void {
    const file = fileName(object);
    writeFileSync(join(this.#staging, file), `${JSON.stringify(object, undefined, 2)}\n`);
    renameSync(join(this.#staging, file), join(this.directory, file));
  }

  /** An object that is not there is fine. */
  delete(object: ManifestObject): void {
    rmSync(join(this.directory, fileName(object)), { force: true });
  }
}

function fileName({ kind, metadata }: ManifestObject): string {
  return `${[kind.toLowerCase(), metadata.namespace, metadata.name].filter(Boolean).join('_')}.yaml`;
}
