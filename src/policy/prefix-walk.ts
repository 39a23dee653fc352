/**
 * Overlapping blocks with holes, cut into disjoint pieces. One walk over the sorted prefixes (cidrs and excepts of the
 * block terms in use, podCIDRs) gives, for each, the set of block terms that cover the addresses of which it is the
 * longest prefix, and the same as intervals in which an address can be looked up.
 */
import { formatCidr, containsCidr, type Cidr } from '../net/cidr.ts';
import { addressKey, behindKey, firstKey } from './address-key.ts';
import type { PeerTerm } from './peer-terms.ts';
import type { TermSet, TermSets } from './term-set.ts';

/** One distinct prefix. */
export interface PrefixNode {
  readonly cidr: Cidr;
  readonly blocks: TermSet;
  /** Inside a podCIDR or one itself: an address without an entry of its own is an unknown pod. */
  readonly unknownPod: boolean;
  /** The longest prefix around it. */
  readonly around: PrefixNode | undefined;
}

/** Sorted starts; each interval reaches to the next start. */
export interface BlockIntervals {
  readonly starts: readonly string[];
  readonly sets: readonly TermSet[];
}

export interface PrefixWalk {
  readonly nodes: readonly PrefixNode[];
  readonly intervals: BlockIntervals;
}

interface Mark {
  readonly cidr: Cidr;
  readonly begins: Set<PeerTerm>;
  readonly ends: Set<PeerTerm>;
  podCidr: boolean;
}

export function walkPrefixes(terms: Iterable<PeerTerm>, podCidrs: Iterable<Cidr>, sets: TermSets): PrefixWalk {
  const marks = markPrefixes(terms, podCidrs);
  const nodes: PrefixNode[] = [];
  const intervals = new IntervalList(sets.empty);
  const stack: PrefixNode[] = [];
  for (const mark of marks) {
    while (stack.length > 0 && !containsCidr(stack.at(-1)!.cidr, mark.cidr)) intervals.leave(stack.pop()!);
    const around = stack.at(-1);
    const node: PrefixNode = {
      cidr: mark.cidr,
      blocks: coverOf(around?.blocks ?? sets.empty, mark, sets),
      unknownPod: mark.podCidr || around?.unknownPod === true,
      around,
    };
    intervals.enter(node);
    nodes.push(node);
    stack.push(node);
  }
  while (stack.length > 0) intervals.leave(stack.pop()!);
  return { nodes, intervals: intervals.done() };
}

/** Intervals in the order the walk meets them: each begins where a prefix begins, or where one ended. */
class IntervalList {
  readonly #starts: string[] = [];
  readonly #sets: TermSet[] = [];
  readonly #empty: TermSet;

  constructor(empty: TermSet) {
    this.#empty = empty;
    this.#begin(familyStart(4), empty);
  }

  enter(node: PrefixNode): void {
    if (node.cidr.family === 6) this.#beginFamily6();
    this.#begin(firstKey(node.cidr), node.blocks);
  }

  leave(node: PrefixNode): void {
    const behind = behindKey(node.cidr);
    if (behind !== undefined) this.#begin(behind, node.around?.blocks ?? this.#empty);
  }

  done(): BlockIntervals {
    this.#beginFamily6();
    return { starts: this.#starts, sets: this.#sets };
  }

  /** No prefix of one family reaches into the other (NP-62). */
  #beginFamily6(): void {
    const start = familyStart(6);
    if (this.#starts.at(-1)! < start) this.#begin(start, this.#empty);
  }

  /** Where two begin at one address, the later one is the inner, or what is left behind both. */
  #begin(start: string, set: TermSet): void {
    if (this.#starts.at(-1) === start) this.#sets[this.#sets.length - 1] = set;
    else {
      this.#starts.push(start);
      this.#sets.push(set);
    }
  }
}

/** Block terms that cover the address. */
export function lookUpBlocks({ starts, sets }: BlockIntervals, key: string): TermSet {
  let low = 0;
  let high = starts.length;
  while (high - low > 1) {
    const middle = (low + high) >>> 1;
    if (starts[middle]! <= key) low = middle;
    else high = middle;
  }
  return sets[low]!;
}

/** Distinct prefixes, outer before inner, in the order of addresses. */
function markPrefixes(terms: Iterable<PeerTerm>, podCidrs: Iterable<Cidr>): Mark[] {
  const marks = new Map<string, Mark>();
  const markOf = (cidr: Cidr): Mark => {
    const text = formatCidr(cidr);
    let mark = marks.get(text);
    if (mark === undefined) {
      mark = { cidr, begins: new Set(), ends: new Set(), podCidr: false };
      marks.set(text, mark);
    }
    return mark;
  };
  for (const term of terms) {
    if (term.peer.kind !== 'block') continue;
    markOf(term.peer.cidr).begins.add(term);
    for (const except of term.peer.excepts) markOf(except).ends.add(term);
  }
  for (const cidr of podCidrs) markOf(cidr).podCidr = true;
  const keyed = [...marks.values()].map((mark) => ({ mark, key: firstKey(mark.cidr) }));
  keyed.sort((a, b) => {
    if (a.key !== b.key) return a.key < b.key ? -1 : 1;
    return a.mark.cidr.length - b.mark.cidr.length;
  });
  return keyed.map(({ mark }) => mark);
}

function coverOf(around: TermSet, mark: Mark, sets: TermSets): TermSet {
  if (mark.begins.size === 0 && mark.ends.size === 0) return around;
  const kept = around.terms.filter((term) => !mark.ends.has(term));
  return sets.intern([...kept, ...mark.begins]);
}

function familyStart(family: 4 | 6): string {
  return addressKey({ family, bytes: new Uint8Array(family === 4 ? 4 : 16) });
}
