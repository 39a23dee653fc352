/**
 * DELs that launchers left on disk while no agent listened (launcher/journal.h): one file an attachment, its name the
 * attachment, its content the body of the request. Launchers only add files, the agent only removes them. An entry is
 * gone once the removal has succeeded; one that cannot be read is moved aside, so that it is neither lost nor in the way.
 */
import { lstatSync, type Stats } from 'node:fs';
import { lstat, mkdir, readFile, readdir, rename, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { CniError } from './error.ts';
import { CNI_BODY_BYTES_MAX, JOURNAL_ENTRIES_MAX, JOURNAL_TEMPORARY_AGE_MS } from './limits.ts';
import type { Log } from '../lib/log.ts';
import type { RemoveRequest } from './pod-network.ts';
import { attachmentKey, parseCall, type Attachment } from './request.ts';

export interface JournalOptions {
  /** `<state directory>/<instance>/del-journal`; need not exist. */
  readonly directory: string;
  readonly log: Log;
  /** Milliseconds since 1970, as of file times. */
  readonly now: () => number;
}

export type Settlement = 'absent' | 'replayed' | 'unreadable';

export class DelJournal {
  readonly #directory: string;
  readonly #log: Log;
  readonly #now: () => number;

  constructor(options: JournalOptions) {
    this.#directory = options.directory;
    this.#log = options.log;
    this.#now = options.now;
  }

  /** Attachments with an entry, at most `JOURNAL_ENTRIES_MAX`. Sweeps away what dead launchers left half written. */
  async list(): Promise<readonly Attachment[]> {
    const names = await emptyIfAbsent(() => readdir(this.#directory));
    const attachments: Attachment[] = [];
    for (const name of names.slice(0, JOURNAL_ENTRIES_MAX)) {
      if (name.startsWith('.')) {
        await this.#sweepTemporary(name);
        continue;
      }
      const colon = name.indexOf(':');
      if (colon > 0) attachments.push({ containerId: name.slice(0, colon), ifname: name.slice(colon + 1) });
      else await this.#moveAside(name, 'its name is not <container id>:<interface>');
    }
    return attachments;
  }

  /**
   * Carries out the entry of one attachment, if there is one. The caller holds the attachment's turn.
   * @throws what `remove` throws; the entry stays.
   */
  async settle(attachment: Attachment, remove: (request: RemoveRequest) => Promise<void>): Promise<Settlement> {
    const name = attachmentKey(attachment);
    const request = await this.#read(name, attachment);
    if (request === 'absent' || request === 'unreadable') return request;
    await remove(request);
    await this.forget(attachment);
    this.#log.info({ container: attachment.containerId, interface: attachment.ifname }, 'journalled DEL carried out');
    return 'replayed';
  }

  /** Removes the entry, if there is one: the attachment is known to be gone. */
  async forget(attachment: Attachment): Promise<void> {
    if (this.#status(attachmentKey(attachment)) === undefined) return;
    await emptyIfAbsent(() => unlink(join(this.#directory, attachmentKey(attachment))));
  }

  async #read(name: string, attachment: Attachment): Promise<RemoveRequest | 'absent' | 'unreadable'> {
    const path = join(this.#directory, name);
    const status = this.#status(name);
    if (status === undefined) return 'absent';
    try {
      if (!status.isFile()) return await this.#moveAside(name, 'it is not a file');
      if (status.size > CNI_BODY_BYTES_MAX) return await this.#moveAside(name, `it has ${status.size} bytes`);
      const call = parseCall(await readFile(path));
      if (call.command !== 'DEL' || attachmentKey(call) !== attachmentKey(attachment)) {
        return await this.#moveAside(name, 'it is not the DEL of the attachment it is named after');
      }
      return { containerId: call.containerId, ifname: call.ifname, netns: call.netns, netnsHandle: undefined };
    } catch (error) {
      if (!(error instanceof CniError)) throw error;
      return await this.#moveAside(name, `${error.message}: ${error.details}`);
    }
  }

  /** At once: there is almost never an entry, and every ADD asks. */
  #status(name: string): Stats | undefined {
    return lstatSync(join(this.#directory, name), { throwIfNoEntry: false });
  }

  async #moveAside(name: string, reason: string): Promise<'unreadable'> {
    const aside = `${this.#directory}-unreadable`;
    await mkdir(aside, { recursive: true, mode: 0o700 });
    await rename(join(this.#directory, name), join(aside, name));
    this.#log.error({ entry: name, reason, moved_to: aside }, 'journalled DEL cannot be read and was moved aside');
    return 'unreadable';
  }

  async #sweepTemporary(name: string): Promise<void> {
    const path = join(this.#directory, name);
    const [status] = await emptyIfAbsent(async () => [await lstat(path)]);
    if (status === undefined || this.#now() - status.mtimeMs < JOURNAL_TEMPORARY_AGE_MS) return;
    await emptyIfAbsent(() => unlink(path));
  }
}

async function emptyIfAbsent<T>(work: () => Promise<T>): Promise<T | []> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
    throw error;
  }
}
