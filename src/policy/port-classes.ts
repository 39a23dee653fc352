/**
 * Port classes: all port terms in use cut 0-65535 of each protocol into intervals; intervals that lie in the same terms
 * share a class. Terms count their users: rule sets, and classes whose pods resolve a named port to the number.
 */
import { ContentTable, type ContentRecord } from './content-table.ts';
import { LIMIT_PORT_CLASSES, PORT_CLASS_FIRST, PORT_CLASS_OTHER } from './ids.ts';
import { unpackPortTerm, type PortRange } from './port-term.ts';
import type { PortTable } from './tables.ts';

export interface PortClass extends ContentRecord {
  /** Sorted. */
  readonly terms: readonly number[];
}

interface Interval extends PortRange {
  readonly classId: number;
}

const PORTS = 65536;

export class PortClasses {
  readonly #table: ContentTable<PortClass>;
  readonly #users = new Map<number, number>();
  #held: PortClass[] = [];
  #intervals: readonly Interval[] = [];
  #stale = true;
  #forgot = false;
  /** By the last `settle`. */
  #isCutAnew = false;
  #missing = 0;

  constructor(reserved: Iterable<number>, limit: number = LIMIT_PORT_CLASSES) {
    this.#table = new ContentTable({ first: PORT_CLASS_FIRST, end: limit, reserved });
  }

  /** Intervals that got no class of their own at the last `settle`, because every number was taken. */
  get missing(): number {
    return this.#missing;
  }

  /** Numbers taken, retired ones included. */
  get size(): number {
    return this.#table.size;
  }

  get(id: number): PortClass | undefined {
    return this.#table.get(id);
  }

  /** Every class whose bits are kept, retired ones included: the kernel may still read them. */
  records(): Iterable<PortClass> {
    return this.#table.records();
  }

  use(term: number): void {
    const users = this.#users.get(term) ?? 0;
    if (users === 0) this.#stale = true;
    this.#users.set(term, users + 1);
  }

  disuse(term: number): void {
    const users = (this.#users.get(term) ?? 0) - 1;
    if (users > 0) {
      this.#users.set(term, users);
      return;
    }
    this.#users.delete(term);
    this.#stale = true;
  }

  retiredIds(): readonly number[] {
    return this.#table.retiredIds();
  }

  /** Cuts anew. True when classes came, or what a class means was forgotten: bits have to be made anew. */
  settle(revision: number): boolean {
    const forgot = this.#forgot;
    this.#forgot = false;
    this.#isCutAnew = false;
    if (!this.#stale && !(forgot && this.#missing > 0)) return forgot;
    this.#stale = false;
    this.#missing = 0;
    const old = this.#held;
    const before = this.#intervals;
    this.#held = [];
    this.#intervals = [0, 1, 2].flatMap((protocol) => this.#cut(protocol));
    this.#isCutAnew = !isSame(before, this.#intervals);
    for (const record of old) this.#table.release(record);
    return this.#table.settle(revision).born.length > 0 || forgot;
  }

  releaseIds(ids: Iterable<number>, revision: number): void {
    const before = this.#table.size;
    this.#table.releaseIds(ids, revision);
    if (this.#table.size !== before) this.#forgot = true;
  }

  table(): PortTable {
    return {
      protocol: Uint8Array.from(this.#intervals, ({ protocol }) => protocol),
      first: Uint16Array.from(this.#intervals, ({ first }) => first),
      last: Uint16Array.from(this.#intervals, ({ last }) => last),
      portClass: Uint16Array.from(this.#intervals, ({ classId }) => classId),
    };
  }

  /** The table when the last `settle` changed it. */
  changes(): PortTable | undefined {
    return this.#isCutAnew ? this.table() : undefined;
  }

  /** Without a number left, an interval is judged like a protocol without ports: what names ports does not allow it. */
  #cut(protocol: number): Interval[] {
    const starting = new Map<number, number[]>();
    const ending = new Map<number, number[]>();
    const cuts = new Set([0]);
    for (const term of this.#users.keys()) {
      const range = unpackPortTerm(term);
      if (range.protocol !== protocol) continue;
      append(starting, range.first, term);
      append(ending, range.last + 1, term);
      cuts.add(range.first).add(range.last + 1);
    }
    cuts.delete(PORTS);
    const firsts = [...cuts].sort((a, b) => a - b);
    const active = new Set<number>();
    return firsts.map((first, i) => {
      for (const term of ending.get(first) ?? []) active.delete(term);
      for (const term of starting.get(first) ?? []) active.add(term);
      const last = (firsts[i + 1] ?? PORTS) - 1;
      return { protocol, first, last, classId: this.#classOf([...active].sort((a, b) => a - b)) };
    });
  }

  #classOf(terms: readonly number[]): number {
    const record = this.#table.acquire(terms.join(' '), (base) => ({ ...base, terms }));
    if (record === undefined) {
      this.#missing += 1;
      return PORT_CLASS_OTHER;
    }
    this.#held.push(record);
    return record.id;
  }
}

function isSame(a: readonly Interval[], b: readonly Interval[]): boolean {
  return (
    a.length === b.length &&
    a.every(({ protocol, first, classId }, i) => {
      const other = b[i]!;
      return other.protocol === protocol && other.first === first && other.classId === classId;
    })
  );
}

function append(lists: Map<number, number[]>, key: number, value: number): void {
  const list = lists.get(key);
  if (list === undefined) lists.set(key, [value]);
  else list.push(value);
}
