/**
 * Which manifest files a folder holds, recursively, and a stamp of each that changes when the file does. Hidden names
 * are passed over (also the folders behind a mounted ConfigMap's links), as are editors' temporary files; symbolic links
 * are followed. Reads no file.
 */
import { type Dirent, type BigIntStats } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { errorMessage } from '../../lib/errors.ts';
import { DEPTH_MAX, FILES_MAX, FOLDERS_MAX, TOTAL_BYTES_MAX } from './limits.ts';

/** What was found at a path: a manifest file, or something that could not be looked into. */
export type ScanEntry =
  | { readonly kind: 'file'; readonly stamp: string; readonly bytes: number }
  /** What was known below the path is not gone, only out of sight. */
  | { readonly kind: 'blocked'; readonly stamp: string; readonly message: string };

export interface FolderScan {
  /** By path, in the order of the paths. */
  readonly entries: ReadonlyMap<string, ScanEntry>;
  /** Path of every folder looked into, with what tells it from another folder that takes its place. */
  readonly folders: ReadonlyMap<string, string>;
}

/** The folder could not be seen whole; the message says why. Nothing may be concluded from what is missing. */
export class ScanFault extends Error {
  override readonly name = 'ScanFault';
}

const EXTENSIONS: ReadonlySet<string> = new Set(['.yaml', '.yml', '.json']);
const TEMPORARY_NAME = /^[.#~]|~$/;

export function isManifestName(name: string): boolean {
  return !TEMPORARY_NAME.test(name) && EXTENSIONS.has(extname(name));
}

export async function scanFolder(root: string): Promise<FolderScan> {
  const walk = new FolderWalk();
  await walk.enterRoot(root);
  return walk.result();
}

class FolderWalk {
  readonly #entries = new Map<string, ScanEntry>();
  readonly #folders = new Map<string, string>();
  /** Devices and inodes of the folders entered, so that a link back up ends. */
  readonly #seen = new Set<string>();
  #bytes = 0;

  async enterRoot(root: string): Promise<void> {
    try {
      const found = await stat(root, { bigint: true });
      if (!found.isDirectory()) throw new ScanFault(`${root} is no folder`);
      await this.#enter(root, found, await readdir(root, { withFileTypes: true }), 0);
    } catch (error) {
      if (error instanceof ScanFault) throw error;
      throw new ScanFault(`the folder of manifests ${root} cannot be read: ${errorMessage(error)}`, { cause: error });
    }
  }

  result(): FolderScan {
    const entries = [...this.#entries].toSorted(([a], [b]) => (a < b ? -1 : 1));
    return { entries: new Map(entries), folders: this.#folders };
  }

  async #enter(path: string, found: BigIntStats, children: readonly Dirent[], depth: number): Promise<void> {
    const identity = `${found.dev}:${found.ino}`;
    if (this.#seen.has(identity)) return;
    this.#seen.add(identity);
    this.#folders.set(path, identity);
    if (this.#folders.size > FOLDERS_MAX) throw new ScanFault(`${path}: more folders than FOLDERS_MAX, ${FOLDERS_MAX}`);
    // In the order of the names, so that of two ways to one folder the same is taken every time.
    for (const child of children.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
      if (TEMPORARY_NAME.test(child.name)) continue;
      if (child.isFile() && !isManifestName(child.name)) continue;
      await this.#visit(join(path, child.name), child.name, depth + 1);
    }
  }

  async #visit(path: string, name: string, depth: number): Promise<void> {
    try {
      const found = await stat(path, { bigint: true });
      if (found.isDirectory()) {
        if (depth > DEPTH_MAX) throw new ScanFault(`${path}: folders deeper than DEPTH_MAX, ${DEPTH_MAX}`);
        await this.#enter(path, found, await readdir(path, { withFileTypes: true }), depth);
      } else if (isManifestName(name)) {
        this.#addFile(path, found);
      }
    } catch (error) {
      if (error instanceof ScanFault) throw error;
      this.#add(path, { kind: 'blocked', stamp: 'blocked', message: `cannot be read: ${errorMessage(error)}` });
    }
  }

  #addFile(path: string, found: BigIntStats): void {
    if (!found.isFile()) {
      this.#add(path, { kind: 'blocked', stamp: 'blocked', message: 'is neither a file nor a folder' });
      return;
    }
    this.#bytes += Number(found.size);
    if (this.#bytes > TOTAL_BYTES_MAX) {
      throw new ScanFault(`${path}: the files together are larger than TOTAL_BYTES_MAX, ${TOTAL_BYTES_MAX} bytes`);
    }
    const stamp = [found.dev, found.ino, found.size, found.mtimeNs, found.ctimeNs].join(' ');
    this.#add(path, { kind: 'file', stamp, bytes: Number(found.size) });
  }

  #add(path: string, entry: ScanEntry): void {
    this.#entries.set(path, entry);
    if (this.#entries.size > FILES_MAX) throw new ScanFault(`${path}: more files than FILES_MAX, ${FILES_MAX}`);
  }
}
