import { open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';

/**
 * Replaces the file as a whole: a reader, and whoever starts after a crash or a power cut, finds the old text or the
 * new one. Durable once it returns. One writer a path: the new text is prepared in `<path>.new`.
 */
export async function replaceFile(path: string, text: string): Promise<void> {
  const prepared = `${path}.new`;
  try {
    await writeDurably(prepared, text);
    await rename(prepared, path);
  } catch (error) {
    await rm(prepared, { force: true });
    throw error;
  }
  await syncFolder(dirname(path));
}

async function writeDurably(path: string, text: string): Promise<void> {
  const file = await open(path, 'w', 0o600);
  try {
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
