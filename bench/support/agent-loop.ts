/** How long the agent's event loop stands still while tables change: an ADD that comes then waits as long. */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import { pino } from 'pino';
import { CompilerThread } from '../../src/agent/compile-service.ts';
import { Reconciler } from '../../src/agent/reconciler.ts';
import { eventFigures, EVENTS, type EventTimes, timeApiEvents, timeChanges } from './agent-events.ts';
import { type ClusterSize, clusterChanges, LARGE, MEDIUM, NODE } from './cluster.ts';
import { atMost, type Figure, plainFigure } from './figure.ts';
import type { QuestionOptions } from './question.ts';
import { TableHost } from './table-host.ts';

const IDLE_MS = 2_000;
const WARM_UP_MS = 20;
/** Of the histogram: its values include it. */
const RESOLUTION_MS = 1;
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

interface Loop extends AsyncDisposable {
  readonly reconciler: Reconciler;
}

/** The reconciler, the compiler's thread and the datapath as the agent puts them together, in this process. */
async function openLoop(size: ClusterSize): Promise<Loop> {
  await using stack = new AsyncDisposableStack();
  const host = stack.use(await TableHost.open(size));
  const reserved = host.datapath.idsInUse();
  const failed = (error: Error): void => {
    throw error;
  };
  const compiler = new CompilerThread({ node: NODE, reserved }, failed);
  stack.defer(() => compiler.close());
  const log = pino({ level: 'silent' });
  const reconciler = new Reconciler({ compiler, datapath: host.datapath, log, onTables: () => undefined });
  stack.defer(() => reconciler.close());
  const opened = stack.move();
  return { reconciler, [Symbol.asyncDispose]: () => opened.disposeAsync() };
}

export async function measureLoop({ tell }: QuestionOptions): Promise<readonly Figure[]> {
  await using loop = await openLoop(LARGE);
  const { reconciler } = loop;
  const changes = [...clusterChanges(LARGE)];
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
  tell(`${EVENTS} events of each kind, from the change to the verdict in the kernel`);
  let times: EventTimes = new Map();
  const events = await loopDelays(async () => {
    times = await timeChanges(LARGE, reconciler);
  });
  tell('the same from an API server');
  const apiTimes = await timeApiEvents(LARGE, reconciler);
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
    ...eventFigures(times, '10,000 policies: '),
    ...eventFigures(apiTimes, '10,000 policies, from the API server: '),
  ];
}

/** The times of events with a tenth of the policies. */
export async function measureFewerPolicies({ tell }: QuestionOptions): Promise<readonly Figure[]> {
  await using loop = await openLoop(MEDIUM);
  const { reconciler } = loop;
  tell('the same with 1,000 policies');
  await reconciler.realized(reconciler.submit([...clusterChanges(MEDIUM)]));
  return [
    ...eventFigures(await timeChanges(MEDIUM, reconciler), '1,000 policies: '),
    ...eventFigures(await timeApiEvents(MEDIUM, reconciler), '1,000 policies, from the API server: '),
  ];
}
