/**
 * What the agent remembers of each interface it made, one file an endpoint in the run directory, so that a restarted
 * agent knows its pods again and a killed ADD can be undone. Files are replaced whole; a reader sees the old or the new.
 */
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
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
}

const FIELDS: Readonly<Record<keyof EndpointRecord, 'number' | 'string' | 'object'>> = {
  id: 'number',
  state: 'string',
  containerId: 'string',
  ifname: 'string',
  netns: 'string',
  namespace: 'string',
  pod: 'string',
  uid: 'string',
  hostInterface: 'string',
  ifindex: 'number',
  addresses: 'object',
  mac: 'string',
  hostMac: 'string',
};

function isRecord(value: unknown): value is EndpointRecord {
  if (typeof value !== 'object' || value === null) return false;
  const kinds = Object.fromEntries(
    Object.keys(FIELDS).map((name) => [name, typeof (value as Record<string, unknown>)[name]]),
  );
  return isDeepStrictEqual(kinds, { ...FIELDS });
}

export class EndpointRecords {
  readonly #directory: string;
  readonly #records = new Map<string, EndpointRecord>();
  #lastId = 0;

  constructor(directory: string) {
    this.#directory = directory;
  }

  /** Reads what an earlier agent left. Returns the files that could not be read; they are left where they are. */
  async load(): Promise<readonly string[]> {
    await mkdir(this.#directory, { recursive: true, mode: 0o700 });
    const unreadable: string[] = [];
    for (const name of await readdir(this.#directory)) {
      if (name === 'last-id') {
        this.#lastId = Math.max(this.#lastId, Number(await readFile(join(this.#directory, name), 'utf8')) || 0);
        continue;
      }
      if (!name.endsWith('.json')) continue;
      const record = parse(await readFile(join(this.#directory, name), 'utf8'));
      if (record === undefined) {
        unreadable.push(join(this.#directory, name));
        continue;
      }
      this.#records.set(attachmentKey(record), record);
      this.#lastId = Math.max(this.#lastId, record.id);
    }
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
    await this.#replace('last-id', String(id));
    return id;
  }

  get(owner: Attachment): EndpointRecord | undefined {
    return this.#records.get(attachmentKey(owner));
  }

  byId(id: number): EndpointRecord | undefined {
    return this.list().find((record) => record.id === id);
  }

  list(): readonly EndpointRecord[] {
    return [...this.#records.values()];
  }

  async put(record: EndpointRecord): Promise<void> {
    this.#records.set(attachmentKey(record), record);
    await this.#replace(`${record.id}.json`, JSON.stringify(record));
  }

  async remove(record: EndpointRecord): Promise<void> {
    await rm(join(this.#directory, `${record.id}.json`), { force: true });
    this.#records.delete(attachmentKey(record));
  }

  async #replace(name: string, text: string): Promise<void> {
    const path = join(this.#directory, name);
    await writeFile(`${path}.tmp`, text, { mode: 0o600 });
    await rename(`${path}.tmp`, path);
  }
}

function parse(text: string): EndpointRecord | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isRecord(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
