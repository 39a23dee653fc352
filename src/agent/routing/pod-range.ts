/** Whose podCIDRs are whose: of two that overlap one is refused, so that no address leads to two nodes. */
import { type Family, formatAddress } from '../../net/address.ts';
import { type Cidr, containsCidr, formatCidr, parseCidr } from '../../net/cidr.ts';
import type { Node } from '../../policy/model.ts';

export interface PodRange {
  readonly node: string;
  readonly cidr: Cidr;
  /** Canonical text. */
  readonly text: string;
  readonly family: Family;
  /** Its first address, which no pod gets. */
  readonly first: string;
}

export interface RangeConflict {
  readonly refused: PodRange;
  readonly other: PodRange;
}

/** The podCIDRs of all nodes. Of an overlapping pair that of the node whose name comes first stays: so on every node. */
export function assignRanges(nodes: Iterable<Node>): {
  readonly ranges: readonly PodRange[];
  readonly conflicts: readonly RangeConflict[];
} {
  const all = [...nodes].flatMap(rangesOf).toSorted(byPlace);
  const conflicts: RangeConflict[] = [];
  const kept = new Set<PodRange>();
  // Sorted by first address, wide before narrow: only the last that was kept can contain the next one.
  let outer: PodRange | undefined;
  for (const range of all) {
    if (outer !== undefined && containsCidr(outer.cidr, range.cidr)) {
      if (outer.node <= range.node) {
        conflicts.push({ refused: range, other: outer });
        continue;
      }
      kept.delete(outer);
      conflicts.push({ refused: outer, other: range });
    }
    outer = range;
    kept.add(range);
  }
  return { ranges: all.filter((range) => kept.has(range)), conflicts };
}

function rangesOf(node: Node): PodRange[] {
  return node.podCIDRs.flatMap((written) => {
    const cidr = parseCidr(written);
    if (cidr === undefined) return [];
    const { family, bytes } = cidr;
    return [{ node: node.name, cidr, text: formatCidr(cidr), family, first: formatAddress(bytes) }];
  });
}

function byPlace(a: PodRange, b: PodRange): number {
  return (
    a.family - b.family ||
    Buffer.compare(a.cidr.bytes, b.cidr.bytes) ||
    a.cidr.length - b.cidr.length ||
    (a.node < b.node ? -1 : 1)
  );
}
