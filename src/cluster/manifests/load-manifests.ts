import { stat } from 'node:fs/promises';
import { ConfigError, errorMessage } from '../../lib/errors.ts';
import type { ClusterUpdate } from '../source.ts';
import { DesiredObjects } from './desired-objects.ts';
import { type ManifestContent, readManifest } from './read-manifest.ts';
import { readManifestFile } from './read-manifest-file.ts';
import { scanFolder, type ScanEntry, ScanFault } from './scan-folder.ts';

/** A manifest that is in no file, such as standard input. */
export interface ManifestText {
  /** Stands in messages as the file does. */
  readonly name: string;
  readonly text: string;
}

/**
 * Reads files and folders once, for a dry run: the whole state as changes from nothing. A file is read whatever its
 * name. Throws ConfigError when a path is missing or a folder cannot be read.
 */
export async function loadManifests(
  paths: readonly string[],
  texts: readonly ManifestText[] = [],
): Promise<ClusterUpdate> {
  const contents = new Map<string, ManifestContent>();
  for (const { name, text } of texts) contents.set(name, readManifest(name, text));
  for (const path of paths) {
    for (const [file, entry] of await entriesOf(path))
      contents.set(file, (await readManifestFile(file, entry)).content);
  }
  return new DesiredObjects().take(contents);
}

/** The manifest files of a path: itself, or those below it. @throws ConfigError when it cannot be seen. */
export async function entriesOf(path: string): Promise<ReadonlyMap<string, ScanEntry>> {
  try {
    const found = await stat(path);
    if (found.isDirectory()) return (await scanFolder(path)).entries;
    return new Map([[path, { kind: 'file', stamp: '', bytes: found.size }]]);
  } catch (error) {
    if (error instanceof ScanFault) throw new ConfigError(error.message, { cause: error });
    throw new ConfigError(`${path} cannot be read: ${errorMessage(error)}`, { cause: error });
  }
}
