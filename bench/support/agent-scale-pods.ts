/** What one pod of another node costs the agent's main thread: what follows the API server, and the desired state. */
import { HeldObjects } from '../../src/cluster/kubernetes/held-objects.ts';
import { knownResources } from '../../src/cluster/kubernetes/resource.ts';
import type { KnownObject } from '../../src/cluster/object-readers.ts';
import { Snapshot } from '../../src/cluster/snapshot.ts';
import { giveBackMemory } from '../../src/lib/give-back-memory.ts';
import type { ClusterChange, Pod } from '../../src/policy/model.ts';
import type { RawObject } from '../../test/support/api-server-store.ts';
import { type ClusterSize, podOf } from './cluster.ts';

const PODS = 'Pod';

/** Bytes of heap for each pod beyond a tenth of the cluster's. Pods have two addresses, and uids as real ones. */
export function bytesPerHeldPod(size: ClusterSize, rawPod: (pod: Pod) => RawObject): number {
  const few = Math.floor(size.pods / 10);
  return (heapOf(size, size.pods, rawPod) - heapOf(size, few, rawPod)) / (size.pods - few);
}

function heapOf(size: ClusterSize, pods: number, rawPod: (pod: Pod) => RawObject): number {
  const resource = knownResources().find(({ kind }) => kind === PODS);
  if (resource === undefined) throw new Error('pods are not watched');
  const before = usedHeap();
  const held = new HeldObjects(resource);
  const snapshot = new Snapshot();
  fill(held, snapshot, { size, pods, rawPod });
  const after = usedHeap();
  if (held.size !== pods || snapshot.pods.size !== pods) throw new Error('not every pod was taken');
  return after - before;
}

function fill(
  held: HeldObjects<KnownObject>,
  snapshot: Snapshot,
  { size, pods, rawPod }: { size: ClusterSize; pods: number; rawPod: (pod: Pod) => RawObject },
): void {
  const list = held.beginList();
  for (let index = 0; index < pods; index++) {
    const raw = rawPod({ ...podOf(size, index), uid: uidOf(index) });
    const versioned = { ...raw, metadata: { ...raw.metadata, resourceVersion: String(index + 1) } };
    // Each with strings of its own, as they come from a server.
    list.add(JSON.parse(JSON.stringify(versioned)));
  }
  snapshot.apply(
    list.finish().flatMap((change): ClusterChange[] => {
      // The reader of pods reads pods.
      return change.op === 'set' ? [{ kind: PODS, op: 'set', object: change.object as Pod }] : [];
    }),
  );
}

function uidOf(index: number): string {
  return `${index.toString(16).padStart(8, '0')}-0000-4000-8000-000000000000`;
}

function usedHeap(): number {
  giveBackMemory();
  return process.memoryUsage().heapUsed;
}
