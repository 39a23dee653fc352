/**
 * What does a packet cost in the programs themselves, and does that grow with the cluster? Nanoseconds by the kernel's own
 * count (bpf_prog_info run_time_ns), one run a frame, less what an empty program is counted with; for a cluster of 10
 * policies and one of 10,000, interleaved.
 */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { BpfObject } from '../src/kernel/bpf-object.ts';
import { compileBpfText } from '../test/support/bpf/compile.ts';
import { type ClusterSize, LARGE, SMALL } from './support/cluster.ts';
import { compiledTool } from './support/compiled-tool.ts';
import { atMost, type Figure, plainFigure, ratioFigure } from './support/figure.ts';
import { FRAME_BYTES, framesOf, makeRandom, type Random, randomTuples, shuffled, TcpFlag } from './support/frames.ts';
import type { Question, QuestionOptions } from './support/question.ts';
import { interleave } from './support/rounds.ts';
import { compileWith, type LoadedBeside, pinProgram, TableHost } from './support/table-host.ts';

const FLOWS = 10_000;
/** More than the table of unanswered flows holds: from then on every new flow evicts one, as on a busy node. */
const WARM_UP_FLOWS = 80_000;
const HOT_REPEATS = 1_000_000;
const SEED = 20_261_124;

interface Run {
  readonly frames: number;
  readonly runs: number;
  readonly nanoseconds: number;
  readonly passed: number;
  readonly redirected: number;
  readonly dropped: number;
}

interface Sample {
  readonly established: number;
  readonly opening: number;
  readonly hot: number;
}

interface How {
  /** To the endpoint instead of from it. */
  readonly isReply?: boolean;
  /** Runs of each frame. */
  readonly repeat?: number;
}

/** A cluster in the kernel, with the flows of one endpoint. */
class Bench {
  readonly size: ClusterSize;
  readonly #host: TableHost;
  readonly #programs: LoadedBeside;
  readonly #random: Random = makeRandom(SEED);
  readonly #flows: ReturnType<typeof randomTuples>;

  constructor(size: ClusterSize, host: TableHost) {
    this.size = size;
    this.#host = host;
    this.#programs = host.loadPrograms('timed');
    this.#flows = randomTuples(size, FLOWS, this.#random);
    this.#send(this.#programs.fromPod, randomTuples(size, WARM_UP_FLOWS, this.#random), TcpFlag.SYN);
    this.#establish(this.#programs);
  }

