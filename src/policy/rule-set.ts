/**
 * Rule sets in use and their rows. Rows are kept from one compile to the next: a new class adds a row to the rule sets
 * that have one of its terms, a new rule set walks the classes of its terms, and nothing else is looked at.
 */
import { ascending } from './ascending.ts';
import { termsOf, type ClassTable, type PeerClass, type RowClass } from './class-table.ts';
import { ContentTable, type ContentRecord, type Settled } from './content-table.ts';
import { RULE_SET_FIRST } from './ids.ts';
import { LineIndex } from './line-index.ts';
import type { PeerTerm, PeerTerms } from './peer-terms.ts';
import type { PortClasses } from './port-classes.ts';
import type { PortMask, PortMasks } from './port-masks.ts';
import { namedPortTerm, type NamedNumbers, type PortSpec } from './port-term.ts';
import { buildChunk, isSameChunk, joinChunks, NO_ROWS, rowsIn, type RowChunk } from './row-table.ts';
import type { RuleSetContent } from './rule-content.ts';
import type { RowTable } from './tables.ts';
import { widened } from './tier-line.ts';

/** Ids of rule sets are 32 bits wide. */
const RULE_SET_END = 2 ** 32;

/** What one term allows in one rule set. */
interface TermUse {
  readonly ports: PortSpec;
  /** Together with what everyone may; undefined where names make it differ from class to class. */
  readonly mask: PortMask | undefined;
}

const NO_USES: ReadonlyMap<PeerTerm, TermUse> = new Map();

export interface RuleSet extends ContentRecord {
  readonly content: RuleSetContent;
  /** Empty while it is not in use. */
  uses: ReadonlyMap<PeerTerm, TermUse>;
  /** Undefined without lines, and while it is not in use. */
  lines: LineIndex | undefined;
  /** Of PEER_CLASS_DEFAULT. */
  everyone: PortMask;
  /** By class id, those that differ from `everyone`. */
  readonly rows: Map<number, PortMask>;
  /** Rows as they were last written out. */
  chunk: RowChunk;
}

/** Rule sets whose rows changed, and all the rows they have. */
export interface RowChanges {
  /** Ascending. */
  readonly ruleSets: Uint32Array;
  readonly rows: RowTable;
}

export class RuleSets {
  readonly #terms: PeerTerms;
  readonly #ports: PortClasses;
  readonly #masks: PortMasks;
  readonly #classes: ClassTable;
  readonly #table: ContentTable<RuleSet>;
  readonly #live = new Set<RuleSet>();
  readonly #namingEveryone = new Set<RuleSet>();
  /** Those with lines. */
  readonly #tiered = new Set<RuleSet>();
  /** Rows are to be written out anew. */
  readonly #stale = new Set<RuleSet>();
  /** Written out otherwise by the last `settleRows`, or gone. */
  #changed: RuleSet[] = [];
  #rowCount = 0;

  constructor(
    parts: {
      readonly terms: PeerTerms;
      readonly ports: PortClasses;
      readonly masks: PortMasks;
      readonly classes: ClassTable;
    },
    reserved: Iterable<number>,
  ) {
    this.#terms = parts.terms;
    this.#ports = parts.ports;
    this.#masks = parts.masks;
    this.#classes = parts.classes;
    this.#table = new ContentTable({ first: RULE_SET_FIRST, end: RULE_SET_END, reserved });
  }

  /** Retired ones included. */
  get size(): number {
    return this.#table.size;
  }

  get(id: number): RuleSet | undefined {
    return this.#table.get(id);
  }

  retiredIds(): readonly number[] {
    return this.#table.retiredIds();
  }

  releaseIds(ids: Iterable<number>, revision: number): void {
    this.#table.releaseIds(ids, revision);
  }

