/**
 * What the agent remembers of each interface it made, one file an endpoint in the run directory, so that a restarted
 * agent knows its pods again and a killed ADD can be undone. Files are replaced whole; a reader sees the old or the new.
 */
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Attachment, attachmentKey } from '../cni/request.ts';
import { coalesce } from '../lib/coalesce.ts';

export interface EndpointRecord extends Attachment {
  /** Kernel endpoint id, unique over the life of the node. */
  readonly id: number;
  /** `wiring`: ADD had not answered yet; after a crash it is undone. */
  readonly state: 'wiring' | 'ready';
  readonly netns: string;
  readonly namespace: string;
  readonly pod: string;
  readonly uid: string;
  readonly hostInterface: string;
  /** 0 until the interface is made. */
  readonly ifindex: number;
  readonly addresses: readonly string[];
  readonly mac: string;
  readonly hostMac: string;
}

const LAST_ID = 'last-id';
const RECORD_FILE = /^([0-9]+)\.json$/;
/** What is being written; left by an agent that was killed meanwhile. */
const UNFINISHED = '.tmp';

const isText = (value: unknown): boolean => typeof value === 'string';

const FIELDS: Readonly<Record<keyof EndpointRecord, (value: unknown) => boolean>> = {
  id: isId,
  state: (value) => value === 'wiring' || value === 'ready',
  containerId: isText,
  ifname: isText,
  netns: isText,
  namespace: isText,
  pod: isText,
  uid: isText,
  hostInterface: isText,
  ifindex: Number.isSafeInteger,
  addresses: (value) => Array.isArray(value) && value.every(isText),
  mac: isText,
  hostMac: isText,
};

export class EndpointRecords {
  readonly #directory: string;
  readonly #records = new Map<string, EndpointRecord>();
  readonly #saveLastId: () => Promise<void>;
  #lastId = 0;
  #revision = 0;

  constructor(directory: string) {
    this.#directory = directory;
    // Many ADDs at one time share a write; the number on disk is never below one that was given out.
    this.#saveLastId = coalesce(() => this.#replace(LAST_ID, String(this.#lastId)));
  }

  /** Counts the changes of the list. */
  get revision(): number {
    return this.#revision;
  }

  /** Reads what an earlier agent left. Returns the files that could not be read; they are left where they are. */
  async load(): Promise<readonly string[]> {
    await mkdir(this.#directory, { recursive: true, mode: 0o700 });
    const unreadable: string[] = [];
    for (const name of await readdir(this.#directory)) {
      if (name.endsWith(UNFINISHED)) {
        await rm(join(this.#directory, name));
        continue;
      }
      const isRead = name === LAST_ID ? await this.#loadLastId() : await this.#loadRecord(name);
      if (!isRead) unreadable.push(join(this.#directory, name));
    }
    this.#revision += 1;
    return unreadable;
  }

  /**
   * An id that no endpoint of this node has had: a conntrack entry names its endpoints by id, so an id that came back
   * would inherit flows. Written down before it is given out.
   * @param atLeast ids below or equal are known to be used (by the kernel's maps).
   */
  async nextId(atLeast: number): Promise<number> {
    this.#lastId = Math.max(this.#lastId, atLeast) + 1;
    const id = this.#lastId;
    await this.#saveLastId();
    return id;
  }

  get(owner: Attachment): EndpointRecord | undefined {
    return this.#records.get(attachmentKey(owner));
  }

  list(): readonly EndpointRecord[] {
    return [...this.#records.values()];
  }

  /** It is known once it is on disk: a record that could not be written is none. */
  async put(record: EndpointRecord): Promise<void> {
    await this.#replace(`${record.id}.json`, JSON.stringify(record));
    this.#records.set(attachmentKey(record), record);
    this.#revision += 1;
  }

  async remove(record: EndpointRecord): Promise<void> {
    await rm(join(this.#directory, `${record.id}.json`), { force: true });
    this.#records.delete(attachmentKey(record));
    this.#revision += 1;
  }

  async #loadLastId(): Promise<boolean> {
    const id = Number(await readFile(join(this.#directory, LAST_ID), 'utf8'));
    if (!isId(id)) return false;
    this.#lastId = Math.max(this.#lastId, id);
    return true;
  }

  /** Files of other names are none of ours. */
  async #loadRecord(name: string): Promise<boolean> {
    const [, id] = RECORD_FILE.exec(name) ?? [];
    if (id === undefined) return true;
    this.#lastId = Math.max(this.#lastId, Number(id));
    const record = parse(await readFile(join(this.#directory, name), 'utf8'));
    if (record?.id !== Number(id)) return false;
    this.#records.set(attachmentKey(record), record);
    return true;
  }

  async #replace(name: string, text: string): Promise<void> {
    const path = join(this.#directory, name);
    await writeFile(path + UNFINISHED, text, { mode: 0o600 });
    await rename(path + UNFINISHED, path);
  }
}

function isId(value: unknown): boolean {
  return Number.isSafeInteger(value) && Number(value) > 0;
}

function isRecord(value: unknown): value is EndpointRecord {
  if (typeof value !== 'object' || value === null) return false;
  const fields: Readonly<Record<string, unknown>> = { ...value };
  return Object.entries(FIELDS).every(([name, isRight]) => isRight(fields[name]));
}

function parse(text: string): EndpointRecord | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isRecord(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
