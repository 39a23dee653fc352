/** Generated clusters as a dry run takes them, and the same for the oracle. */
import type { Arbitrary } from 'fast-check';
import type { ClusterChange } from '../../../src/policy/model.ts';
import { changeCluster, emptyCluster, type OracleCluster } from '../../../src/policy/oracle.ts';
import { isSubject, podKey } from '../../../src/policy/pod-kind.ts';
import { initialChangesArb } from '../../support/generators.ts';

/** No endpoints but those that the dry run makes, and no address twice. */
export function dryRunObjects(initial: readonly ClusterChange[]): readonly ClusterChange[] {
  const taken = new Set<string>();
  const pods = new Map<string, ClusterChange>();
  for (const change of initial)
    if (change.kind === 'Pod' && change.op === 'set') pods.set(podKey(change.object), change);
  return initial.flatMap((change): readonly ClusterChange[] => {
    if (change.kind === 'LocalEndpoint' || change.kind === 'NodeAddresses') return [];
    if (change.kind !== 'Pod' || change.op !== 'set') return [change];
    if (pods.get(podKey(change.object)) !== change) return [];
    if (!isSubject(change.object)) return [change];
    const podIPs = change.object.podIPs.filter((address) => !taken.has(address));
    for (const address of podIPs) taken.add(address);
    return [{ ...change, object: { ...change.object, podIPs } }];
  });
}

export const matrixClusterArb: Arbitrary<readonly ClusterChange[]> = initialChangesArb.map(dryRunObjects);

/** Every live pod has an endpoint. */
export function wholeCluster(changes: readonly ClusterChange[]): OracleCluster {
  let cluster = changes.reduce(changeCluster, emptyCluster(''));
  let id = 1;
  for (const pod of cluster.pods.values()) {
    if (!isSubject(pod)) continue;
    const { namespace, name, uid, podIPs: addresses } = pod;
    cluster = changeCluster(cluster, {
      kind: 'LocalEndpoint',
      op: 'set',
      object: { id: id++, namespace, name, uid, addresses },
    });
  }
  return cluster;
}
