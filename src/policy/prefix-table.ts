/**
 * The prefix table, and the block terms behind it. Addresses of pods have entries of their own; a prefix answers for all
 * others. Inside a podCIDR nothing but the class unknown pod is known, whatever ipBlocks lie over or in it; networks of
 * ClusterNetworkPolicies, which deny what might be in them, make more such classes.
 */
import { formatCidr, type Cidr } from '../net/cidr.ts';
import type { ClassTable, PeerClass } from './class-table.ts';
import { PEER_CLASS_NONE, PEER_CLASS_UNKNOWN_POD, PEER_CLASS_WORLD, PREFIX_KEY_BYTES } from './ids.ts';
import type { TermChange } from './peer-terms.ts';
import { PrefixTree, type PrefixNode } from './prefix-tree.ts';
import type { PrefixTable } from './tables.ts';
import type { TermSet, TermSets } from './term-set.ts';

interface ClassedNode extends PrefixNode {
  /** Kept counted; undefined while classId is one of the fixed numbers. */
  peerClass: PeerClass | undefined;
  classId: number;
  /** Has an entry: its class is not that of the prefix around it. */
  listed: boolean;
}

interface PrefixEntry {
  readonly cidr: Cidr;
  readonly classId: number;
}

export class Prefixes {
  readonly #sets: TermSets;
  readonly #classes: ClassTable;
  readonly #tree: PrefixTree<ClassedNode>;
  readonly #listed = new Set<ClassedNode>();
  #podCidrs: ReadonlyMap<string, Cidr> = new Map();
  /** By the last `settle`; PEER_CLASS_NONE: gone. */
  #changed: PrefixEntry[] = [];

  constructor(sets: TermSets, classes: ClassTable) {
    this.#sets = sets;
    this.#classes = classes;
    const unclassed = { peerClass: undefined, classId: PEER_CLASS_NONE, listed: false };
    this.#tree = new PrefixTree(sets, (node) => ({ ...node, ...unclassed }));
  }

  /** Block terms that cover the address; its arrow form can be passed on. */
  readonly lookUp = (key: string): TermSet => this.#tree.lookUp(key);

  /** Entries of the table. */
  get size(): number {
    return this.#listed.size;
  }

  /** Undefined podCIDRs: as they were. */
  settle({ added, gone }: Pick<TermChange, 'added' | 'gone'>, podCidrs: Iterable<Cidr> | undefined): void {
    for (const term of gone) this.#tree.removeTerm(term);
    for (const term of added) this.#tree.addTerm(term);
    if (podCidrs !== undefined) this.#setPodCidrs(podCidrs);
    this.#changed = [];
    const change = this.#tree.settle();
    for (const node of change.walked) this.#judge(node);
    for (const node of change.gone) this.#drop(node);
  }

  #setPodCidrs(podCidrs: Iterable<Cidr>): void {
    const wanted = new Map(Array.from(podCidrs, (cidr) => [formatCidr(cidr), cidr]));
    for (const [text, cidr] of this.#podCidrs) if (!wanted.has(text)) this.#tree.setPodCidr(cidr, false);
    for (const [text, cidr] of wanted) if (!this.#podCidrs.has(text)) this.#tree.setPodCidr(cidr, true);
    this.#podCidrs = wanted;
  }

  table(): PrefixTable {
    return encode([...this.#listed]);
  }

  /** Entries that the last `settle` made, changed or took away; the latter have PEER_CLASS_NONE. */
  changes(): PrefixTable {
    return encode(this.#changed);
  }

  /** A prefix whose class is that of the one around it says nothing new. Those around it were judged before. */
  #judge(node: ClassedNode): void {
    const { peerClass: before, classId, listed } = node;
    this.#setClass(node);
    if (before !== undefined) this.#classes.release(before);
    const around = node.around as ClassedNode | undefined;
    node.listed = node.classId !== (around?.classId ?? PEER_CLASS_WORLD);
    if (node.listed) this.#listed.add(node);
    else this.#listed.delete(node);
    if (node.listed && (!listed || node.classId !== classId)) this.#changed.push({ ...node });
    if (listed && !node.listed) this.#changed.push({ cidr: node.cidr, classId: PEER_CLASS_NONE });
  }

  #setClass(node: ClassedNode): void {
    const blocks = node.blocks ?? this.#sets.empty;
    if (node.unknownPod) node.peerClass = this.#classes.ofUnknown(blocks);
    else node.peerClass = blocks === this.#sets.empty ? undefined : this.#classes.ofPrefix(blocks);
    node.classId = node.peerClass?.id ?? (node.unknownPod ? PEER_CLASS_UNKNOWN_POD : PEER_CLASS_WORLD);
  }

  #drop(node: ClassedNode): void {
    if (node.peerClass !== undefined) this.#classes.release(node.peerClass);
    if (this.#listed.delete(node)) this.#changed.push({ cidr: node.cidr, classId: PEER_CLASS_NONE });
  }
}

/** Sorted by key: family, length, address. */
function encode(entries: PrefixEntry[]): PrefixTable {
  entries.sort((a, b) => a.cidr.family - b.cidr.family || a.cidr.length - b.cidr.length || inBytes(a.cidr, b.cidr));
  const keys = new Uint8Array(entries.length * PREFIX_KEY_BYTES);
  const classes = new Uint32Array(entries.length);
  for (const [i, { cidr, classId }] of entries.entries()) {
    keys[i * PREFIX_KEY_BYTES] = cidr.family;
    keys[i * PREFIX_KEY_BYTES + 1] = cidr.length;
    keys.set(cidr.bytes, i * PREFIX_KEY_BYTES + 2);
    classes[i] = classId;
  }
  return { keys, classes };
}

function inBytes(a: Cidr, b: Cidr): number {
  for (const [i, byte] of a.bytes.entries()) if (byte !== b.bytes[i]) return byte - b.bytes[i]!;
  return 0;
}
