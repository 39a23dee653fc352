/**
 * Peer classes: one number for all addresses that match the same peer terms and whose named ports have the same numbers.
 * A class is in use while an address or a prefix has it.
 */
import { ContentTable, type ContentRecord, type Settled } from './content-table.ts';
import { PEER_CLASS_FIRST, PEER_CLASS_NONE, PEER_CLASS_UNKNOWN_POD } from './ids.ts';
import type { PeerTerm } from './peer-terms.ts';
import type { PortClasses } from './port-classes.ts';
import { namedPortTerm, NO_NUMBERS, type NamedNumbers } from './port-term.ts';
import type { TermSet, TermSets } from './term-set.ts';

export interface PeerClass extends ContentRecord {
  /** Pod terms; empty for a prefix. */
  readonly pods: TermSet;
  readonly blocks: TermSet;
  /** Unknown pods in the networks that `blocks` has: more of the kind of PEER_CLASS_UNKNOWN_POD. */
  readonly unknown: boolean;
  /** Numbers of the named ports that terms in use ask for. */
  readonly numbers: NamedNumbers;
}

/** What matters for a row: a class, or what stands for PEER_CLASS_UNKNOWN_POD, which has no record. */
export type RowClass = Pick<PeerClass, 'id' | 'pods' | 'blocks' | 'unknown' | 'numbers'>;

export function termsOf({ pods, blocks }: Pick<PeerClass, 'pods' | 'blocks'>): readonly PeerTerm[] {
  if (blocks.terms.length === 0) return pods.terms;
  return pods.terms.length === 0 ? blocks.terms : [...pods.terms, ...blocks.terms];
}

export class ClassTable {
  readonly #sets: TermSets;
  readonly #ports: PortClasses;
  readonly #table: ContentTable<PeerClass>;
  readonly #byName = new Map<string, Set<PeerClass>>();
  readonly #unknown = new Set<PeerClass>();

  /** Numbers of named ports are port terms in use while a class has them. */
  constructor(sets: TermSets, ports: PortClasses, reserved: Iterable<number>) {
    this.#sets = sets;
    this.#ports = ports;
    this.#table = new ContentTable({ first: PEER_CLASS_FIRST, end: PEER_CLASS_NONE, reserved });
  }

  /** Retired ones included. */
  get size(): number {
    return this.#table.size;
  }

  get(id: number): PeerClass | undefined {
    return this.#table.get(id);
  }

  retiredIds(): readonly number[] {
    return this.#table.retiredIds();
  }

  /** Classes in use whose pods declare the named port. */
  declaring(name: string): Iterable<PeerClass> {
    return this.#byName.get(name) ?? [];
  }

  ofPod(pods: TermSet, blocks: TermSet, numbers: NamedNumbers, numbersKey: string): PeerClass {
    const record = this.#table.acquire(`${pods.id}/${blocks.id}/${numbersKey}`, (base) => {
      this.#sets.acquire(pods);
      this.#sets.acquire(blocks);
      return { ...base, pods, blocks, numbers, unknown: false };
    });
    if (record === undefined) throw new RangeError('every number of a peer class is taken');
    return record;
  }

  ofPrefix(blocks: TermSet): PeerClass {
    return this.ofPod(this.#sets.empty, blocks, NO_NUMBERS, '');
  }

  /** Undefined: PEER_CLASS_UNKNOWN_POD, because no network says anything of the address. `blocks` are all that cover it. */
  ofUnknown(blocks: TermSet): PeerClass | undefined {
    const networks = blocks.terms.filter(({ peer }) => peer.kind === 'block' && peer.network);
    if (networks.length === 0) return undefined;
    const set = this.#sets.intern(networks);
    const pods = this.#sets.empty;
    const record = this.#table.acquire(`unknown/${set.id}`, (base) => {
      this.#sets.acquire(pods);
      this.#sets.acquire(set);
      return { ...base, pods, blocks: set, numbers: NO_NUMBERS, unknown: true };
    });
    if (record === undefined) throw new RangeError('every number of a peer class is taken');
    return record;
  }

  /** Classes in use of unknown pods. */
  *unknownClasses(): Generator<RowClass> {
    const { empty } = this.#sets;
    yield { id: PEER_CLASS_UNKNOWN_POD, pods: empty, blocks: empty, unknown: true, numbers: NO_NUMBERS };
    yield* this.#unknown;
  }

  release(record: PeerClass): void {
    this.#table.release(record);
  }

  /** Also brings the terms' own lists of classes, and the port terms in use, up to date. */
  settle(revision: number): Settled<PeerClass> {
    const settled = this.#table.settle(revision, (record) => this.#forgotten(record));
    for (const record of settled.gone) {
      this.#unknown.delete(record);
      for (const term of termsOf(record)) term.classes.delete(record);
      for (const [name, numbers] of record.numbers) {
        for (const number of numbers) this.#ports.disuse(namedPortTerm(name, number));
        const declaring = this.#byName.get(name);
        declaring?.delete(record);
        if (declaring?.size === 0) this.#byName.delete(name);
      }
    }
    for (const record of settled.born) {
      if (record.unknown) this.#unknown.add(record);
      for (const term of termsOf(record)) term.classes.add(record);
      for (const [name, numbers] of record.numbers) {
        for (const number of numbers) this.#ports.use(namedPortTerm(name, number));
        const declaring = this.#byName.get(name);
        if (declaring === undefined) this.#byName.set(name, new Set([record]));
        else declaring.add(record);
      }
    }
    return settled;
  }

  releaseIds(ids: Iterable<number>, revision: number): void {
    for (const record of this.#table.releaseIds(ids, revision)) this.#forgotten(record);
  }

  #forgotten(record: PeerClass): void {
    this.#sets.release(record.pods);
    this.#sets.release(record.blocks);
  }
}
