/**
 * What is known of one resource: slim objects by key. A resourceVersion is opaque, so "older" cannot be seen from it:
 * 1. a list is the truth, also where it looks older; which list may be taken is the reflector's concern;
 * 2. an event with a version that was seen of late is a second copy of it and is passed over;
 * 3. the deletion of another object of that name (another uid) is passed over.
 */
import { isDeepStrictEqual } from 'node:util';
import { RECENT_EVENTS_MAX } from './limits.ts';
import { identityOf } from './raw-object.ts';
import type { Problem, Resource } from './resource.ts';

/** `object` is undefined when it is there but cannot be used; `problems` say why. */
export type ObjectChange<T> =
  | {
      readonly op: 'set';
      readonly key: string;
      readonly namespace: string;
      readonly name: string;
      readonly object: T | undefined;
      readonly problems: readonly Problem[];
    }
  | { readonly op: 'delete'; readonly key: string };

/** unchanged: another version that says the same. duplicate: rules 2 and 3. */
export type EventOutcome<T> = ObjectChange<T> | 'unchanged' | 'duplicate';

interface Held<T> {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly generation: number;
  readonly object: T | undefined;
  readonly problems: readonly Problem[];
}

/** Which object it is, and how often what it asks for has changed. */
export interface ObjectVersion {
  readonly uid: string;
  readonly generation: number;
}

export class HeldObjects<T> {
  readonly #resource: Resource<T>;
  #held: Map<string, Held<T>> = new Map();
  /** Oldest first. */
  readonly #recent: Set<string> = new Set();
  #duplicates = 0;

  constructor(resource: Resource<T>) {
    this.#resource = resource;
  }

  get size(): number {
    return this.#held.size;
  }

  /** Of the object as it was seen last; undefined when it is not there. */
  version(key: string): ObjectVersion | undefined {
    return this.#held.get(key);
  }

  /** The object as it was read last; undefined when it is not there or cannot be used. */
  object(key: string): T | undefined {
    return this.#held.get(key)?.object;
  }

  /** Events passed over so far. */
  get duplicates(): number {
    return this.#duplicates;
  }

  /** A list that comes page by page; what it changes is known when it is whole. */
  beginList(): { /** Gives its key. */ add(raw: unknown): string; finish(): readonly ObjectChange<T>[] } {
    const next = new Map<string, Held<T>>();
    return {
      add: (raw) => {
        const [key, held] = this.#read(raw);
        next.set(key, held);
        return key;
      },
      finish: () => this.#replace(next),
    };
  }

  /** ADDED and MODIFIED alike. */
  set(raw: unknown): EventOutcome<T> {
    if (this.#isSecondCopy('set', raw)) return 'duplicate';
    const [key, held] = this.#read(raw);
    const before = this.#held.get(key);
    this.#held.set(key, held);
    return isSame(before, held) ? 'unchanged' : changeTo(key, held);
  }

  /** DELETED. */
  delete(raw: unknown): EventOutcome<T> {
    if (this.#isSecondCopy('delete', raw)) return 'duplicate';
    const { key, uid } = identityOf(raw, this.#resource.namespaced);
    if (this.#held.get(key)?.uid !== uid) {
      this.#duplicates += 1;
      return 'duplicate';
    }
    this.#held.delete(key);
    return { op: 'delete', key };
  }

  #read(raw: unknown): readonly [string, Held<T>] {
    const { key, namespace, name, uid, generation } = identityOf(raw, this.#resource.namespaced);
    const { object, problems } = this.#resource.read(raw);
    return [key, { namespace, name, uid, generation, object, problems }];
  }

  #replace(next: Map<string, Held<T>>): readonly ObjectChange<T>[] {
    const changes: ObjectChange<T>[] = [];
    for (const key of this.#held.keys()) if (!next.has(key)) changes.push({ op: 'delete', key });
    for (const [key, held] of next) if (!isSame(this.#held.get(key), held)) changes.push(changeTo(key, held));
    this.#held = next;
    // After a restore, versions can be given a second time.
    this.#recent.clear();
    return changes;
  }

  #isSecondCopy(op: 'set' | 'delete', raw: unknown): boolean {
    const { key, uid, resourceVersion } = identityOf(raw, this.#resource.namespaced);
    const event = `${op} ${resourceVersion} ${uid} ${key}`;
    if (this.#recent.has(event)) {
      this.#duplicates += 1;
      return true;
    }
    this.#recent.add(event);
    if (this.#recent.size > RECENT_EVENTS_MAX) {
      const [oldest = event] = this.#recent;
      this.#recent.delete(oldest);
    }
    return false;
  }
}

function isSame<T>(before: Held<T> | undefined, now: Held<T>): boolean {
  return (
    before !== undefined &&
    isDeepStrictEqual(before.object, now.object) &&
    isDeepStrictEqual(before.problems, now.problems)
  );
}

function changeTo<T>(key: string, { namespace, name, object, problems }: Held<T>): ObjectChange<T> {
  return { op: 'set', key, namespace, name, object, problems };
}
