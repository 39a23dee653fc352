/** From the start of an agent to its first pod, and its memory when idle, beside a bare interpreter. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { AgentProcess } from '../../test/support/agent-process.ts';
import { ClusterHost } from '../../test/support/cluster-host.ts';
import { cniAdd, cniDel } from '../../test/support/cni-call.ts';
import { type Figure, ratioFigure } from './figure.ts';
import type { QuestionOptions } from './question.ts';
import { interleave } from './rounds.ts';

const NODE_PROGRAM = join(import.meta.dirname, '../../node_modules/.bin/node');
/** Until memory is looked at. */
const AGENT_IDLE_MS = 1_500;
const NODE_IDLE_MS = 500;
const NAMESPACE = 'bench';

interface Start {
  readonly readyMs: number;
  readonly attachedMs: number;
  readonly rssMiB: number;
}

/** A new agent with nothing left from before, a pod, and their end. */
async function startAgent(cluster: ClusterHost, instance: string): Promise<Start> {
  const { name: nodeName, netns: nodeNetns } = cluster.node(0);
  const [runDir, stateDir] = [join(cluster.directory, 'run'), join(cluster.directory, 'state')];
  const pod = cluster.ledger.makeNetns('pod');
  const start = performance.now();
  const agent = await AgentProcess.start(cluster.ledger, {
    nodeName,
    nodeNetns,
    instance,
    runDir,
    stateDir,
    manifests: cluster.manifests.directory,
    bpfRoot: join(cluster.directory, 'bpf'),
    attach: 'auto',
  });
  const readyMs = performance.now() - start;
  const place = { instance, runDir, stateDir, nodeNetns };
  const pod0 = { podNamespace: NAMESPACE, podName: 'pod', podUid: 'uid' };
  const attachment = { containerId: instance, netns: pod.path, interfaceName: 'eth0', ...pod0 };
  await cniAdd(place, attachment);
  const attachedMs = performance.now() - start;
  await delay(AGENT_IDLE_MS);
  const pid = Number(readFileSync(join(runDir, instance, 'agent.lock'), 'utf8'));
  const rssMiB = residentMiB(pid);
  await cniDel(place, attachment);
  await agent.stop();
  pod.remove();
  return { readyMs, attachedMs, rssMiB };
}

/** A bare interpreter: what it takes to start one and to keep one. */
async function startNode(): Promise<Start> {
  const start = performance.now();
  const child = spawn(NODE_PROGRAM, ['-e', 'console.log(1); setInterval(() => undefined, 1000)'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(child.stdout, 'data');
  const readyMs = performance.now() - start;
  await delay(NODE_IDLE_MS);
  const rssMiB = residentMiB(child.pid ?? 0);
  const ended = once(child, 'exit');
  child.kill();
  await ended;
  return { readyMs, attachedMs: readyMs, rssMiB };
}

/** Resident memory of a process: now, or the most that it ever was. */
export function residentMiB(pid: number, what: 'VmRSS' | 'VmHWM' = 'VmRSS'): number {
  const [, kib] = new RegExp(`^${what}:\\s+([0-9]+) kB$`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  return Number(kib) / 1024;
}

export async function measureStart({ rounds, tell }: QuestionOptions): Promise<readonly Figure[]> {
  await using cluster = await ClusterHost.start({ nodes: 1, attach: 'auto' });
  cluster.applyNamespace(NAMESPACE);
  cluster.manifests.apply({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { namespace: NAMESPACE, name: 'pod', uid: 'uid' },
    spec: { nodeName: cluster.node(0).name, containers: [{ name: 'main', image: 'main' }] },
  });
  await cluster.agent(0).stop();
  tell(`${rounds} starts of an agent and of a bare interpreter`);
  let count = 0;
  const results = await interleave(
    [
      { name: 'agent', run: () => startAgent(cluster, `bench-${process.pid}-${++count}`) },
      { name: 'node', run: startNode },
    ],
    rounds,
  );
  const column = (who: string, key: keyof Start): number[] => results.get(who)!.map((value) => value[key]);
  const reference = (key: keyof Start): { name: string; samples: number[] } => ({
    name: 'bare Node',
    samples: column('node', key),
  });
  return [
    ratioFigure({ name: 'start to ready', unit: 'ms' }, column('agent', 'readyMs'), reference('readyMs')),
    ratioFigure(
      { name: 'start to first pod attached', unit: 'ms' },
      column('agent', 'attachedMs'),
      reference('attachedMs'),
    ),
    ratioFigure({ name: 'resident memory, idle', unit: 'MiB' }, column('agent', 'rssMiB'), reference('rssMiB')),
  ];
}
