/**
 * What is known of one resource: slim objects by key. A resourceVersion is opaque, so "older" cannot be seen from it:
 * 1. a list is the truth, also where it looks older; which list may be taken is the reflector's concern;
 * 2. an event with a version that was seen of late is a second copy of it and is passed over;
 * 3. the deletion of another object of that name (another uid) is passed over.
 */
import { isDeepStrictEqual } from 'node:util';
import { RECENT_EVENTS_MAX } from './limits.ts';
import { identityOf } from './raw-object.ts';
import { type Packed, PackedText } from '../packed.ts';
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

type SetChange<T> = Extract<ObjectChange<T>, { op: 'set' }>;

/** unchanged: another version that says the same. duplicate: rules 2 and 3. */
export type EventOutcome<T> = ObjectChange<T> | 'unchanged' | 'duplicate';

/** What is kept of an object. Pods without problems, which are many, are kept packed and without anything around them. */
type Held<T> = Packed<T> | HeldObject<T>;

interface HeldObject<T> {
  readonly uid: string;
  readonly generation: number;
  readonly packed: Packed<T> | undefined;
  readonly problems: readonly Problem[];
}

/** Which object it is, and how often what it asks for has changed. */
export interface ObjectVersion {
  readonly uid: string;
  /** 0 for kinds that have none, and for pods. */
  readonly generation: number;
}

export class HeldObjects<T> {
  readonly #resource: Resource<T>;
  readonly #pack: (object: T, key: string) => Packed<T>;
  #held: Map<string, Held<T>> = new Map();
  /** Oldest first. */
  readonly #recent: Set<string> = new Set();
  #duplicates = 0;

  constructor(resource: Resource<T>) {
    this.#resource = resource;
    this.#pack = resource.pack ?? ((object) => new PackedText(object));
  }

  get size(): number {
    return this.#held.size;
  }

  /** Of the object as it was seen last; undefined when it is not there. */
  version(key: string): ObjectVersion | undefined {
    const held = this.#held.get(key);
    return held && versionOf(held);
  }

  /** The object as it was read last; undefined when it is not there or cannot be used. */
  object(key: string): T | undefined {
    const held = this.#held.get(key);
    return held && packedOf(held)?.unpack();
  }

  /** Events passed over so far. */
  get duplicates(): number {
    return this.#duplicates;
  }

  /** A list that comes page by page; what it changes is known when it is whole. */
  beginList(): { /** Gives its key. */ add(raw: unknown): string; finish(): readonly ObjectChange<T>[] } {
    const next = new Map<string, Held<T>>();
    const changed = new Map<string, SetChange<T>>();
    return {
      add: (raw) => {
        const [held, change] = this.#read(raw);
        next.set(change.key, held);
        if (isSame(this.#held.get(change.key), held)) changed.delete(change.key);
        else changed.set(change.key, change);
        return change.key;
      },
      finish: () => this.#replace(next, changed),
    };
  }

  /** ADDED and MODIFIED alike. */
  set(raw: unknown): EventOutcome<T> {
    if (this.#isSecondCopy('set', raw)) return 'duplicate';
    const [held, change] = this.#read(raw);
    const before = this.#held.get(change.key);
    this.#held.set(change.key, held);
    return isSame(before, held) ? 'unchanged' : change;
  }

  /** DELETED. */
  delete(raw: unknown): EventOutcome<T> {
    if (this.#isSecondCopy('delete', raw)) return 'duplicate';
    const { key, uid } = identityOf(raw, this.#resource.namespaced);
    const held = this.#held.get(key);
    if (held === undefined || versionOf(held).uid !== uid) {
      this.#duplicates += 1;
      return 'duplicate';
    }
    this.#held.delete(key);
    return { op: 'delete', key };
  }

  #read(raw: unknown): readonly [Held<T>, SetChange<T>] {
    const { namespace, name, uid, generation, ...identity } = identityOf(raw, this.#resource.namespaced);
    const { object, problems } = this.#resource.read(raw);
    const before = this.#held.get(identity.key);
    const known = before && packedOf(before)?.key;
    const packed = object === undefined ? undefined : this.#pack(object, known ?? identity.key);
    const isEnough = packed !== undefined && packed.uid === uid && problems.length === 0;
    const held = isEnough ? packed : { uid, generation, packed, problems };
    // The packed object's own key, so that it is there once.
    return [held, { op: 'set', key: packed?.key ?? identity.key, namespace, name, object, problems }];
  }

  #replace(next: Map<string, Held<T>>, changed: ReadonlyMap<string, SetChange<T>>): readonly ObjectChange<T>[] {
    const changes: ObjectChange<T>[] = [];
    for (const key of this.#held.keys()) if (!next.has(key)) changes.push({ op: 'delete', key });
    for (const change of changed.values()) changes.push(change);
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

function packedOf<T>(held: Held<T>): Packed<T> | undefined {
  return 'problems' in held ? held.packed : held;
}

function versionOf<T>(held: Held<T>): ObjectVersion {
  return 'problems' in held ? held : { uid: held.uid ?? '', generation: 0 };
}

function isSame<T>(before: Held<T> | undefined, now: Held<T>): boolean {
  if (before === undefined) return false;
  const [a, b] = [packedOf(before), packedOf(now)];
  const isSameObject = a === undefined || b === undefined ? a === b : a.isSame(b);
  return isSameObject && isDeepStrictEqual(problemsOf(before), problemsOf(now));
}

function problemsOf<T>(held: Held<T>): readonly Problem[] {
  return 'problems' in held ? held.problems : [];
}
