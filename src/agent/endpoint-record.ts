/**
 * What the agent remembers of each interface it made, one file an endpoint in the run directory, so that a restarted
 * agent knows its pods again, a killed ADD can be undone and a DEL that was answered is carried through. Files are replaced
 * whole; a reader sees the old or the new. They are not synced to the disk: the kernel state that they describe does not
 * outlive a power cut either. They are small and the folder is in memory on most nodes: written at once, which is ten
 * times faster than by the threads of the pool.
 */
import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type Attachment, attachmentKey } from '../cni/request.ts';

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
  /** `name` of the network configuration. */
  readonly network?: string | undefined;
  /** Something is to hang on the interface that redirecting into the pod would bypass. @default false */
  readonly noPeer?: boolean | undefined;
}

/** DEL was answered; what is left of the attachment is being removed. */
export interface LeavingRecord extends Omit<EndpointRecord, 'state'> {
  readonly state: 'removing';
}

/** The id up to which ids may have been given out. */
const LAST_ID = 'last-id';
/** Ids that one write of it allows. */
const ID_BLOCK = 64;
const RECORD_FILE = /^([0-9]+)\.json$/;
/** What is being written; left by an agent that was killed meanwhile. */
const UNFINISHED = '.tmp';

const isText = (value: unknown): boolean => typeof value === 'string';

const FIELDS: Readonly<Record<keyof EndpointRecord, (value: unknown) => boolean>> = {
  id: isId,
  state: (value) => value === 'wiring' || value === 'ready' || value === 'removing',
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
  network: (value) => value === undefined || isText(value),
  noPeer: (value) => value === undefined || typeof value === 'boolean',
};

export class EndpointRecords {
  readonly #directory: string;
  readonly #records = new Map<string, EndpointRecord>();
  /** By endpoint id. */
  readonly #leaving = new Map<number, LeavingRecord>();
  #lastId = 0;
  /** The number on disk: never below an id that was given out. */
  #reservedId = 0;
  #revision = 0;

  constructor(directory: string) {
    this.#directory = directory;
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
   * would inherit flows. Written down, with those that follow, before it is given out.
   * @param atLeast ids below or equal are known to be used (by the kernel's maps).
   */
  async nextId(atLeast: number): Promise<number> {
    const id = Math.max(this.#lastId, atLeast) + 1;
    if (id > this.#reservedId) {
      const reserved = id + ID_BLOCK - 1;
      this.#replace(LAST_ID, String(reserved));
      this.#reservedId = reserved;
    }
    this.#lastId = id;
    return id;
  }

  get(owner: Attachment): EndpointRecord | undefined {
    return this.#records.get(attachmentKey(owner));
  }

  list(): readonly EndpointRecord[] {
    return [...this.#records.values()];
  }

  /** Of attachments that are gone for the runtime, while something of them is left. */
  leaving(): readonly LeavingRecord[] {
    return [...this.#leaving.values()];
  }

  /** From now on the attachment is gone, whatever becomes of this process; `remove` follows. */
  async leave(record: EndpointRecord): Promise<LeavingRecord> {
    const leaving: LeavingRecord = { ...record, state: 'removing' };
    this.#replace(`${record.id}.json`, JSON.stringify(leaving));
    this.#forget(record);
    this.#leaving.set(record.id, leaving);
    this.#revision += 1;
    return leaving;
  }

  /** It is known once it is on disk: a record that could not be written is none. */
  async put(record: EndpointRecord): Promise<void> {
    this.#replace(`${record.id}.json`, JSON.stringify(record));
    this.#records.set(attachmentKey(record), record);
    this.#revision += 1;
  }

  async remove(record: EndpointRecord | LeavingRecord): Promise<void> {
    rmSync(join(this.#directory, `${record.id}.json`), { force: true });
    this.#forget(record);
    this.#leaving.delete(record.id);
    this.#revision += 1;
  }

  /** The attachment may have another record by now. */
  #forget(record: EndpointRecord | LeavingRecord): void {
    const key = attachmentKey(record);
    if (this.#records.get(key)?.id === record.id) this.#records.delete(key);
  }

  async #loadLastId(): Promise<boolean> {
    const id = Number(await readFile(join(this.#directory, LAST_ID), 'utf8'));
    if (!isId(id)) return false;
    this.#lastId = Math.max(this.#lastId, id);
    this.#reservedId = id;
    return true;
  }

  /** Files of other names are none of ours. */
  async #loadRecord(name: string): Promise<boolean> {
    const [, id] = RECORD_FILE.exec(name) ?? [];
    if (id === undefined) return true;
    this.#lastId = Math.max(this.#lastId, Number(id));
    const record = parse(await readFile(join(this.#directory, name), 'utf8'));
    if (record?.id !== Number(id)) return false;
    if (record.state === 'removing') this.#leaving.set(record.id, record);
    else this.#records.set(attachmentKey(record), record);
    return true;
  }

  #replace(name: string, text: string): void {
    const path = join(this.#directory, name);
    writeFileSync(path + UNFINISHED, text, { mode: 0o600 });
    renameSync(path + UNFINISHED, path);
  }
}

function isId(value: unknown): boolean {
  return Number.isSafeInteger(value) && Number(value) > 0;
}

function isRecord(value: unknown): value is EndpointRecord | LeavingRecord {
  if (typeof value !== 'object' || value === null) return false;
  const fields: Readonly<Record<string, unknown>> = { ...value };
  return Object.entries(FIELDS).every(([name, isRight]) => isRight(fields[name]));
}

function parse(text: string): EndpointRecord | LeavingRecord | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isRecord(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