  acquire(content: RuleSetContent): RuleSet {
    const everyone = this.#masks.none;
    const ruleSet = this.#table.acquire(content.key, (base) => ({
      ...base,
      content,
      uses: NO_USES,
      lines: undefined,
      everyone,
      rows: new Map(),
      chunk: NO_ROWS,
    }));
    if (ruleSet === undefined) throw new RangeError('every number of a rule set is taken');
    return ruleSet;
  }

  release(ruleSet: RuleSet): void {
    this.#table.release(ruleSet);
  }

  /** First half, before terms are settled: says which terms and ports are in use. Returns the new ones. */
  settle(revision: number): readonly RuleSet[] {
    const { born, gone } = this.#table.settle(revision);
    for (const ruleSet of gone) {
      this.#live.delete(ruleSet);
      this.#namingEveryone.delete(ruleSet);
      this.#tiered.delete(ruleSet);
      this.#terms.disuse(ruleSet, ruleSet.content);
      forEachPortTerm(ruleSet.content, (term) => this.#ports.disuse(term));
      ruleSet.uses = NO_USES;
      ruleSet.lines = undefined;
      ruleSet.rows.clear();
      this.#stale.add(ruleSet);
    }
    for (const ruleSet of born) {
      const { content } = ruleSet;
      this.#live.add(ruleSet);
      this.#stale.add(ruleSet);
      if (content.everyone.names.length > 0) this.#namingEveryone.add(ruleSet);
      const terms = this.#terms.use(ruleSet, content);
      forEachPortTerm(content, (term) => this.#ports.use(term));
      if (content.lines.length > 0) {
        ruleSet.lines = new LineIndex(content.lines, terms.slice(content.entries.length));
        this.#tiered.add(ruleSet);
      }
      ruleSet.everyone = this.#tieredMask(ruleSet, undefined, this.#maskOf(content.everyone, []));
      const uses = new Map<PeerTerm, TermUse>();
      for (const [i, { ports }] of content.entries.entries())
        uses.set(terms[i]!, { ports, mask: this.#sharedMask(content, ports) });
      ruleSet.uses = uses;
    }
    return born;
  }

  /** Second half, once classes and masks are settled. `born` as `settle` gave it. */
  settleRows(born: readonly RuleSet[], classes: Settled<PeerClass>): void {
    for (const peerClass of classes.gone) for (const ruleSet of this.#live) this.#dropRow(ruleSet, peerClass);
    for (const peerClass of classes.born)
      for (const ruleSet of this.#concerned(peerClass)) this.#setRow(ruleSet, peerClass);
    for (const ruleSet of born) {
      for (const term of termsIn(ruleSet)) for (const peerClass of term.classes) this.#setRow(ruleSet, peerClass);
      if (ruleSet.lines !== undefined) {
        for (const peerClass of this.#classes.unknownClasses()) this.#setRow(ruleSet, peerClass);
      }
      for (const name of ruleSet.content.everyone.names) {
        for (const peerClass of this.#classes.declaring(name)) this.#setRow(ruleSet, peerClass);
      }
    }
    this.#masks.sweep(() => this.#masksInUse());
    this.#settleChunks();
  }

  /** The bits of masks changed. */
  invalidateRows(): void {
    for (const ruleSet of this.#live) this.#stale.add(ruleSet);
  }

  /** Rows in use. */
  get rowCount(): number {
    return this.#rowCount;
  }

  rowTable(): RowTable {
    return joinChunks([...this.#live].sort(byId));
  }

  /** What the last `settleRows` changed. */
  rowChanges(): RowChanges {
    const sets = this.#changed.sort(byId);
    return { ruleSets: Uint32Array.from(sets, ({ id }) => id), rows: joinChunks(sets) };
  }

  #settleChunks(): void {
    this.#changed = [];
    for (const ruleSet of this.#stale) {
      const chunk = this.#live.has(ruleSet) ? buildChunk(ruleSet.everyone, ruleSet.rows, this.#masks) : NO_ROWS;
      if (isSameChunk(chunk, ruleSet.chunk)) continue;
      this.#rowCount += rowsIn(chunk) - rowsIn(ruleSet.chunk);
      ruleSet.chunk = chunk;
      this.#changed.push(ruleSet);
    }
    this.#stale.clear();
  }

  #concerned(peerClass: PeerClass): ReadonlySet<RuleSet> {
    const concerned = new Set<RuleSet>();
    for (const term of termsOf(peerClass)) for (const ruleSet of term.ruleSets) concerned.add(ruleSet);
    if (peerClass.unknown) for (const ruleSet of this.#tiered) concerned.add(ruleSet);
    if (peerClass.numbers.size > 0) for (const ruleSet of this.#namingEveryone) concerned.add(ruleSet);
    return concerned;
  }

  #dropRow(ruleSet: RuleSet, peerClass: RowClass): void {
    if (ruleSet.rows.delete(peerClass.id)) this.#stale.add(ruleSet);
  }

  #setRow(ruleSet: RuleSet, peerClass: RowClass): void {
    const mask = this.#tieredMask(ruleSet, peerClass, this.#rowMask(ruleSet, peerClass));
    if (mask === ruleSet.everyone) {
      this.#dropRow(ruleSet, peerClass);
      return;
    }
    ruleSet.rows.set(peerClass.id, mask);
    this.#stale.add(ruleSet);
  }

  /** What the NetworkPolicies allow the class. */
  #rowMask(ruleSet: RuleSet, peerClass: RowClass): PortMask {
    const { everyone } = ruleSet.content;
    let only: TermUse | undefined;
    let more: TermUse[] | undefined;
    for (const term of termsOf(peerClass)) {
      const use = ruleSet.uses.get(term);
      if (use === undefined) continue;
      if (only === undefined) only = use;
      else (more ??= [only]).push(use);
    }
    if (more === undefined && only?.mask !== undefined) return only.mask;
    const uses = more ?? (only === undefined ? [] : [only]);
    const specs = [everyone, ...uses.map(({ ports }) => ports)];
    return this.#maskOf(unionOf(specs), resolved(specs, peerClass.numbers));
  }

  /** `behind`, with the lines evaluated first. Undefined class: one that matches no term. */
  #tieredMask({ lines }: RuleSet, peerClass: RowClass | undefined, behind: PortMask): PortMask {
    return lines === undefined ? behind : this.#masks.tiered(lines.layersFor(peerClass), behind);
  }

  #sharedMask(content: RuleSetContent, ports: PortSpec): PortMask | undefined {
    if (content.everyone.names.length > 0 || ports.names.length > 0) return undefined;
    // Alone it is in order already.
    const { everyone } = content;
    if (!everyone.all && everyone.terms.length === 0) return ports.all ? this.#masks.all : this.#masks.of(ports.terms);
    return this.#maskOf(unionOf([everyone, ports]), []);
  }

  #maskOf(ports: Pick<PortSpec, 'all' | 'terms'>, more: readonly number[]): PortMask {
    if (ports.all) return this.#masks.all;
    return this.#masks.of(ascending([...ports.terms, ...more]));
  }

  #masksInUse(): ReadonlySet<PortMask> {
    const used = new Set<PortMask>();
    for (const ruleSet of this.#live) {
      used.add(ruleSet.everyone);
      for (const use of ruleSet.uses.values()) if (use.mask !== undefined) used.add(use.mask);
      for (const mask of ruleSet.rows.values()) used.add(mask);
    }
    return used;
  }
}

function byId(a: RuleSet, b: RuleSet): number {
  return a.id - b.id;
}

function* termsIn({ uses, lines }: RuleSet): Generator<PeerTerm> {
  yield* uses.keys();
  if (lines !== undefined) yield* lines.terms();
}

function forEachPortTerm({ everyone, entries, lines }: RuleSetContent, found: (term: number) => void): void {
  for (const term of everyone.terms) found(term);
  for (const { ports } of entries) for (const term of ports.terms) found(term);
  for (const { action, ports } of lines)
    for (const term of (action === 'Deny' ? widened(ports) : ports).terms) found(term);
}

function unionOf(specs: readonly PortSpec[]): Pick<PortSpec, 'all' | 'terms'> {
  return { all: specs.some(({ all }) => all), terms: specs.flatMap(({ terms }) => terms) };
}

/** Each class its own numbers, and nothing for a name it does not declare (NP-46, NP-47). */
function resolved(specs: readonly PortSpec[], numbers: NamedNumbers): readonly number[] {
  const terms: number[] = [];
  for (const { names } of specs) {
    for (const name of names) for (const number of numbers.get(name) ?? []) terms.push(namedPortTerm(name, number));
  }
  return terms;
}
