/**
 * What does the agent cost beside the packets: from its start to the first pod with programs attached, memory when idle,
 * delay of its event loop while a large cluster is compiled and written, elements written for one change?
 */
import type { ClusterChange } from '../src/policy/model.ts';
import { measureFewerPolicies, measureLoop } from './support/agent-loop.ts';
import { measureStart } from './support/agent-start.ts';
import { measureScale } from './support/agent-scale.ts';
import { LARGE, podOf, policyOf } from './support/cluster.ts';
import { atMost, type Figure, plainFigure } from './support/figure.ts';
import type { Question, QuestionOptions } from './support/question.ts';
import { type Loaded, TableHost } from './support/table-host.ts';

const EVENTS = 20;

/** Elements that the datapath wrote and deleted for each change. */
async function writesOf(host: TableHost, { compiler }: Loaded, changes: readonly ClusterChange[]): Promise<number[]> {
  const writes: number[] = [];
  for (const change of changes) {
    compiler.update(change);
    const { tables, retired } = compiler.compile();
    writes.push((await host.datapath.apply(tables)).writes);
    compiler.release(retired);
  }
  return writes;
}

async function measureWrites({ tell }: QuestionOptions): Promise<readonly Figure[]> {
  await using host = await TableHost.open(LARGE);
  const loaded = await host.load(LARGE);
  tell(`${EVENTS} changes of each kind`);
  const numbers = Array.from({ length: EVENTS }, (_, i) => i);
  const podStarts = numbers.map((i): ClusterChange => {
    const pod = podOf(LARGE, LARGE.pods + i);
    return { kind: 'Pod', op: 'set', object: { ...pod, podIPs: pod.podIPs.slice(0, 1) } };
  });
  const podEnds = podStarts.map((_, i): ClusterChange => {
    const { namespace, name } = podOf(LARGE, LARGE.pods + i);
    return { kind: 'Pod', op: 'delete', key: `${namespace}/${name}` };
  });
  const policies = numbers.map((i): ClusterChange => {
    return { kind: 'NetworkPolicy', op: 'set', object: policyOf(LARGE, i * 7, 1) };
  });
  const unit = 'writes';
  return [
    plainFigure({ name: 'a pod starts (one address)', unit, aim: atMost(1) }, await writesOf(host, loaded, podStarts)),
    plainFigure({ name: 'a pod ends', unit, aim: atMost(1) }, await writesOf(host, loaded, podEnds)),
    plainFigure({ name: 'a policy changes', unit }, await writesOf(host, loaded, policies)),
  ];
}

export const question: Question = {
  name: 'agent',
  asks: 'What does the agent cost beside the packets?',
  run: async (options) => [
    ...(await measureStart(options)),
    ...(await measureLoop(options)),
    ...(await measureFewerPolicies(options)),
    ...(await measureScale(options)),
    ...(await measureWrites(options)),
  ],
};
