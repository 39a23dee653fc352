/**
 * How long does the compiler take: for a whole cluster, for one event of a pod, for one change of a policy? Beside it, in the
 * same round, JSON.parse of the same cluster: what reading the objects once costs on this machine.
 */
import { giveBackMemory } from '../src/lib/give-back-memory.ts';
import { Compiler } from '../src/policy/compiler.ts';
import type { ClusterChange } from '../src/policy/model.ts';
import { type ClusterSize, clusterChanges, LARGE, NODE, podOf, policyOf } from './support/cluster.ts';
import { atMost, type Figure, plainFigure, ratioFigure } from './support/figure.ts';
import type { Question } from './support/question.ts';
import { interleave } from './support/rounds.ts';
import { quantile } from './support/statistics.ts';

/** Changes of each kind; a p99 needs this many. */
const CHANGES = 300;
/** A whole compile takes seconds: more rounds of it would take minutes. */
const ROUNDS_MAX = 5;

function timeMs(run: () => void): number {
  const start = performance.now();
  run();
  return performance.now() - start;
}

function compileAll(changes: readonly ClusterChange[]): Compiler {
  const compiler = new Compiler({ node: NODE });
  for (const change of changes) compiler.update(change);
  compiler.compile();
  return compiler;
}

/** Milliseconds of each change taken in and compiled, as the agent has it done: told as what changed. */
function compileEach(compiler: Compiler, changes: readonly ClusterChange[]): readonly number[] {
  return changes.map((change) =>
    timeMs(() => {
      compiler.update(change);
      compiler.release(compiler.compileDelta().retired);
    }),
  );
}

/** Pods of other nodes start, each with labels that others have too. */
function podsStarted(size: ClusterSize): readonly ClusterChange[] {
  return Array.from({ length: CHANGES }, (_, i) => ({ kind: 'Pod', op: 'set', object: podOf(size, size.pods + i) }));
}

function podsRelabelled(size: ClusterSize): readonly ClusterChange[] {
  const first = size.pods / 2;
  return Array.from({ length: CHANGES }, (_, i) => ({
    kind: 'Pod',
    op: 'set',
    object: { ...podOf(size, first + i), labels: podOf(size, first + i + size.namespaces).labels },
  }));
}

function policiesChanged(size: ClusterSize): readonly ClusterChange[] {
  return Array.from({ length: CHANGES }, (_, i) => ({
    kind: 'NetworkPolicy',
    op: 'set',
    object: policyOf(size, i * 7, 1),
  }));
}

/** One more policy, with a CIDR that no other has. */
function policiesAdded(size: ClusterSize): readonly ClusterChange[] {
  return Array.from({ length: CHANGES }, (_, i) => {
    const cidr = `198.18.${i % 256}.${i < 256 ? 0 : 128}/25`;
    const outside = { peers: [{ ipBlock: { cidr, except: [] } }], ports: [{ protocol: 'TCP', port: 443 } as const] };
    const object = { ...policyOf(size, i * 7), name: `added-${i}`, egress: [outside] };
    return { kind: 'NetworkPolicy', op: 'set', object };
  });
}

/** Bytes of heap that the compiler keeps for each pod of another node, which has two addresses. */
function bytesPerPod(size: ClusterSize): number {
  const heapOf = (pods: number): number => {
    giveBackMemory();
    const before = process.memoryUsage().heapUsed;
    const compiler = new Compiler({ node: NODE });
    // Each with strings of its own, as they come from another thread.
    for (const change of clusterChanges({ ...size, pods })) compiler.update(structuredClone(change));
    compiler.release(compiler.compile().retired);
    giveBackMemory();
    const after = process.memoryUsage().heapUsed;
    if (compiler.sizes().podGroups === 0) throw new Error('nothing was compiled');
    return after - before;
  };
  const few = size.pods / 10;
  return (heapOf(size.pods) - heapOf(few)) / (size.pods - few);
}

function eventFigures(compiler: Compiler, wholeMs: number): readonly Figure[] {
  const reference = { name: 'whole cluster', samples: [wholeMs] };
  const kinds = {
    'a pod starts': podsStarted(LARGE),
    'a pod is relabelled': podsRelabelled(LARGE),
    'a policy changes': policiesChanged(LARGE),
    'a policy with a new CIDR comes': policiesAdded(LARGE),
  };
  return Object.entries(kinds).flatMap(([name, changes]) => {
    const times = compileEach(compiler, changes);
    return [
      ratioFigure({ name: `${name}, p50`, unit: 'ms' }, [quantile(times, 0.5)], reference),
      ratioFigure({ name: `${name}, p99`, unit: 'ms' }, [quantile(times, 0.99)], reference),
    ];
  });
}

export const question: Question = {
  name: 'compiler',
  asks: `How long does a compile take (${LARGE.name})?`,
  run: async ({ rounds, tell }) => {
    const changes = [...clusterChanges(LARGE)];
    const text = JSON.stringify(changes);
    const times = Math.min(rounds, ROUNDS_MAX);
    tell(`${times} rounds of a whole compile and of JSON.parse of ${Math.round(text.length / 1e6)} MB`);
    let compiler: Compiler | undefined;
    const results = await interleave(
      [
        { name: 'compile', run: () => timeMs(() => (compiler = compileAll(changes))) },
        { name: 'parse', run: () => timeMs(() => JSON.parse(text) as unknown) },
      ],
      times,
    );
    if (compiler === undefined) throw new Error('nothing was compiled');
    const reference = { name: 'JSON.parse', samples: results.get('parse')! };
    return [
      ratioFigure({ name: 'whole cluster', unit: 'ms' }, results.get('compile')!, reference),
      ...eventFigures(compiler, quantile(results.get('compile')!, 0.5)),
      plainFigure({ name: 'memory of a remote pod', unit: 'B', must: atMost(300) }, [bytesPerPod(LARGE)]),
    ];
  },
};