  /** Mean nanoseconds of a packet of one of 10,000 flows, in random order. */
  established(): number {
    return perRun(this.#send(this.#programs.fromPod, shuffled(this.#flows, this.#random), TcpFlag.ACK));
  }

  /** Mean nanoseconds of the first packet of a flow never seen before. */
  opening(): number {
    const tuples = randomTuples(this.size, FLOWS, this.#random);
    return perRun(this.#send(this.#programs.fromPod, tuples, TcpFlag.SYN));
  }

  /** One packet again and again: everything it needs is in the nearest cache. */
  hot(): number {
    return perRun(this.#send(this.#programs.fromPod, this.#flows.slice(0, 1), TcpFlag.ACK, { repeat: HOT_REPEATS }));
  }

  /** Mean look-ups of a packet, counted by the same programs with a counter at every call. */
  lookups(counting: Uint8Array): { established: number; opening: number } {
    const programs = this.#host.loadPrograms('counting', counting);
    const counted = (run: () => Run): number => {
      const before = readLookups(programs.object);
      const { runs } = run();
      return (readLookups(programs.object) - before) / runs;
    };
    return {
      established: counted(() => this.#send(programs.fromPod, this.#flows, TcpFlag.ACK)),
      opening: counted(() => this.#send(programs.fromPod, randomTuples(this.size, FLOWS, this.#random), TcpFlag.SYN)),
    };
  }

  /** An empty program on the same number of frames. */
  runEmpty(pin: string): number {
    return perRun(this.#send(pin, this.#flows, TcpFlag.ACK));
  }

  pinPath(name: string): string {
    return join(this.#host.pinRoot, name);
  }

  get #wiring(): TableHost['wirings'][number] {
    return this.#host.wirings[0]!;
  }

  #establish(programs: LoadedBeside): void {
    this.#send(programs.fromPod, this.#flows, TcpFlag.SYN);
    this.#send(programs.toPod, this.#flows, TcpFlag.SYN | TcpFlag.ACK, { isReply: true });
  }

  /** @throws Error when a frame did not pass: all of these flows are allowed. */
  #send(pin: string, tuples: ReturnType<typeof randomTuples>, flags: number, how: How = {}): Run {
    const { isReply = false, repeat = 1 } = how;
    const input = framesOf(tuples, this.#wiring, flags, isReply);
    const inside = [`--net=${this.#host.netns.path}`, compiledTool('run-frames'), pin];
    const command = [...inside, String(this.#wiring.ifindex), String(FRAME_BYTES), String(repeat)];
    const run = JSON.parse(execFileSync('nsenter', command, { input, encoding: 'utf8' })) as Run;
    if (run.passed + run.redirected !== tuples.length) {
      throw new Error(`${this.size.name}: of ${tuples.length} frames ${run.dropped} were dropped`);
    }
    return run;
  }
}

function perRun({ nanoseconds, runs }: Run): number {
  return nanoseconds / runs;
}

function readLookups(object: BpfObject): number {
  const value = object.map('.bss').lookup(new Uint8Array(4));
  if (value === undefined) throw new Error('the counting programs have no counter');
  return Number(new DataView(value.buffer, value.byteOffset).getBigUint64(0, true));
}

async function measure({ rounds, tell }: QuestionOptions, benches: readonly Bench[]): Promise<readonly Figure[]> {
  const [small, large] = benches as readonly [Bench, Bench];
  using empty = BpfObject.load({ source: compileBpfText(EMPTY_PROGRAM), name: 'empty' });
  const emptyPin = pinProgram(empty.program('empty'), small.pinPath('empty'));
  tell(`${rounds} rounds of ${FLOWS} packets a cluster and kind`);
  const sample = (bench: Bench) => (): Sample => {
    const cost = bench.runEmpty(emptyPin);
    return { established: bench.established() - cost, opening: bench.opening() - cost, hot: bench.hot() - cost };
  };
  const results = await interleave(
    benches.map((bench) => ({ name: bench.size.name, run: sample(bench) })),
    rounds,
  );
  const column = (bench: Bench, key: keyof Sample): number[] =>
    results.get(bench.size.name)!.map((value) => value[key]);
  const against = (key: keyof Sample): { name: string; samples: number[] } => ({
    name: '10 policies',
    samples: column(small, key),
  });
  const counting = compileWith(join(import.meta.dirname, 'support/counted-lookups.h'));
  const [few, many] = [small.lookups(counting), large.lookups(counting)];
  const unit = 'ns';
  return [
    ratioFigure(
      { name: 'established', unit, must: atMost(1.15) },
      column(large, 'established'),
      against('established'),
    ),
    ratioFigure(
      { name: 'new flow', unit, must: atMost(2), aim: atMost(1.5) },
      column(large, 'opening'),
      against('opening'),
    ),
    ratioFigure({ name: 'one packet, hot', unit }, column(large, 'hot'), against('hot')),
    ...(['established', 'opening'] as const).map((kind) =>
      ratioFigure(
        { name: `look-ups, ${kind === 'opening' ? 'new flow' : kind}`, unit: '', must: atMost(1.01) },
        [many[kind]],
        { name: '10 policies', samples: [few[kind]] },
      ),
    ),
    plainFigure({ name: 'empty program', unit }, [small.runEmpty(emptyPin)]),
  ];
}

const EMPTY_PROGRAM = `
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
SEC("tc") int empty(struct __sk_buff *skb) { return -1; }
char LICENSE[] SEC("license") = "GPL";
`;

export const question: Question = {
  name: 'packet-cost',
  asks: `What does a packet cost in the programs, and does it grow with the cluster (${LARGE.name})?`,
  run: async (options) => {
    options.tell('loading the tables of both clusters');
    await using small = await TableHost.open(SMALL);
    await using large = await TableHost.open(LARGE);
    await small.load(SMALL);
    await large.load(LARGE);
    return await measure(options, [new Bench(SMALL, small), new Bench(LARGE, large)]);
  },
};
