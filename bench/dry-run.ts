/**
 * What does an answer about a large cluster cost before anything is applied: all pairs of pods, one explanation, memory?
 * Each sample is a process of its own; the generator is described in support/dry-run-cluster.ts.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { MUTUAL, WIDE, wideManifests } from './support/dry-run-cluster.ts';
import type { Sample } from './support/dry-run-process.ts';
import { atMost, type Figure, plainFigure, ratioFigure } from './support/figure.ts';
import type { Question, QuestionOptions } from './support/question.ts';
import { interleave } from './support/rounds.ts';

const PROCESS = join(import.meta.dirname, 'support/dry-run-process.ts');
const MAIN = join(import.meta.dirname, '../src/main.ts');
/** Samples of seconds; those of the YAML take a minute each. */
const ROUNDS_MAX = 5;
const YAML_ROUNDS_MAX = 3;
/** Objects of one file, below YAML_BYTES_MAX. */
const OBJECTS_PER_FILE = 2_000;
const OUTPUT_BYTES_MAX = 1_048_576;

function sample(name: string, argument = ''): Sample {
  const text = execFileSync(process.execPath, ['--expose-gc', PROCESS, name, argument], { encoding: 'utf8' });
  return JSON.parse(text) as Sample;
}

async function measureAnswers({ rounds, tell }: QuestionOptions): Promise<readonly Figure[]> {
  const times = Math.min(rounds, ROUNDS_MAX);
  tell(`${times} rounds of all pairs of ${WIDE.name}; and of ${MUTUAL.name}`);
  const names = ['wide', 'mutual', 'mutual-node', 'mutual-named', 'mutual-named-node', 'snapshot'] as const;
  const found = await interleave(
    names.map((name) => ({ name, run: () => sample(name) })),
    times,
  );
  const of = (name: (typeof names)[number], field: keyof Sample): readonly number[] =>
    found.get(name)!.map((each) => each[field]);
  const memory = { unit: 'MiB', note: 'peak of the process beyond the input' };
  return [
    plainFigure({ name: 'all pairs', unit: 'ms', must: atMost(2_000), aim: atMost(1_000) }, of('wide', 'ms')),
    plainFigure({ name: 'all pairs, memory', must: atMost(400), aim: atMost(300), ...memory }, of('wide', 'mib')),
    plainFigure({ name: 'all selecting each other', unit: 'ms', must: atMost(2_000) }, of('mutual', 'ms')),
    plainFigure({ name: 'all selecting each other, memory', must: atMost(400), ...memory }, of('mutual', 'mib')),
    plainFigure({ name: 'all selecting each other, rows of a node', unit: 'rows' }, of('mutual-node', 'count')),
    plainFigure({ name: 'each naming each', unit: 'ms', must: atMost(2_000) }, of('mutual-named', 'ms')),
    plainFigure({ name: 'each naming each, memory', must: atMost(400), ...memory }, of('mutual-named', 'mib')),
    plainFigure({ name: 'each naming each, rows of a node', unit: 'rows' }, of('mutual-named-node', 'count')),
    plainFigure({ name: 'a remote pod in the snapshot', unit: 'bytes', must: atMost(300) }, of('snapshot', 'count')),
  ];
}

/** The whole command, from the start of the process, beside parsing the same files and nothing else. */
async function measureExplain({ rounds, tell }: QuestionOptions): Promise<readonly Figure[]> {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-bench-'));
  try {
    const bytes = writeManifests(folder);
    const times = Math.min(rounds, YAML_ROUNDS_MAX);
    tell(`${times} rounds of explain and of parsing ${Math.round(bytes / 1e6)} MB of YAML`);
    const found = await interleave(
      [
        { name: 'explain', run: () => explainMs(folder) },
        { name: 'parse', run: () => sample('parse', folder).ms },
      ],
      times,
    );
    const reference = { name: 'parsing the YAML', samples: found.get('parse')! };
    return [ratioFigure({ name: 'one explain', unit: 'ms', must: atMost(1.2) }, found.get('explain')!, reference)];
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function explainMs(folder: string): number {
  const question = ['--from', 'ns-0/pod-0', '--to', 'ns-0/pod-5000', '--port', 'http'];
  const start = performance.now();
  try {
    execFileSync(process.execPath, [MAIN, 'explain', '-f', folder, ...question], {
      maxBuffer: OUTPUT_BYTES_MAX,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  } catch (error) {
    // 1: the answer is no.
    if (!(error instanceof Error && 'status' in error && error.status === 1)) throw error;
  }
  return performance.now() - start;
}

/** Returns the bytes written. */
function writeManifests(folder: string): number {
  let [files, bytes] = [0, 0];
  let objects: string[] = [];
  const flush = (): void => {
    const text = objects.join('---\n');
    writeFileSync(join(folder, `part-${files++}.yaml`), text);
    bytes += text.length;
    objects = [];
  };
  for (const object of wideManifests()) {
    objects.push(stringify(object, { aliasDuplicateObjects: false }));
    if (objects.length === OBJECTS_PER_FILE) flush();
  }
  if (objects.length > 0) flush();
  return bytes;
}

export const question: Question = {
  name: 'dry-run',
  asks: `What does an answer before anything is applied cost (${WIDE.name})?`,
  run: async (options) => [...(await measureAnswers(options)), ...(await measureExplain(options))],
};
