/**
 * What does a Service cost? In the programs: nanoseconds of a packet through a ClusterIP, with 10, 1,000 and 10,000 Services,
 * against the same packet straight to a pod. On the wire: new connections a second, beside what kube-proxy writes for
 * iptables and nftables. In the agent: what one event of an endpoint takes when there are 10,000.
 */
import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ClusterHost } from '../test/support/cluster-host.ts';
import type { PodHost } from '../test/support/pod-host.ts';
import { SMALL } from './support/cluster.ts';
import { requirePackage } from './support/debian-package.ts';
import { atLeast, atMost, type Figure, plainFigure, ratioFigure } from './support/figure.ts';
import { runLoad, startLoadServer } from './support/load.ts';
import { makeRoutedPair, type Pair } from './support/pairs.ts';
import { loadIptablesServices, loadNftablesServices } from './support/proxy-rules.ts';
import type { Question, QuestionOptions } from './support/question.ts';
import { makeQuietWait } from './support/quiet.ts';
import { interleave } from './support/rounds.ts';
import { type Cost, type EventCost, FLOWS, ServiceBench } from './support/service-bench.ts';
import { clusterIpOf, SERVICE_PORT, serviceList } from './support/services.ts';
import { TableHost } from './support/table-host.ts';

const SIZES = [10, 1_000, 10_000] as const;
const LARGEST = 10_000;
const CONNECT_MS = 500;
const EVENTS = 10;

async function measurePrograms({ rounds, tell }: QuestionOptions): Promise<readonly Figure[]> {
  await using stack = new AsyncDisposableStack();
  const benches: ServiceBench[] = [];
  for (const size of SIZES) benches.push(await ServiceBench.load(size, stack.use(await TableHost.open(SMALL))));
  tell(`${rounds} rounds of ${FLOWS} flows a size`);
  const results = await interleave(
    benches.flatMap((bench) => [
      { name: bench.name, run: () => bench.cost(false) },
      { name: `${bench.name}, direct`, run: () => bench.cost(true) },
    ]),
    rounds,
  );
  const column = (name: string, key: keyof Cost): number[] => results.get(name)!.map((cost) => cost[key]);
  const costs = benches.flatMap(({ name }) =>
    (['established', 'opening'] as const).map((key) =>
      ratioFigure({ name: `${key}, ${name}`, unit: 'ns' }, column(name, key), {
        name: 'straight to the pod',
        samples: column(`${name}, direct`, key),
      }),
    ),
  );
  const [few, many] = [benches[0]!, benches.at(-1)!];
  const growth = (['established', 'opening'] as const).map((key) =>
    ratioFigure({ name: `${key}, ${many.name}`, unit: 'ns', must: atMost(1.5) }, column(many.name, key), {
      name: few.name,
      samples: column(few.name, key),
    }),
  );
  return [...costs, ...growth, ...(await measureEvents(many))];
}

async function measureEvents(bench: ServiceBench): Promise<readonly Figure[]> {
  const events: EventCost[] = [];
  for (let round = 0; round < EVENTS; round += 1) events.push(await bench.event(round));
  const figure = (name: string, unit: string, key: keyof EventCost): Figure =>
    plainFigure(
      { name: `one endpoint event, ${bench.name}: ${name}`, unit },
      events.map((event) => event[key]),
    );
  return [
    figure('resolved, in the thread', 'ms', 'resolveMs'),
    figure('in force', 'ms', 'applyMs'),
    figure('processor time to bring it in force', 'ms', 'cpuMs'),
    figure('writes', '', 'writes'),
  ];
}

/**
 * Pods of one node, packets going to the server or to a Service in front of it, each address from a client of its own: a
 * client's timestamps differ from address to address, so that behind a Service the server would take SYNs for old ones of
 * connections in its TIME_WAIT.
 */
async function measureConnections(options: QuestionOptions, cluster: ClusterHost): Promise<readonly Figure[]> {
  const { rounds, tell } = options;
  cluster.applyNamespace('bench');
  const place = { namespace: 'bench', node: 0, ports: [] };
  const start = async (name: string): Promise<PodHost> => {
    const [pod] = await cluster.startPods([{ ...place, name, labels: {} }]);
    if (pod === undefined) throw new Error(`pod ${name} did not start`);
    return pod;
  };
  const [client, server] = [await start('client'), await start('server')];
  const direct: Pair = {
    name: 'straight to the pod',
    client: client.netns,
    server: server.netns,
    serverAddress: server.addresses.ipv4,
  };
  await startLoadServer(cluster.ledger, direct);
  const figures: Figure[] = [];
  for (const count of SIZES) {
    const middle = clusterIpOf(Math.floor(count / 2));
    const staged = join(cluster.directory, 'staging', 'services.json');
    writeFileSync(staged, JSON.stringify(serviceList(count, { address: server.addresses.ipv4, port: SERVICE_PORT })));
    renameSync(staged, join(cluster.manifests.directory, 'services.json'));
    const behind = await start(`client-of-${count}`);
    await cluster.sync();
    const references = [direct, ...(await makeProxyPairs(cluster, count))];
    const pairs: readonly Pair[] = [
      { name: 'Service', client: behind.netns, server: server.netns, serverAddress: middle },
      ...references.map((pair) => (pair === direct ? pair : { ...pair, serverAddress: middle })),
    ];
    tell(`${count} Services in force, ${rounds} rounds of ${pairs.length} paths`);
    const results = await interleave(
      pairs.map((pair) => ({ name: pair.name, run: () => connectionsOf(pair) })),
      rounds,
      makeQuietWait(),
    );
    for (const reference of references) {
      const bounds = reference === direct ? { must: atLeast(0.9), aim: atLeast(0.95) } : {};
      figures.push(
        ratioFigure({ name: `new connections, ${count} Services`, unit: '1/s', ...bounds }, results.get('Service')!, {
          name: reference.name,
          samples: results.get(reference.name)!,
        }),
      );
    }
  }
  return figures;
}

async function makeProxyPairs({ ledger }: ClusterHost, count: number): Promise<readonly Pair[]> {
  const iptables = await makeRoutedPair(ledger, 'iptables, as kube-proxy');
  const nftables = await makeRoutedPair(ledger, 'nftables, as kube-proxy');
  await loadIptablesServices(iptables.router, count, { address: iptables.serverAddress, port: SERVICE_PORT });
  await loadNftablesServices(nftables.router, count, { address: nftables.serverAddress, port: SERVICE_PORT });
  for (const pair of [iptables, nftables]) await startLoadServer(ledger, pair);
  return [iptables, nftables];
}

async function connectionsOf(pair: Pair): Promise<number> {
  const { connections, seconds } = await runLoad('connect', pair, CONNECT_MS);
  return connections / seconds;
}

export const question: Question = {
  name: 'service',
  asks: `What does a ClusterIP cost with up to ${LARGEST} Services, beside none and beside kube-proxy?`,
  run: async (options) => {
    requirePackage('nftables', '/usr/sbin/nft', options.tell);
    const programs = await measurePrograms(options);
    await using cluster = await ClusterHost.start({ nodes: 1, attach: 'auto' });
    try {
      return [...programs, ...(await measureConnections(options, cluster))];
    } catch (error) {
      options.tell(cluster.logTails());
      throw error;
    }
  },
};
