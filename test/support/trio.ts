/** The smallest cluster that has every kind of path: x/a and x/b on the first of two nodes, x/c on the second. */
import { isEchoAnswered, PATIENCE_MS, probe, type ProbeResult, type ProbeTarget, SILENCE_MS } from './probe.ts';
import { ClusterHost, type ClusterOptions } from './cluster-host.ts';
import type { ManifestObject } from './manifest-folder.ts';
import { NameServer, type ServedPort } from './name-server.ts';
import type { TestNetns } from './netns.ts';

export const SERVED: readonly ServedPort[] = [
  { protocol: 'TCP', port: 80 },
  { protocol: 'UDP', port: 80 },
];
/** Index of the node of each pod. */
const PODS = { a: 0, b: 0, c: 1 } as const;
const FAMILIES = ['ipv4', 'ipv6'] as const;

/** Nodes and the outside host serve too, by their names (`outside`). */
/** `settings`: further options of the agents' command line. */
export async function startTrio(
  attach: ClusterOptions['attach'] = 'auto',
  settings: readonly string[] = [],
): Promise<ClusterHost> {
  const cluster = await ClusterHost.start({ nodes: 2, attach, settings });
  try {
    cluster.applyNamespace('x');
    await cluster.startPods(
      Object.entries(PODS).map(([name, node]) => ({
        namespace: 'x',
        name,
        node,
        labels: { pod: name },
        ports: SERVED,
      })),
    );
    for (const { name, netns } of cluster.nodes) await serve(cluster, name, netns);
    await serve(cluster, 'outside', cluster.external.netns);
  } catch (error) {
    cluster.ledger.removeAll();
    throw error;
  }
  return cluster;
}

async function serve(cluster: ClusterHost, name: string, netns: TestNetns): Promise<void> {
  const server = await NameServer.open(netns, name, SERVED);
  cluster.ledger.add(`servers of ${name}`, () => {
    server.close();
  });
}

/** A pod by its name, a node by its, or `outside`. */
function hostOf(cluster: ClusterHost, name: string): { netns: TestNetns; addresses: { ipv4: string; ipv6: string } } {
  if (name === 'outside') return cluster.external;
  return cluster.nodes.find((node) => node.name === name) ?? cluster.pod(`x/${name}`);
}

/** Applies the policies, runs, takes them away again; each is in force on both nodes when it says so. */
export async function withPolicies<T>(
  cluster: ClusterHost,
  policies: readonly ManifestObject[],
  run: () => Promise<T>,
): Promise<T> {
  for (const policy of policies) cluster.manifests.apply(policy);
  try {
    await cluster.sync();
    return await run();
  } finally {
    for (const policy of policies) cluster.manifests.delete(policy);
    await cluster.sync();
  }
}

/** TCP and UDP in both families: the results in one list. */
function probeAllWays(cluster: ClusterHost, from: string, to: string, timeoutMs: number): Promise<ProbeResult[]> {
  const { netns } = hostOf(cluster, from);
  const { addresses } = hostOf(cluster, to);
  return Promise.all(
    FAMILIES.flatMap((family) =>
      SERVED.map(({ protocol, port }) => probe(netns, { protocol, port, address: addresses[family] }, { timeoutMs })),
    ),
  );
}

/** Whether every protocol and family is answered, echo requests included, and by the right one. */
export async function reaches(cluster: ClusterHost, from: string, to: string): Promise<boolean> {
  const results = await probeAllWays(cluster, from, to, PATIENCE_MS);
  const by = to.startsWith('node') || to === 'outside' ? to : `x/${to}`;
  const echoes = await echoAllWays(cluster, from, to);
  return echoes.every(Boolean) && results.every((result) => result.kind === 'answered' && result.by === by);
}

/** Whether nothing at all is answered, and nothing refused. */
export async function isCutOff(cluster: ClusterHost, from: string, to: string): Promise<boolean> {
  const results = await probeAllWays(cluster, from, to, SILENCE_MS);
  const echoes = await echoAllWays(cluster, from, to);
  return !echoes.some(Boolean) && results.every(({ kind }) => kind === 'timeout');
}

function echoAllWays(cluster: ClusterHost, from: string, to: string): Promise<boolean[]> {
  const { netns } = hostOf(cluster, from);
  const { addresses } = hostOf(cluster, to);
  return Promise.all(FAMILIES.map((family) => isEchoAnswered(netns, addresses[family])));
}

/** Port 80 of a pod, for flows. */
export function targetOf(
  cluster: ClusterHost,
  pod: string,
  protocol: 'TCP' | 'UDP',
  family: (typeof FAMILIES)[number] = 'ipv4',
): ProbeTarget {
  return { protocol, port: 80, address: hostOf(cluster, pod).addresses[family] };
}
