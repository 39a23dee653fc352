/** What workload a pod belongs to, in the words that flow ends are asked for with: `shop/deploy/web`. */
import type { LoadedCluster } from '../../cluster/manifests/load-cluster.ts';

/** Controllers of controllers: the one that a person wrote counts. */
const OUTER = new Set(['Deployment', 'CronJob']);
const SHORT: Readonly<Record<string, string>> = {
  Deployment: 'deploy',
  ReplicaSet: 'rs',
  StatefulSet: 'sts',
  DaemonSet: 'ds',
  ReplicationController: 'rc',
  Job: 'job',
  CronJob: 'cj',
};

/** By `namespace/name` of the pod. Pods without a workload are not in it. */
export function workloadNames(cluster: Pick<LoadedCluster, 'workloads'>): ReadonlyMap<string, string> {
  const names = new Map<string, string>();
  const outerLast = [...cluster.workloads.values()].sort(
    (a, b) => Number(OUTER.has(a.reference.kind)) - Number(OUTER.has(b.reference.kind)),
  );
  for (const { reference, pods } of outerLast) {
    const name = `${reference.namespace}/${SHORT[reference.kind] ?? reference.kind}/${reference.name}`;
    for (const pod of pods) names.set(pod, name);
  }
  return names;
}
