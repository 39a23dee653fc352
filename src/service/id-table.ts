/**
 * Numbers for keys. A key has one number for as long as anything uses it; a number that fell out of use is never given
 * again, because the kernel may still hold flows by it: a u32 lasts for 136 years at one new number a second.
 */

const LAST_ID = 0xffff_ffff;

interface Given {
  readonly id: number;
  users: number;
}

/** Numbers that were given before this process, by key, and the next one that is free. */
export interface GivenIds {
  readonly ids: Iterable<readonly [key: string, id: number]>;
  readonly next: number;
}

export class IdTable {
  readonly #records = new Map<string, Given>();
  #next = 1;

  constructor(given?: GivenIds) {
    for (const [key, id] of given?.ids ?? []) {
      this.#records.set(key, { id, users: 0 });
      this.#next = Math.max(this.#next, id + 1);
    }
    this.#next = Math.max(this.#next, given?.next ?? 1);
  }

  /** The next number that will be given. 0 is never given. */
  get next(): number {
    return this.#next;
  }

  /** Numbers in use. */
  get size(): number {
    return this.#records.size;
  }

  acquire(key: string): number {
    let record = this.#records.get(key);
    if (record === undefined) {
      if (this.#next > LAST_ID) throw new RangeError('every id of 32 bits has been given; restart with an empty state');
      record = { id: this.#next++, users: 0 };
      this.#records.set(key, record);
    }
    record.users += 1;
    return record.id;
  }

  release(key: string): void {
    const record = this.#records.get(key);
    if (record === undefined) return;
    record.users -= 1;
    if (record.users <= 0) this.#records.delete(key);
  }

  /** Forgets numbers from before that nothing has taken up. */
  dropUnused(): void {
    for (const [key, { users }] of this.#records) if (users === 0) this.#records.delete(key);
  }
}

/** What a backend's number is of: its address and port (backendKey) behind one frontend. */
export function backendIdKey(frontendId: number, backendKey: string): string {
  return `${frontendId} ${backendKey}`;
}
