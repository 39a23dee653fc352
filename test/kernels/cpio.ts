/** Writes the archive that a kernel unpacks as its first file system: cpio in the "newc" form. */

export interface ArchiveEntry {
  /** Without a leading slash. */
  readonly path: string;
  /** undefined: a folder. */
  readonly content: Uint8Array | undefined;
}

const MODE_FOLDER = 0o040755;
/** All files may be executed: what is one does not matter to a guest that is thrown away. */
const MODE_FILE = 0o100755;
const TRAILER = 'TRAILER!!!';

/** The parts of the archive, in order; folders of the entries are added where they are missing. */
export function* cpioParts(entries: Iterable<ArchiveEntry>): Generator<Uint8Array> {
  const made = new Set<string>();
  let inode = 0;
  for (const entry of entries) {
    for (const folder of missingFolders(entry.path, made)) yield header(folder, MODE_FOLDER, 0, ++inode);
    if (made.has(entry.path)) continue;
    made.add(entry.path);
    if (entry.content === undefined) {
      yield header(entry.path, MODE_FOLDER, 0, ++inode);
      continue;
    }
    yield header(entry.path, MODE_FILE, entry.content.length, ++inode);
    yield entry.content;
    yield padding(entry.content.length);
  }
  yield header(TRAILER, 0, 0, 0);
}

function missingFolders(path: string, made: Set<string>): string[] {
  const missing: string[] = [];
  for (let end = path.indexOf('/'); end > 0; end = path.indexOf('/', end + 1)) {
    const folder = path.slice(0, end);
    if (made.has(folder)) continue;
    made.add(folder);
    missing.push(folder);
  }
  return missing;
}

function header(path: string, mode: number, size: number, inode: number): Uint8Array {
  const name = Buffer.from(`${path}\0`);
  const links = 1;
  // magic; inode, mode, uid, gid, links, time, size, device (2), special device (2), length of the name, checksum
  const numbers = [inode, mode, 0, 0, links, 0, size, 0, 0, 0, 0, name.length, 0];
  const fields = Buffer.from(`070701${numbers.map((n) => n.toString(16).padStart(8, '0')).join('')}`);
  return Buffer.concat([fields, name, padding(fields.length + name.length)]);
}

/** To the next multiple of four. */
function padding(length: number): Uint8Array {
  return new Uint8Array(-length & 3);
}
