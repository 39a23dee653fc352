/** How many peers each endpoint would have to list, in a layout in which every endpoint has a peer table of its own. */
import type { VerdictTables } from '../../src/policy/tables.ts';
import { PEER_CLASS_DEFAULT } from '../../src/policy/ids.ts';

export interface PeerCount {
  readonly addresses: number;
  readonly prefixes: number;
}

/**
 * Entries of one endpoint, both directions: every peer that has a row of its own in its rule set, which is one that is
 * allowed something else than everybody is. What everybody is allowed would need one entry more, and is not counted.
 */
export function countPeers(tables: VerdictTables): readonly PeerCount[] {
  const addresses = countByClass(tables.addresses.classes);
  const prefixes = countByClass(tables.prefixes.classes);
  const classesOf = new Map<number, Set<number>>();
  for (const [row, ruleSet] of tables.rows.ruleSet.entries()) {
    const peerClass = tables.rows.peerClass[row]!;
    if (peerClass === PEER_CLASS_DEFAULT) continue;
    const classes = classesOf.get(ruleSet) ?? new Set();
    classesOf.set(ruleSet, classes.add(peerClass));
  }
  const sum = (ruleSet: number, counts: ReadonlyMap<number, number>): number =>
    [...(classesOf.get(ruleSet) ?? [])].reduce((total, peerClass) => total + (counts.get(peerClass) ?? 0), 0);
  return Array.from(tables.endpoints.id, (_, index) => {
    const ruleSets = [tables.endpoints.ingress[index]!, tables.endpoints.egress[index]!];
    return {
      addresses: ruleSets.reduce((total, ruleSet) => total + sum(ruleSet, addresses), 0),
      prefixes: ruleSets.reduce((total, ruleSet) => total + sum(ruleSet, prefixes), 0),
    };
  });
}

function countByClass(classes: Uint32Array): ReadonlyMap<number, number> {
  const counts = new Map<number, number>();
  for (const peerClass of classes) counts.set(peerClass, (counts.get(peerClass) ?? 0) + 1);
  return counts;
}
