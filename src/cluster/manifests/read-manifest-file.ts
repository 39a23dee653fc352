import { open } from 'node:fs/promises';
import { errorMessage } from '../../lib/errors.ts';
import { bytesMax } from './parse-manifest.ts';
import { type ManifestContent, readManifest, unreadContent } from './read-manifest.ts';
import type { ScanEntry } from './scan-folder.ts';

export interface FileReading {
  readonly content: ManifestContent;
  /** Reading failed in a way that may be over next time, although the file looks the same. */
  readonly retry: boolean;
}

/** Reads and validates one file. A file that cannot be read is incomplete content with a problem. */
export async function readManifestFile(
  file: string,
  entry: ScanEntry,
  read: (file: string, text: string) => ManifestContent = readManifest,
): Promise<FileReading> {
  if (entry.kind === 'blocked') return { content: unreadContent(file, entry.message), retry: false };
  const { limit, bytes } = bytesMax(file);
  if (entry.bytes > bytes) {
    return { content: unreadContent(file, `has ${entry.bytes} bytes, more than ${limit}, ${bytes}`), retry: false };
  }
  let text: string;
  try {
    text = await readAtMost(file, bytes);
  } catch (error) {
    return { content: unreadContent(file, `cannot be read: ${errorMessage(error)}`), retry: true };
  }
  return { content: read(file, text), retry: false };
}

/** The file may have grown since it was looked at. */
async function readAtMost(file: string, bytes: number): Promise<string> {
  const handle = await open(file, 'r');
  try {
    const { size } = await handle.stat();
    if (size > bytes) throw new Error(`it has ${size} bytes, more than ${bytes}`);
    return await handle.readFile('utf8');
  } finally {
    await handle.close();
  }
}
