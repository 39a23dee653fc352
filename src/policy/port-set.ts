/**
 * Sets of (protocol, port) that compare, join and read well: what passes between two ends. A set is kept once, so equal
 * sets have one number, whichever tables they come from.
 *
 * All ports lie on one line: TCP 0-65535, UDP, SCTP, and one last place for what has no ports (ICMP and every other
 * protocol): no rule tells those apart (NP-52). A set is the ascending list of places where it begins and ends.
 */
import { PORT_MAX } from './port-term.ts';
import type { Protocol } from './model.ts';

/** Number of a set in its PortSets. */
export type PortSetId = number;

export const NO_PORTS_AT_ALL: PortSetId = 0;
export const EVERYTHING: PortSetId = 1;

/** Ports of one protocol; both ends inclusive. Protocol `other`: what has no ports. */
export interface PortInterval {
  readonly protocol: Protocol | 'other';
  readonly first: number;
  readonly last: number;
}

type Edges = readonly number[];

const PROTOCOLS: readonly Protocol[] = ['TCP', 'UDP', 'SCTP'];
const PER_PROTOCOL = PORT_MAX + 1;
/** The place of what has no ports. */
export const PORTLESS_PLACE: number = PROTOCOLS.length * PER_PROTOCOL;
const END = PORTLESS_PLACE + 1;
/** Sets whose intersections are kept in an array: the loop over all pairs of pods asks for little else. */
const DENSE = 1024;

/** `protocol` is port_protocol of bpf/abi.h. */
export function placeOf(protocol: number, port: number): number {
  return protocol * PER_PROTOCOL + port;
}

export class PortSets {
  readonly #edges: Edges[] = [[], [0, END]];
  readonly #ids = new Map<string, PortSetId>([
    ['', NO_PORTS_AT_ALL],
    [`0,${END}`, EVERYTHING],
  ]);
  readonly #both: PortSetId[][] = [];
  /** One more than the number; 0: not known yet. */
  readonly #bothDense = new Int32Array(DENSE * DENSE);
  readonly #either: PortSetId[][] = [];
  readonly #without: PortSetId[][] = [];

  /** The set of these edges, which must ascend strictly. */
  of(edges: Edges): PortSetId {
    const key = edges.join();
    const known = this.#ids.get(key);
    if (known !== undefined) return known;
    const id = this.#edges.length;
    this.#edges.push(edges);
    this.#ids.set(key, id);
    return id;
  }

  both(a: PortSetId, b: PortSetId): PortSetId {
    if (a === b || b === EVERYTHING) return a;
    if (a === EVERYTHING) return b;
    if (a < DENSE && b < DENSE) {
      const known = this.#bothDense[a * DENSE + b]!;
      return known > 0 ? known - 1 : this.#bothOf(a, b);
    }
    return this.#combine(this.#both, a, b, (inA, inB) => inA && inB);
  }

  either(a: PortSetId, b: PortSetId): PortSetId {
    if (a === b || b === NO_PORTS_AT_ALL) return a;
    if (a === NO_PORTS_AT_ALL) return b;
    return this.#combine(this.#either, a, b, (inA, inB) => inA || inB);
  }

  /** What is in `a` and not in `b`. */
  without(a: PortSetId, b: PortSetId): PortSetId {
    if (b === NO_PORTS_AT_ALL) return a;
    if (a === b || b === EVERYTHING) return NO_PORTS_AT_ALL;
    return this.#combine(this.#without, a, b, (inA, inB) => inA && !inB);
  }

  /** Whether the place (`placeOf`) is in the set. */
  has(id: PortSetId, place: number): boolean {
    const after = this.#edgesOf(id).findIndex((edge) => edge > place);
    return after > 0 && after % 2 === 1;
  }

  intervals(id: PortSetId): readonly PortInterval[] {
    const found: PortInterval[] = [];
    const edges = this.#edgesOf(id);
    for (let i = 0; i < edges.length; i += 2) found.push(...split(edges[i]!, edges[i + 1]! - 1));
    return found;
  }

  /** `TCP 80, 443; UDP 53`, `everything`, `nothing`, `everything but TCP 22`. */
  text(id: PortSetId): string {
    if (id === EVERYTHING) return 'everything';
    if (id === NO_PORTS_AT_ALL) return 'nothing';
    const text = intervalsText(this.intervals(id));
    const rest = this.without(EVERYTHING, id);
    const but = `everything but ${intervalsText(this.intervals(rest))}`;
    return this.has(id, PORTLESS_PLACE) && but.length < text.length ? but : text;
  }

  #bothOf(a: PortSetId, b: PortSetId): PortSetId {
    const id = this.of(merge(this.#edgesOf(a), this.#edgesOf(b), (inA, inB) => inA && inB));
    this.#bothDense[a * DENSE + b] = id + 1;
    return id;
  }

  #edgesOf(id: PortSetId): Edges {
    return this.#edges[id] ?? [];
  }

  #combine(
    cache: PortSetId[][],
    a: PortSetId,
    b: PortSetId,
    holds: (inA: boolean, inB: boolean) => boolean,
  ): PortSetId {
    const row = (cache[a] ??= []);
    return (row[b] ??= this.of(merge(this.#edgesOf(a), this.#edgesOf(b), holds)));
  }
}

/** Walks the edges of both; an edge of the result is where the answer turns. */
function merge(a: Edges, b: Edges, holds: (inA: boolean, inB: boolean) => boolean): Edges {
  const edges: number[] = [];
  let i = 0;
  let j = 0;
  let isIn = false;
  while (i < a.length || j < b.length) {
    const at = Math.min(a[i] ?? END, b[j] ?? END);
    if (a[i] === at) i += 1;
    if (b[j] === at) j += 1;
    const next = holds(i % 2 === 1, j % 2 === 1);
    if (next !== isIn) edges.push(at);
    isIn = next;
  }
  return edges;
}

/** One stretch of the line, cut where protocols meet. */
function split(first: number, last: number): readonly PortInterval[] {
  const parts: PortInterval[] = [];
  for (const [i, protocol] of PROTOCOLS.entries()) {
    const from = Math.max(first, placeOf(i, 0));
    const to = Math.min(last, placeOf(i, PORT_MAX));
    if (from <= to) parts.push({ protocol, first: from - placeOf(i, 0), last: to - placeOf(i, 0) });
  }
  if (last === PORTLESS_PLACE) parts.push({ protocol: 'other', first: 0, last: 0 });
  return parts;
}

function intervalsText(intervals: readonly PortInterval[]): string {
  const byProtocol = new Map<string, string[]>();
  for (const { protocol, first, last } of intervals) {
    const list = byProtocol.get(protocol) ?? [];
    byProtocol.set(protocol, list);
    if (protocol !== 'other' && (first > 0 || last < PORT_MAX))
      list.push(first === last ? `${first}` : `${first}-${last}`);
  }
  return Array.from(byProtocol, ([protocol, ports]) => {
    if (protocol === 'other') return 'ICMP and other protocols';
    return ports.length === 0 ? `all ${protocol}` : `${protocol} ${ports.join(', ')}`;
  }).join('; ');
}
