/**
 * Numbers for contents: equal contents have one number while anything uses them, and a number that fell out of use keeps
 * its content until the caller releases it, because the kernel may still judge packets by it. A content that comes back
 * before that gets its old number again.
 *
 * Life of a record: `fresh` (made since the last settle) -> `live` -> `retired` -> forgotten. Users count themselves with
 * acquire and release; nothing is decided before `settle`, so a record may be dropped and taken again in between.
 */

export interface ContentRecord {
  readonly id: number;
  /** Canonical content. */
  readonly key: string;
  refs: number;
  state: 'fresh' | 'live' | 'retired';
  /** Revision at which it was retired; meaningful only while it is. */
  retiredAt: number;
}

export interface ContentTableOptions {
  readonly first: number;
  /** One more than the largest number. */
  readonly end: number;
  /**
   * Numbers that something outside still uses; released like retired ones, with any revision. Those outside of first and
   * end are not this table's: they have a fixed meaning and must never be given out, released or not.
   */
  readonly reserved: Iterable<number>;
}

export interface Settled<R> {
  /** In use now and not after the last settle, or retired then. */
  readonly born: readonly R[];
  /** Retired now. */
  readonly gone: readonly R[];
}

export class ContentTable<R extends ContentRecord> {
  readonly #byKey = new Map<string, R>();
  readonly #byId = new Map<number, R>();
  readonly #touched = new Set<R>();
  readonly #retired = new Set<R>();
  readonly #reserved: Set<number>;
  readonly #end: number;
  /** Largest first: the smallest free number is used next, which keeps numbers dense. */
  readonly #free: number[] = [];
  #next: number;

  constructor(options: ContentTableOptions) {
    this.#next = options.first;
    this.#end = options.end;
    this.#reserved = new Set(Array.from(options.reserved).filter((id) => id >= options.first && id < options.end));
  }

  /** Numbers taken, retired ones included. */
  get size(): number {
    return this.#byId.size + this.#reserved.size;
  }

  get(id: number): R | undefined {
    return this.#byId.get(id);
  }

  /** Every record, retired ones included. */
  records(): IterableIterator<R> {
    return this.#byId.values();
  }

  /** Numbers that nothing in use has, but that are not free yet. Sorted. */
  retiredIds(): readonly number[] {
    return [...this.#reserved, ...Array.from(this.#retired, ({ id }) => id)].sort((a, b) => a - b);
  }

  /** Undefined when a new record is needed and every number is taken. */
  acquire(key: string, make: (base: ContentRecord) => R): R | undefined {
    let record = this.#byKey.get(key);
    if (record === undefined) {
      const id = this.#allocate();
      if (id === undefined) return undefined;
      record = make({ id, key, refs: 0, state: 'fresh', retiredAt: 0 });
      this.#byKey.set(key, record);
      this.#byId.set(id, record);
    }
    record.refs += 1;
    if (record.refs === 1) this.#touched.add(record);
    return record;
  }

  release(record: R): void {
    record.refs -= 1;
    if (record.refs === 0) this.#touched.add(record);
  }

  /** `dropped` hears of every record that was made and given up since the last settle. */
  settle(revision: number, dropped: (record: R) => void = () => undefined): Settled<R> {
    const born: R[] = [];
    const gone: R[] = [];
    for (const record of this.#touched) {
      if (record.refs > 0 && record.state !== 'live') {
        record.state = 'live';
        this.#retired.delete(record);
        born.push(record);
      } else if (record.refs === 0 && record.state === 'live') {
        record.state = 'retired';
        record.retiredAt = revision;
        this.#retired.add(record);
        gone.push(record);
      } else if (record.refs === 0 && record.state === 'fresh') {
        this.#forget(record);
        dropped(record);
      }
    }
    this.#touched.clear();
    this.#sortFree();
    return { born, gone };
  }

  /** Lets numbers be used again; those in use, or retired after that revision, stay. Returns what was forgotten. */
  releaseIds(ids: Iterable<number>, revision: number): readonly R[] {
    const forgotten: R[] = [];
    for (const id of ids) {
      if (this.#reserved.delete(id)) {
        if (id < this.#next) this.#free.push(id);
        continue;
      }
      const record = this.#byId.get(id);
      if (record === undefined || record.state !== 'retired' || record.retiredAt > revision || record.refs > 0)
        continue;
      this.#forget(record);
      forgotten.push(record);
    }
    this.#sortFree();
    return forgotten;
  }

  #sortFree(): void {
    this.#free.sort((a, b) => b - a);
  }

  #forget(record: R): void {
    this.#byKey.delete(record.key);
    this.#byId.delete(record.id);
    this.#retired.delete(record);
    this.#free.push(record.id);
  }

  #allocate(): number | undefined {
    const free = this.#free.pop();
    if (free !== undefined) return free;
    while (this.#reserved.has(this.#next)) this.#next += 1;
    if (this.#next >= this.#end) return undefined;
    return this.#next++;
  }
}
