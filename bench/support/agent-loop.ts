/** How long the agent's event loop stands still while tables change: an ADD that comes then waits as long. */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import { pino } from 'pino';
import { CompilerThread } from '../../src/agent/compile-service.ts';
import { Reconciler } from '../../src/agent/reconciler.ts';
import type { ClusterChange, Pod } from '../../src/policy/model.ts';
import { clusterChanges, LARGE, NODE, podOf, policyOf } from './cluster.ts';
import { atMost, type Figure, plainFigure } from './figure.ts';
import type { QuestionOptions } from './question.ts';
import { quantile } from './statistics.ts';
import { TableHost } from './table-host.ts';

const IDLE_MS = 2_000;
const WARM_UP_MS = 20;
/** Of the histogram: its values include it. */
const RESOLUTION_MS = 1;
/** Of each kind; a p99 needs this many. */
const EVENTS = 200;

/** On other nodes: what most events of a large cluster are. */
const EVENT_KINDS: Readonly<Record<string, (index: number) => ClusterChange>> = {
  'a pod starts': (index) => ({ kind: 'Pod', op: 'set', object: podWithoutIPv6(index) }),
  'a pod is relabelled': (index) => ({
    kind: 'Pod',
    op: 'set',
    object: { ...podWithoutIPv6(index), labels: podOf(LARGE, LARGE.pods + index + LARGE.namespaces).labels },
  }),
  'a pod ends': (index) => {
    const { namespace, name } = podWithoutIPv6(index);
    return { kind: 'Pod', op: 'delete', key: `${namespace}/${name}` };
  },
  'a policy changes': (index) => ({ kind: 'NetworkPolicy', op: 'set', object: policyOf(LARGE, index * 7, 1) }),
};

/** The nodes' podCIDRs are IPv4: another address would be the world's, and no pod's, before its pod is known. */
function podWithoutIPv6(index: number): Pod {
  const pod = podOf(LARGE, LARGE.pods + index);
  return { ...pod, podIPs: pod.podIPs.slice(0, 1) };
}

/** Delays of this process's event loop beyond the timer's own interval, in milliseconds, while `work` runs. */
async function loopDelays(work: () => Promise<unknown>): Promise<{ readonly p99: number; readonly max: number }> {
  const histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  histogram.enable();
  // Its first tick is only a beginning: a delay before it would not be seen.
  await delay(WARM_UP_MS);
  await work();
  histogram.disable();
  const beyond = (ns: number): number => Math.max(0, ns / 1e6 - RESOLUTION_MS);
  return { p99: beyond(histogram.percentile(99)), max: beyond(histogram.max) };
}

/** The reconciler, the compiler's thread and the datapath as the agent puts them together, in this process. */
export async function measureLoop({ tell }: QuestionOptions): Promise<readonly Figure[]> {
  await using host = await TableHost.open(LARGE);
  const changes = [...clusterChanges(LARGE)];
  const ends: Error[] = [];
  const compiler = new CompilerThread({ node: NODE, reserved: host.datapath.idsInUse() }, (error) => ends.push(error));
  const log = pino({ level: 'silent' });
  const reconciler = new Reconciler({ compiler, datapath: host.datapath, log, onTables: () => undefined });
  try {
    const idle = await loopDelays(() => delay(IDLE_MS));
    tell('a whole cluster through the compiler thread into the kernel');
    let number = 0;
    const submit = await loopDelays(async () => {
      number = reconciler.submit(changes);
      await delay(RESOLUTION_MS * 2);
    });
    const start = performance.now();
    const compile = await loopDelays(() => reconciler.realized(number));
    const seconds = (performance.now() - start) / 1000;
    const inForce = async (change: ClusterChange): Promise<number> => {
      const begin = performance.now();
      await reconciler.realized(reconciler.submit([change]));
      return performance.now() - begin;
    };
    tell(`${EVENTS} events of each kind, from the change to the verdict in the kernel`);
    const latencies = new Map<string, number[]>();
    const events = await loopDelays(async () => {
      for (const [name, changeOf] of Object.entries(EVENT_KINDS)) {
        const times: number[] = [];
        for (let i = 0; i < EVENTS; i++) times.push(await inForce(changeOf(i)));
        latencies.set(name, times);
      }
    });
    const figure = (name: string, value: number, fields: Partial<Figure> = {}): Figure =>
      plainFigure({ name, unit: 'ms', ...fields }, [value]);
    return [
      figure('event loop, idle, p99', idle.p99),
      figure('event loop, large compile, p99', compile.p99, {
        aim: atMost(5),
        note: `over the ${seconds.toFixed(1)} s from the last change handed over until all of it was in force`,
      }),
      figure('event loop, large compile, longest', compile.max),
      figure('event loop, events, p99', events.p99, {
        note: `${EVENTS} events of each kind, one after the other, in the large cluster`,
      }),
      figure('event loop, events, longest', events.max),
      figure('event loop, 110,000 changes at once, longest', submit.max, {
        note: 'handing them to the compiler thread, as the first reading of a source does',
      }),
      ...[...latencies].flatMap(([name, times]) => [
        figure(`${name}, in force, p50`, quantile(times, 0.5)),
        figure(`${name}, in force, p99`, quantile(times, 0.99), { must: atMost(50), aim: atMost(5) }),
      ]),
    ];
  } finally {
    await reconciler.close();
    await compiler.close();
  }
}
