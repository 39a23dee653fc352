/** From an event to its verdict in the kernel, in a cluster of 100,000 pods. */
import { setTimeout as delay } from 'node:timers/promises';
import { DesiredState } from '../../src/agent/desired-state.ts';
import type { Reconciler } from '../../src/agent/reconciler.ts';
import { HttpTransport } from '../../src/cluster/kubernetes/http-transport.ts';
import { KubernetesSource } from '../../src/cluster/kubernetes/kubernetes-source.ts';
import { knownResources } from '../../src/cluster/kubernetes/resource.ts';
import { Snapshot } from '../../src/cluster/snapshot.ts';
import { systemClock } from '../../src/lib/clock.ts';
import type { ClusterChange, Pod } from '../../src/policy/model.ts';
import { ApiServer } from '../../test/support/api-server.ts';
import { SERVED_PATHS } from '../../test/support/served-manifests.ts';
import { type ClusterSize, NODE, podOf, policyOf } from './cluster.ts';
import { atMost, type Figure, plainFigure } from './figure.ts';
import { rawPod, rawPolicy } from './raw-objects.ts';
import { quantile } from './statistics.ts';

/** Of each kind; a p99 needs this many. */
export const EVENTS = 200;
/** Between two events of an API server: fewer than 100 a second, so that none waits for the batch of the one before. */
const PAUSE_MS = 12;

/** On other nodes: what most events of a large cluster are. */
function eventOf(size: ClusterSize, kind: EventKind, index: number, change: number): ClusterChange {
  const pod = podWithoutIPv6(size, index);
  switch (kind) {
    case 'a pod starts':
      return { kind: 'Pod', op: 'set', object: pod };
    case 'a pod is relabelled': {
      const { labels } = podOf(size, size.pods + index + size.namespaces);
      return { kind: 'Pod', op: 'set', object: { ...pod, labels } };
    }
    case 'a pod ends':
      return { kind: 'Pod', op: 'delete', key: `${pod.namespace}/${pod.name}` };
    case 'a policy changes':
      return { kind: 'NetworkPolicy', op: 'set', object: policyOf(size, (index * 7) % size.policies, change) };
  }
}

const EVENT_KINDS = ['a pod starts', 'a pod is relabelled', 'a pod ends', 'a policy changes'] as const;
type EventKind = (typeof EVENT_KINDS)[number];

/** The nodes' podCIDRs are IPv4: another address would be the world's, and no pod's, before its pod is known. */
function podWithoutIPv6(size: ClusterSize, index: number): Pod {
  const pod = podOf(size, size.pods + index);
  return { ...pod, podIPs: pod.podIPs.slice(0, 1) };
}

/** Milliseconds of each event, by kind; one event after the other. */
export type EventTimes = ReadonlyMap<string, readonly number[]>;

/** @param change of the policies: not the one that they have. */
async function timeEvents(
  size: ClusterSize,
  change: number,
  inForce: (change: ClusterChange) => Promise<number>,
): Promise<EventTimes> {
  const times = new Map<string, number[]>();
  for (const kind of EVENT_KINDS) {
    const of: number[] = [];
    for (let index = 0; index < EVENTS; index++) of.push(await inForce(eventOf(size, kind, index, change)));
    times.set(kind, of);
  }
  return times;
}

/** From the change handed to the reconciler. */
export function timeChanges(size: ClusterSize, reconciler: Reconciler): Promise<EventTimes> {
  return timeEvents(size, 1, async (change) => {
    const begin = performance.now();
    await reconciler.realized(reconciler.submit([change]));
    return performance.now() - begin;
  });
}

/**
 * From just before an API server writes the event to its watch. The server is in this process; it holds only what the events
 * are about, the cluster itself the compiler has.
 */
export async function timeApiEvents(size: ClusterSize, reconciler: Reconciler): Promise<EventTimes> {
  await using api = await ApiServer.start(SERVED_PATHS);
  const server = new URL(`http://127.0.0.1:${api.port}`);
  const transport = new HttpTransport({ server, read: async () => ({ headers: {}, tls: {} }), renew: () => undefined });
  await using source = new KubernetesSource({ transport, clock: systemClock, random: Math.random });
  const timer = { submitted: (): void => undefined };
  const desired = new DesiredState({ snapshot: new Snapshot(), reconciler, source, node: NODE, timer });
  let taken = Promise.withResolvers<number>();
  source.start((update) => {
    desired.take(update);
    if (update.changes.length > 0) taken.resolve(reconciler.state().submitted);
  });
  await source.synced;
  const paths = new Map(knownResources().map(({ kind, path }) => [kind, path]));
  while (api.watchers() < paths.size) await delay(PAUSE_MS);
  return await timeEvents(size, 2, async (change) => {
    await delay(PAUSE_MS);
    taken = Promise.withResolvers();
    const path = paths.get(change.kind)!;
    const begin = performance.now();
    if (change.kind === 'Pod' && change.op === 'set') api.set(path, rawPod(change.object));
    else if (change.kind === 'NetworkPolicy' && change.op === 'set') api.set(path, rawPolicy(change.object));
    else if (change.kind === 'Pod') api.delete(path, change.key);
    await reconciler.realized(await taken.promise);
    return performance.now() - begin;
  });
}

/** p50 and p99 of each kind. */
export function eventFigures(times: EventTimes, prefix: string): readonly Figure[] {
  return [...times].flatMap(([kind, of]) => [
    plainFigure({ name: `${prefix}${kind}, p50`, unit: 'ms' }, [quantile(of, 0.5)]),
    plainFigure({ name: `${prefix}${kind}, p99`, unit: 'ms', must: atMost(50), aim: atMost(5) }, [quantile(of, 0.99)]),
  ]);
}
