/**
 * The rows of the tables as sets of ports: what a rule set lets through to or from a class, in one look-up. Read from the
 * tables alone, as the datapath reads them; a row that is not stored is the default class's.
 */
import {
  PEER_CLASS_DEFAULT,
  PORT_CLASS_OTHER,
  PORT_CLASSES_PER_BLOCK,
  ROW_BYTES,
  RULE_SET_CLOSED,
  RULE_SET_OPEN,
} from './ids.ts';
import { EVERYTHING, NO_PORTS_AT_ALL, placeOf, PORTLESS_PLACE, type PortSetId, type PortSets } from './port-set.ts';
import type { VerdictTables } from './tables.ts';

/** What one rule set lets through. */
export interface RuleSetPorts {
  readonly everyone: PortSetId;
  /** Classes that it treats otherwise. */
  readonly byClass: ReadonlyMap<number, PortSetId>;
}

const NOBODY: ReadonlyMap<number, PortSetId> = new Map();
const OPEN: RuleSetPorts = { everyone: EVERYTHING, byClass: NOBODY };
const NOTHING: RuleSetPorts = { everyone: NO_PORTS_AT_ALL, byClass: NOBODY };

export class RowPorts {
  readonly #tables: VerdictTables;
  readonly #sets: PortSets;
  readonly #byRuleSet = new Map<number, RuleSetPorts>();
  /** By a hash of the rows: rule sets are many, and most let one of few sets of ports through. */
  readonly #known = new Map<number, readonly { readonly rows: readonly number[]; readonly ports: PortSetId }[]>();

  constructor(tables: VerdictTables, sets: PortSets) {
    this.#tables = tables;
    this.#sets = sets;
    this.#read();
  }

  portsOf(ruleSet: number, peerClass: number): PortSetId {
    const { everyone, byClass } = this.lineOf(ruleSet);
    return byClass.get(peerClass) ?? everyone;
  }

  /** All of one rule set, for whoever asks for many classes. */
  lineOf(ruleSet: number): RuleSetPorts {
    if (ruleSet === RULE_SET_OPEN) return OPEN;
    if (ruleSet === RULE_SET_CLOSED) return NOTHING;
    return this.#byRuleSet.get(ruleSet) ?? NOTHING;
  }

  #read(): void {
    const { ruleSet, peerClass } = this.#tables.rows;
    let at = 0;
    const own: number[] = [];
    while (at < ruleSet.length) {
      const id = ruleSet[at]!;
      // The default class has the smallest number, so its rows come first.
      const ownDefault: number[] = [];
      while (ruleSet[at] === id && peerClass[at] === PEER_CLASS_DEFAULT) ownDefault.push(at++);
      const everyone = this.#portsOfRows(ownDefault);
      const byClass = new Map<number, PortSetId>();
      while (ruleSet[at] === id) {
        const current = peerClass[at]!;
        own.length = 0;
        while (ruleSet[at] === id && peerClass[at] === current) own.push(at++);
        const ports = this.#portsOfRows(this.#overlay(ownDefault, own));
        if (ports !== everyone) byClass.set(current, ports);
      }
      this.#byRuleSet.set(id, { everyone, byClass });
    }
  }

  /** Its own rows, and the default's for blocks that it has none of. */
  #overlay(defaults: readonly number[], own: readonly number[]): readonly number[] {
    const { block } = this.#tables.rows;
    // The common case first: it comes by the hundred thousand.
    if (defaults.length === 0) return own;
    if (defaults.length === 1 && own.length === 1 && block[own[0]!] === block[defaults[0]!]) return own;
    if (defaults.every((row) => own.some((other) => block[other] === block[row]))) return own;
    const rest = defaults.filter((row) => !own.some((other) => block[other] === block[row]));
    return [...own, ...rest].sort((a, b) => block[a]! - block[b]!);
  }

  /** `rows` in the order of their blocks. */
  #portsOfRows(rows: readonly number[]): PortSetId {
    const { block, allow } = this.#tables.rows;
    let hash = 0;
    for (const row of rows) {
      hash = (Math.imul(hash, 31) + block[row]!) | 0;
      for (let i = row * ROW_BYTES; i < (row + 1) * ROW_BYTES; i++) hash = (Math.imul(hash, 31) + allow[i]!) | 0;
    }
    const alike = this.#known.get(hash) ?? [];
    const known = alike.find((other) => this.#saySame(other.rows, rows));
    if (known !== undefined) return known.ports;
    const ports = this.#decode(rows);
    this.#known.set(hash, [...alike, { rows: [...rows], ports }]);
    return ports;
  }

  #saySame(a: readonly number[], b: readonly number[]): boolean {
    if (a.length !== b.length) return false;
    const { block, allow } = this.#tables.rows;
    for (let i = 0; i < a.length; i++) {
      if (block[a[i]!] !== block[b[i]!]) return false;
      const [left, right] = [a[i]! * ROW_BYTES, b[i]! * ROW_BYTES];
      for (let byte = 0; byte < ROW_BYTES; byte++) if (allow[left + byte] !== allow[right + byte]) return false;
    }
    return true;
  }

  #decode(rows: readonly number[]): PortSetId {
    const { block, allow } = this.#tables.rows;
    const rowOf = new Map(rows.map((row) => [block[row]!, row]));
    const isSet = (portClass: number): boolean => {
      const row = rowOf.get(Math.floor(portClass / PORT_CLASSES_PER_BLOCK));
      if (row === undefined) return false;
      const bit = portClass % PORT_CLASSES_PER_BLOCK;
      return (allow[row * ROW_BYTES + (bit >> 3)]! & (1 << (bit & 7))) !== 0;
    };
    const edges: number[] = [];
    let isIn = false;
    const turn = (place: number, next: boolean): void => {
      if (next !== isIn) edges.push(place);
      isIn = next;
    };
    const { protocol, first, portClass } = this.#tables.ports;
    for (const [i, id] of portClass.entries()) turn(placeOf(protocol[i]!, first[i]!), isSet(id));
    turn(PORTLESS_PLACE, isSet(PORT_CLASS_OTHER));
    turn(PORTLESS_PLACE + 1, false);
    return this.#sets.of(edges);
  }
}
