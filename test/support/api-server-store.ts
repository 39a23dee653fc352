/** What an API server keeps: objects of several resources under one revision counter, and the events since. */
import { deepStrictEqual } from 'node:assert/strict';

export interface RawObject {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly uid?: string;
    readonly resourceVersion?: string;
    readonly labels?: Readonly<Record<string, string>>;
  };
  readonly [field: string]: unknown;
}

export interface StoredEvent {
  readonly revision: number;
  readonly path: string;
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  readonly object: RawObject;
}

export class ApiServerStore {
  #revision: number;
  /** The oldest revision that a watch can go on from. */
  #compacted = 0;
  #nextUid = 1;
  readonly #objects: Map<string, Map<string, RawObject>> = new Map();
  #events: StoredEvent[] = [];

  constructor(revision = 100) {
    this.#revision = revision;
  }

  get revision(): number {
    return this.#revision;
  }

  get compacted(): number {
    return this.#compacted;
  }

  /** Creates or replaces; gives the uid of what is there unless the object states another. */
  set(path: string, object: RawObject): StoredEvent {
    const objects = this.#of(path);
    const key = keyOf(object);
    const before = objects.get(key);
    const revision = ++this.#revision;
    const uid = object.metadata.uid ?? before?.metadata.uid ?? `uid-${this.#nextUid++}`;
    const stored = { ...object, metadata: { ...object.metadata, uid, resourceVersion: String(revision) } };
    objects.set(key, stored);
    return this.#log({ revision, path, type: before === undefined ? 'ADDED' : 'MODIFIED', object: stored });
  }

  delete(path: string, key: string): StoredEvent {
    const before = this.#of(path).get(key);
    deepStrictEqual(before !== undefined, true, `${path} has no ${key}`);
    this.#of(path).delete(key);
    const revision = ++this.#revision;
    const last = before as RawObject;
    const object = { ...last, metadata: { ...last.metadata, resourceVersion: String(revision) } };
    return this.#log({ revision, path, type: 'DELETED', object });
  }

  /** In the order of keys, as etcd has them. */
  list(path: string): readonly RawObject[] {
    return [...this.#of(path)].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, object]) => object);
  }

  get(path: string, key: string): RawObject | undefined {
    return this.#of(path).get(key);
  }

  eventsAfter(path: string, revision: number): readonly StoredEvent[] {
    return this.#events.filter((event) => event.path === path && event.revision > revision);
  }

  /** Forgets the events so far, without a trace in the objects. */
  compact(): void {
    this.#compacted = ++this.#revision;
    this.#events = [];
  }

  /** As it is now, to be gone back to. */
  copy(): ApiServerStore {
    const copy = new ApiServerStore(this.#revision);
    copy.#compacted = this.#compacted;
    copy.#nextUid = this.#nextUid;
    copy.#events = [...this.#events];
    for (const [path, objects] of this.#objects) copy.#objects.set(path, new Map(objects));
    return copy;
  }

  #of(path: string): Map<string, RawObject> {
    let objects = this.#objects.get(path);
    if (objects === undefined) this.#objects.set(path, (objects = new Map()));
    return objects;
  }

  #log(event: StoredEvent): StoredEvent {
    this.#events.push(event);
    return event;
  }
}

function keyOf({ metadata: { namespace, name } }: RawObject): string {
  return namespace === undefined ? name : `${namespace}/${name}`;
}
