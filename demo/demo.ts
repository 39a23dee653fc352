/**
 * The demo: two nodes with an agent each and nine pods in three namespaces, all in network namespaces of its own. Every
 * pair of pods is probed through real sockets, without policies and with them, at their own addresses and through a Service
 * in front of each, and held against the oracle. Needs root.
 * Exits 0 only when every probe went as expected.
 */
import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { styleText } from 'node:util';
import { errorMessage } from '../src/lib/errors.ts';
import { PacketCounts } from '../test/support/agent-status.ts';
import { ClusterHost } from '../test/support/cluster-host.ts';
import { differences, type End, type Observation, observeAll } from '../test/support/reachability.ts';
import { DropBoard } from './drop-board.ts';
import { expectAll, readCluster } from './expectation.ts';
import { legend, renderMatrix } from './matrix.ts';
import {
  openEnds,
  placeServices,
  POLICIES,
  probedPorts,
  type ProbedPort,
  readNamespaces,
  readPods,
} from './scenario.ts';
import { Stage } from './stage.ts';

const NODES = 2;
const stage = new Stage((text) => process.stdout.write(text));

interface Cast {
  readonly cluster: ClusterHost;
  readonly ends: readonly End[];
  readonly ports: readonly ProbedPort[];
}

function passed(observations: readonly Observation[]): number {
  return observations.filter(({ isAsExpected }) => isAsExpected).length;
}

async function startCluster(): Promise<ClusterHost> {
  return stage.step(
    () => `${NODES} nodes on a wire, each with an agent and the rules of kube-proxy and Docker`,
    () => ClusterHost.start({ nodes: NODES, attach: 'auto' }),
  );
}

async function startPods(cluster: ClusterHost): Promise<Cast> {
  const pods = readPods(cluster.nodes.map(({ name }) => name));
  const ports = probedPorts(pods);
  for (const { metadata } of readNamespaces()) cluster.applyNamespace(metadata.name, metadata.labels);
  await stage.step(
    () => `${pods.length} pods wired by sluice-cni over both nodes`,
    () => cluster.startPods(pods),
  );
  return { cluster, ends: await openEnds(cluster, ports), ports };
}

async function probeWithout({ cluster, ends, ports }: Cast): Promise<readonly Observation[]> {
  const checks = expectAll(await readCluster([cluster.manifests.directory]), ends, ports);
  return stage.step(
    (observations) => `without policies: ${passed(observations)} of ${checks.length} probes answered`,
    () => observeAll(checks),
  );
}

async function applyPolicies({ cluster }: Cast): Promise<void> {
  await stage.step(
    (count) => `${count} NetworkPolicies in force on both nodes`,
    async () => {
      cpSync(POLICIES, join(cluster.manifests.directory, 'policies'), { recursive: true });
      await cluster.sync();
      return (await readCluster([cluster.manifests.directory])).policies.size;
    },
  );
}

async function probeWith({ cluster, ends, ports }: Cast): Promise<readonly Observation[]> {
  const checks = expectAll(await readCluster([cluster.manifests.directory]), ends, ports);
  const allowed = checks.filter(({ isAllowed }) => isAllowed).length;
  stage.line(
    styleText(
      'dim',
      '  what the agents say of dropped packets, the first of each kind, and the policies that did not allow it:',
    ),
  );
  const board = new DropBoard((line) => {
    stage.line(line);
  });
  const stops = await Promise.all(
    cluster.nodes.map(({ name }, index) =>
      cluster.agent(index).client.drops((drop) => {
        board.add(name, drop);
      }),
    ),
  );
  const before = await droppedPackets(cluster);
  const observations = await stage.step(
    () => `with policies: ${allowed} probes to be answered, ${checks.length - allowed} to meet silence`,
    () => observeAll(checks),
  );
  for (const stop of stops) stop();
  const dropped = (await droppedPackets(cluster)) - before;
  stage.line(styleText('dim', `  ${dropped} packets dropped for ${board.size} combinations of policies and direction`));
  return observations;
}

/** Policies see the pod behind a Service, so the answers are the same. */
async function probeThroughServices({ cluster, ends, ports }: Cast): Promise<readonly Observation[]> {
  const services = placeServices(cluster.pods, ports);
  await stage.step(
    () => `${services.size} Services, one in front of every pod`,
    async () => {
      for (const { objects } of services.values()) for (const object of objects) cluster.manifests.apply(object);
      await cluster.sync();
    },
  );
  const checks = expectAll(await readCluster([cluster.manifests.directory]), ends, ports).flatMap((check) => {
    const service = services.get(check.to.name);
    if (service === undefined || !services.has(check.from.name)) return [];
    return [{ ...check, to: { ...check.to, addresses: service.clusterIPs } }];
  });
  const allowed = checks.filter(({ isAllowed }) => isAllowed).length;
  return stage.step(
    (observations) => `through ClusterIPs: ${passed(observations)} of ${checks.length} as before, ${allowed} answered`,
    () => observeAll(checks),
  );
}

/** By policy, on both nodes. */
async function droppedPackets(cluster: ClusterHost): Promise<number> {
  const counts = await Promise.all(cluster.nodes.map((_, index) => PacketCounts.read(cluster.agent(index).client)));
  return counts.reduce((sum, count) => sum + count.of('policy'), 0);
}

function showMatrices({ ends, ports }: Cast, observations: readonly Observation[]): void {
  const names = ends.map(({ name }) => name);
  stage.line();
  for (const port of ports) stage.line(`${renderMatrix(names, port, observations)}\n`);
  stage.line(`${legend()}\n`);
}

async function play(cluster: ClusterHost): Promise<boolean> {
  const cast = await startPods(cluster);
  const before = await probeWithout(cast);
  await applyPolicies(cast);
  const after = await probeWith(cast);
  const through = await probeThroughServices(cast);
  showMatrices(cast, after);
  const all = [...before, ...after, ...through];
  const isGood = passed(all) === all.length;
  if (!isGood) stage.line(`${differences(all)}\n\n${cluster.logTails()}\n`);
  stage.line(
    styleText(isGood ? ['bold', 'green'] : ['bold', 'red'], `${passed(all)} of ${all.length} probes as expected`),
  );
  return isGood;
}

async function main(): Promise<number> {
  if (process.getuid?.() !== 0) {
    stage.line(
      'The demo makes network namespaces and loads eBPF programs: run it as root, for example `sudo make demo`.',
    );
    return 1;
  }
  let cluster: ClusterHost | undefined;
  try {
    cluster = await startCluster();
    return (await play(cluster)) ? 0 : 1;
  } catch (error) {
    stage.line(`${styleText('red', '✗')} ${errorMessage(error)}\n\n${cluster?.logTails() ?? ''}`);
    return 1;
  } finally {
    await cluster?.close();
  }
}

process.exitCode = await main();
