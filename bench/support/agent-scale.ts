/**
 * A real agent that takes a large cluster from an API server: memory, and the time from its start until all of it is in
 * force. One pod of every namespace is on its node, so that every policy counts.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { knownResources } from '../../src/cluster/kubernetes/resource.ts';
import { ApiServer } from '../../test/support/api-server.ts';
import type { RawObject } from '../../test/support/api-server-store.ts';
import { ClusterHost } from '../../test/support/cluster-host.ts';
import { SERVED_PATHS } from '../../test/support/served-manifests.ts';
import { bytesPerHeldPod } from './agent-scale-pods.ts';
import { residentMiB } from './agent-start.ts';
import { type ClusterSize, clusterChanges, LARGE, podOf } from './cluster.ts';
import { atMost, type Figure, plainFigure } from './figure.ts';
import { rawPod, rawPolicy } from './raw-objects.ts';
import type { QuestionOptions } from './question.ts';

/** Until memory is looked at: what was needed only for the start is given back by then. */
const SETTLE_MS = 10_000;
const READY_MS_MAX = 180_000;
const POLL_MS = 50;

const PATHS: ReadonlyMap<string, string> = new Map(knownResources().map(({ kind, path }) => [kind, path]));

export async function measureScale({ tell }: QuestionOptions): Promise<readonly Figure[]> {
  await using api = await ApiServer.start(SERVED_PATHS);
  await using cluster = await ClusterHost.start({ nodes: 1, attach: 'auto', api });
  const locals = Array.from({ length: LARGE.namespaces }, (_, index) => podOf(LARGE, index));
  for (const { namespace } of locals) cluster.applyNamespace(namespace);
  tell(`${locals.length} pods on the node`);
  const specs = locals.map(({ namespace, name, labels }) => ({ node: 0, namespace, name, labels, ports: [] }));
  await cluster.startPods(specs);
  await cluster.agent(0).stop();
  serve(api, LARGE, new Set(locals.map(({ namespace, name }) => `${namespace}/${name}`)));
  tell(`an agent starts with ${LARGE.name}`);
  const begin = performance.now();
  await cluster.restartAgent(0, { until: 'answering' });
  await untilReady(cluster);
  const realizedMs = performance.now() - begin;
  const pid = pidOf(cluster);
  const early = residentMiB(pid);
  await delay(SETTLE_MS);
  return [
    plainFigure({ name: 'start to all of a large cluster in force', unit: 'ms' }, [realizedMs]),
    plainFigure({ name: 'resident memory then', unit: 'MiB', must: atMost(400), aim: atMost(150) }, [early]),
    plainFigure({ name: 'resident memory 10 s later', unit: 'MiB', must: atMost(400), aim: atMost(150) }, [
      residentMiB(pid),
    ]),
    plainFigure({ name: 'resident memory, most', unit: 'MiB' }, [residentMiB(pid, 'VmHWM')]),
    plainFigure({ name: 'a remote pod, main thread', unit: 'B', must: atMost(300) }, [bytesPerHeldPod(LARGE, rawPod)]),
  ];
}

/** All of it but those that are there already. */
function serve(api: ApiServer, size: ClusterSize, there: ReadonlySet<string>): void {
  const set = (kind: string, object: RawObject): void => {
    const path = PATHS.get(kind);
    if (path === undefined) throw new Error(`the API server has no ${kind}`);
    api.store.set(path, object);
  };
  for (const change of clusterChanges(size)) {
    if (change.op === 'delete') continue;
    // oxlint-disable-next-line typescript/switch-exhaustiveness-check -- what the node tells of itself no server has.
    switch (change.kind) {
      case 'Namespace':
        set('Namespace', { metadata: { name: change.object.name, labels: change.object.labels } });
        break;
      case 'Pod':
        if (!there.has(`${change.object.namespace}/${change.object.name}`)) set('Pod', rawPod(change.object));
        break;
      case 'NetworkPolicy':
        set('NetworkPolicy', rawPolicy(change.object));
        break;
      default:
        break;
    }
  }
}

async function untilReady(cluster: ClusterHost): Promise<void> {
  const agent = cluster.agent(0);
  const deadline = performance.now() + READY_MS_MAX;
  while (performance.now() < deadline) {
    const status = (await agent.client.get('/v1/status')) as { readonly ready?: boolean };
    if (status.ready === true) return;
    if (!agent.isRunning) break;
    await delay(POLL_MS);
  }
  throw new Error(`the agent is not ready after ${READY_MS_MAX} ms\n${agent.logTail()}`);
}

function pidOf(cluster: ClusterHost): number {
  const { runDir, instance } = cluster.instance(0);
  return Number(readFileSync(join(runDir, instance, 'agent.lock'), 'utf8'));
}
