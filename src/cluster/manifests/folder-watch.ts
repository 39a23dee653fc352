import { type FSWatcher, watch } from 'node:fs';
import { errorMessage } from '../../lib/errors.ts';

/**
 * Calls back when something happens in one of the folders. Only a hint to look sooner: events can be lost, and a folder
 * that cannot be watched (the kernel's limit of watches) is still looked at from time to time.
 */
export class FolderWatch {
  readonly #onEvent: () => void;
  /** By path and identity: a folder that takes another's place needs a watch of its own. */
  readonly #watchers = new Map<string, FSWatcher>();
  #fault: string | undefined;

  constructor(onEvent: () => void) {
    this.#onEvent = onEvent;
  }

  /** Why a folder is not watched. Undefined: all are. */
  get fault(): string | undefined {
    return this.#fault;
  }

  /** Watches these folders and no others: path to identity. True when there are new ones, which were not seen till now. */
  update(folders: ReadonlyMap<string, string>): boolean {
    const wanted = new Map([...folders].map(([path, identity]) => [`${path}\0${identity}`, path]));
    for (const [key, watcher] of this.#watchers) {
      if (wanted.has(key)) continue;
      watcher.close();
      this.#watchers.delete(key);
    }
    this.#fault = undefined;
    let added = false;
    for (const [key, path] of wanted) {
      if (!this.#watchers.has(key) && this.#add(key, path)) added = true;
    }
    return added;
  }

  close(): void {
    for (const watcher of this.#watchers.values()) watcher.close();
    this.#watchers.clear();
  }

  #add(key: string, path: string): boolean {
    try {
      const watcher = watch(path, () => this.#onEvent());
      // The next update tries again.
      watcher.on('error', () => {
        watcher.close();
        this.#watchers.delete(key);
        this.#onEvent();
      });
      this.#watchers.set(key, watcher);
      return true;
    } catch (error) {
      this.#fault = `${path} cannot be watched: ${errorMessage(error)}`;
      return false;
    }
  }
}
