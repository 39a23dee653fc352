import { open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';

export interface ReplaceOptions {
  /** @default 0o600 */
  readonly mode?: number;
  /** Called with the path of the prepared file; when it throws, nothing is replaced. */
  readonly check?: (prepared: string) => Promise<void>;
}

/**
 * Replaces the file as a whole: a reader, and whoever starts after a crash or a power cut, finds the old text or the
 * new one. Durable once it returns. One writer a path: the new text is prepared in `<path>.new`.
 */
export async function replaceFile(
  path: string,
  text: string | Uint8Array,
  options: ReplaceOptions = {},
): Promise<void> {
  const prepared = `${path}.new`;
  try {
    await writeDurably(prepared, text, options.mode ?? 0o600);
    await options.check?.(prepared);
    await rename(prepared, path);
  } catch (error) {
    await rm(prepared, { force: true });
    throw error;
  }
  await syncFolder(dirname(path));
}

async function writeDurably(path: string, text: string | Uint8Array, mode: number): Promise<void> {
  const file = await open(path, 'w', mode);
  try {
    // Neither the umask nor an earlier file of that name has a say.
    await file.chmod(mode);
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
