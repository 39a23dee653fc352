/** The agent's socket: what launchers and commands ask, and the DELs that launchers wrote down while nobody listened. */
import { randomBytes } from 'node:crypto';
import type { Snapshot } from '../cluster/snapshot.ts';
import type { ClusterSource } from '../cluster/source.ts';
import { CniHandler } from '../cni/handler.ts';
import { DelJournal } from '../cni/journal.ts';
import { CNI_BODY_BYTES_MAX } from '../cni/limits.ts';
import { peerCredentials } from '../kernel/system.ts';
import { systemClock } from '../lib/clock.ts';
import type { Log } from '../lib/log.ts';
import type { FoundNode } from './adopt-node.ts';
import { addCniRoute } from './cni-route.ts';
import { DropFeed } from './drop-feed.ts';
import type { Followed } from './follow-desired.ts';
import { addInspectionRoutes } from './inspection-routes.ts';
import { JournalReplay } from './journal-replay.ts';
import { LocalServer } from './local-server.ts';
import type { AgentMetrics } from './observe/metrics.ts';
import type { AgentOptions } from './options.ts';
import type { InstancePaths } from './paths.ts';
import { SnapshotPodLookup } from './pod-lookup.ts';
import { AgentPodNetwork } from './pod-network.ts';
import type { Readiness } from './readiness.ts';
import { addServiceRoutes } from './service-routes.ts';
import type { AgentStatus } from './status.ts';

export interface RequestParts {
  readonly options: AgentOptions;
  readonly log: Log;
  readonly paths: InstancePaths;
  readonly found: FoundNode;
  readonly followed: Followed;
  readonly snapshot: Snapshot;
  readonly source: ClusterSource;
  readonly readiness: Readiness;
  readonly metrics: AgentMetrics;
  readonly status: () => AgentStatus;
}

export interface RequestServer {
  readonly handler: CniHandler;
  /** From here on requests are served, and what launchers journalled before is carried out. */
  listen(): Promise<void>;
}

/** @param started takes down what this opens. */
export function openRequestServer(started: AsyncDisposableStack, parts: RequestParts): RequestServer {
  const { log, paths, found, followed, metrics, status } = parts;
  const { desired, routing } = followed;
  const feed = new DropFeed(followed.drops, log, systemClock);
  found.datapath.onDrop((event) => feed.take(event));
  const network = started.use(openPodNetwork(parts));
  const journal = new DelJournal({ directory: paths.deleteJournal, log, now: () => systemClock.wallMs() });
  const handler = new CniHandler({ network, journal, log });
  const server = new LocalServer({ socketPath: paths.socket, peerCredentials, log, bodyBytesMax: CNI_BODY_BYTES_MAX });
  addCniRoute(server, handler, systemClock, metrics.observeCni.bind(metrics));
  const settle = async (): Promise<void> => {
    await desired.settle();
    await routing.settle();
    await network.settled();
  };
  addInspectionRoutes(server, { status, settle, feed });
  addServiceRoutes(server, {
    node: parts.options.node,
    frontends: (service) => followed.compiler.frontends(service),
    isInForce: (frontend) => found.datapath.isServiceInForce(frontend),
    state: () => followed.services.state(),
  });
  const listen = async (): Promise<void> => {
    await server.listen();
    started.defer(() => server.close());
    await handler.replayJournal();
    started.use(new JournalReplay(() => handler.replayJournal(), systemClock, log));
  };
  return { handler, listen };
}

function openPodNetwork(parts: RequestParts): AgentPodNetwork {
  const { options, log, found, followed, snapshot, source, readiness } = parts;
  const { instance, podWaitSeconds } = options;
  const clock = systemClock;
  return new AgentPodNetwork({
    ...found,
    instance,
    mtu: () => followed.routing.podMtu(),
    snapshot,
    pods: new SnapshotPodLookup({ snapshot, source, readiness, podWaitMs: podWaitSeconds * 1000, clock }),
    reconciler: followed.reconciler,
    log,
    random: randomBytes,
    clock,
    notReady: () => readiness.reason(),
  });
}
