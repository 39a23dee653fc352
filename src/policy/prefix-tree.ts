/**
 * Overlapping blocks with holes, cut into disjoint pieces: every distinct prefix (cidrs and excepts of the block terms in
 * use, podCIDRs) with the set of block terms that cover the addresses of which it is the longest prefix. A change is worked
 * off in the prefixes that lie within it and nowhere else: what covers the others is what it was.
 */
import { formatCidr, type Cidr } from '../net/cidr.ts';
import { behindKey, firstKey } from './address-key.ts';
import type { PeerTerm } from './peer-terms.ts';
import type { TermSet, TermSets } from './term-set.ts';

/** One distinct prefix. */
export interface PrefixNode {
  readonly cidr: Cidr;
  /** Key of its first address, and of the first one behind it. */
  readonly first: string;
  readonly behind: string;
  readonly begins: Set<PeerTerm>;
  readonly ends: Set<PeerTerm>;
  podCidr: boolean;
  /** Kept counted; undefined before the first walk. */
  blocks: TermSet | undefined;
  /** Inside a podCIDR or one itself: an address without an entry of its own is an unknown pod. */
  unknownPod: boolean;
  /** The longest prefix around it. */
  around: PrefixNode | undefined;
}

export interface TreeChange<N> {
  /** Those whose answer may have changed, outer before inner. */
  readonly walked: readonly N[];
  readonly gone: readonly N[];
}

/** Beyond this many new or dead prefixes the list is made anew instead of being moved for each. */
const FEW = 16;

export class PrefixTree<N extends PrefixNode> {
  readonly #sets: TermSets;
  readonly #make: (node: PrefixNode) => N;
  readonly #byText = new Map<string, N>();
  /** In the order of addresses, outer before inner. */
  #sorted: N[] = [];
  readonly #touched = new Set<N>();

  constructor(sets: TermSets, make: (node: PrefixNode) => N) {
    this.#sets = sets;
    this.#make = make;
  }

  addTerm(term: PeerTerm): void {
    if (term.peer.kind !== 'block') return;
    this.#touch(term.peer.cidr).begins.add(term);
    for (const except of term.peer.excepts) this.#touch(except).ends.add(term);
  }

  removeTerm(term: PeerTerm): void {
    if (term.peer.kind !== 'block') return;
    this.#touch(term.peer.cidr).begins.delete(term);
    for (const except of term.peer.excepts) this.#touch(except).ends.delete(term);
  }

  setPodCidr(cidr: Cidr, podCidr: boolean): void {
    this.#touch(cidr).podCidr = podCidr;
  }

  /** Block terms that cover the address. */
  lookUp(key: string): TermSet {
    let node: PrefixNode | undefined = this.#sorted[this.#lowerBound(key, Infinity) - 1];
    while (node !== undefined && key >= node.behind) node = node.around;
    return node?.blocks ?? this.#sets.empty;
  }

  /** Brings every node up to date. */
  settle(): TreeChange<N> {
    const touched = [...this.#touched].sort(inOrder);
    this.#touched.clear();
    const gone = touched.filter(isVoid);
    const born = touched.filter((node) => node.blocks === undefined && !isVoid(node));
    this.#reshape(born, gone);
    const walked: N[] = [];
    let done = '';
    for (const node of touched) {
      if (node.behind <= done) continue;
      done = node.behind;
      this.#walk(node, walked);
    }
    for (const node of gone) if (node.blocks !== undefined) this.#sets.release(node.blocks);
    return { walked, gone };
  }

  #touch(cidr: Cidr): N {
    const text = formatCidr(cidr);
    let node = this.#byText.get(text);
    if (node === undefined) {
      const first = firstKey(cidr);
      node = this.#make({
        cidr,
        first,
        behind: behindKey(cidr) ?? String.fromCharCode(cidr.family + 1),
        begins: new Set(),
        ends: new Set(),
        podCidr: false,
        blocks: undefined,
        unknownPod: false,
        around: undefined,
      });
      this.#byText.set(text, node);
    }
    this.#touched.add(node);
    return node;
  }

  #reshape(born: readonly N[], gone: readonly N[]): void {
    for (const node of gone) this.#byText.delete(formatCidr(node.cidr));
    if (born.length + gone.length > FEW) {
      this.#sorted = this.#sorted.filter((node) => !isVoid(node));
      this.#sorted.push(...born);
      this.#sorted.sort(inOrder);
      return;
    }
    for (const node of gone) {
      const at = this.#lowerBound(node.first, node.cidr.length);
      if (this.#sorted[at] === node) this.#sorted.splice(at, 1);
    }
    for (const node of born) this.#sorted.splice(this.#lowerBound(node.first, node.cidr.length), 0, node);
  }

  /** Every node within this one, itself included unless it is gone. */
  #walk(within: N, walked: N[]): void {
    const start = this.#lowerBound(within.first, within.cidr.length);
    let around: PrefixNode | undefined = this.#sorted[start - 1];
    for (let at = start; at < this.#sorted.length && this.#sorted[at]!.first < within.behind; at++) {
      const node = this.#sorted[at]!;
      while (around !== undefined && node.first >= around.behind) around = around.around;
      const old = node.blocks;
      node.around = around;
      node.blocks = this.#sets.acquire(this.#coverOf(around?.blocks ?? this.#sets.empty, node));
      node.unknownPod = node.podCidr || around?.unknownPod === true;
      if (old !== undefined) this.#sets.release(old);
      walked.push(node);
      around = node;
    }
  }

  #coverOf(around: TermSet, node: PrefixNode): TermSet {
    if (node.begins.size === 0 && node.ends.size === 0) return around;
    const kept = around.terms.filter((term) => !node.ends.has(term));
    return this.#sets.intern([...kept, ...node.begins]);
  }

  #lowerBound(first: string, length: number): number {
    let low = 0;
    let high = this.#sorted.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const node = this.#sorted[middle]!;
      if (node.first < first || (node.first === first && node.cidr.length < length)) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

function isVoid({ begins, ends, podCidr }: PrefixNode): boolean {
  return begins.size === 0 && ends.size === 0 && !podCidr;
}

function inOrder(a: PrefixNode, b: PrefixNode): number {
  if (a.first !== b.first) return a.first < b.first ? -1 : 1;
  return a.cidr.length - b.cidr.length;
}
