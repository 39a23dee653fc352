/**
 * The prefix table, and the block terms behind it. Addresses of pods have entries of their own; a prefix answers for all
 * others. Inside a podCIDR nothing but the class unknown pod is known, whatever ipBlocks lie over or in it; networks of
 * ClusterNetworkPolicies, which deny what might be in them, make more such classes.
 */
import type { Cidr } from '../net/cidr.ts';
import type { ClassTable, PeerClass } from './class-table.ts';
import { PEER_CLASS_UNKNOWN_POD, PEER_CLASS_WORLD, PREFIX_KEY_BYTES } from './ids.ts';
import type { PeerTerm } from './peer-terms.ts';
import { lookUpBlocks, walkPrefixes, type BlockIntervals, type PrefixNode } from './prefix-walk.ts';
import type { PrefixTable } from './tables.ts';
import type { TermSet, TermSets } from './term-set.ts';

interface PrefixEntry {
  readonly cidr: Cidr;
  readonly classId: number;
}

export class Prefixes {
  readonly #sets: TermSets;
  readonly #classes: ClassTable;
  #intervals: BlockIntervals;
  #held: readonly PeerClass[] = [];
  #table: PrefixTable = { keys: new Uint8Array(0), classes: new Uint32Array(0) };

  constructor(sets: TermSets, classes: ClassTable) {
    this.#sets = sets;
    this.#classes = classes;
    this.#intervals = walkPrefixes([], [], sets).intervals;
    for (const set of this.#intervals.sets) sets.acquire(set);
  }

  /** Block terms that cover the address; its arrow form can be passed on. */
  readonly lookUp = (key: string): TermSet => lookUpBlocks(this.#intervals, key);

  /** Cuts anew. Old and new hold their sets at one time, so a set that stays is the same object. */
  rebuild(terms: Iterable<PeerTerm>, podCidrs: Iterable<Cidr>): void {
    const walk = walkPrefixes(terms, podCidrs, this.#sets);
    for (const set of walk.intervals.sets) this.#sets.acquire(set);
    for (const set of this.#intervals.sets) this.#sets.release(set);
    this.#intervals = walk.intervals;
    const held: PeerClass[] = [];
    const entries = this.#entries(walk.nodes, held);
    for (const peerClass of this.#held) this.#classes.release(peerClass);
    this.#held = held;
    this.#table = encode(entries);
  }

  table(): PrefixTable {
    return { keys: this.#table.keys.slice(), classes: this.#table.classes.slice() };
  }

  /** A prefix whose class is that of the one around it says nothing new. */
  #entries(nodes: readonly PrefixNode[], held: PeerClass[]): PrefixEntry[] {
    const ids = new Map<PrefixNode, number>();
    const entries: PrefixEntry[] = [];
    for (const node of nodes) {
      let classId = PEER_CLASS_WORLD;
      if (node.unknownPod) {
        const peerClass = this.#classes.ofUnknown(node.blocks);
        if (peerClass !== undefined) held.push(peerClass);
        classId = peerClass?.id ?? PEER_CLASS_UNKNOWN_POD;
      } else if (node.blocks !== this.#sets.empty) {
        const peerClass = this.#classes.ofPrefix(node.blocks);
        held.push(peerClass);
        classId = peerClass.id;
      }
      ids.set(node, classId);
      const around = node.around === undefined ? PEER_CLASS_WORLD : ids.get(node.around);
      if (classId !== around) entries.push({ cidr: node.cidr, classId });
    }
    return entries;
  }
}

/** Sorted by key: family, length, address. The walk's order is by address, so a stable sort by the rest is enough. */
function encode(entries: PrefixEntry[]): PrefixTable {
  entries.sort((a, b) => a.cidr.family - b.cidr.family || a.cidr.length - b.cidr.length);
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
