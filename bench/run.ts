/**
 * `node bench/run.ts [NAME...] [--json] [--rounds N]`: measures, and says how each figure stands to what was asked for. A
 * figure that falls short is shown as such and does not fail the run: only what could not be measured does.
 */
import { loadavg } from 'node:os';
import { parseArgs, styleText } from 'node:util';
import { errorMessage } from '../src/lib/errors.ts';
import type { Figure } from './support/figure.ts';
import { describeMachine, formatMachine } from './support/machine.ts';
import type { Question } from './support/question.ts';
import { ROUNDS_DEFAULT, ROUNDS_MAX, ROUNDS_MIN } from './support/rounds.ts';
import { renderMarkdown, renderTable } from './support/table.ts';

/** Each is imported only when it is asked. */
const QUESTIONS: Readonly<Record<string, () => Promise<{ readonly question: Question }>>> = {
  'same-node': () => import('./same-node.ts'),
  'packet-cost': () => import('./packet-cost.ts'),
  'policy-memory': () => import('./policy-memory.ts'),
  cni: () => import('./cni.ts'),
  agent: () => import('./agent.ts'),
  compiler: () => import('./compiler.ts'),
  service: () => import('./service.ts'),
  'dry-run': () => import('./dry-run.ts'),
};

const USAGE = `Usage: node bench/run.ts [NAME...] [--json | --markdown] [--rounds N]\nNames: ${Object.keys(QUESTIONS).join(', ')}`;

interface Answer {
  readonly question: string;
  readonly asks: string;
  readonly seconds: number;
  /** Runnable processes at the end, mean of the last minute: more than there are CPUs, and others took part. */
  readonly load: number;
  readonly figures: readonly Figure[];
}

interface Command {
  readonly names: readonly string[];
  readonly rounds: number;
  readonly format: 'table' | 'json' | 'markdown';
}

/** @throws Error that says what would be right. */
function readCommand(): Command {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { json: { type: 'boolean' }, markdown: { type: 'boolean' }, rounds: { type: 'string' } },
  });
  for (const name of positionals) {
    if (!(name in QUESTIONS)) throw new Error(`there is no question ${JSON.stringify(name)}\n${USAGE}`);
  }
  const rounds = Number(values.rounds ?? ROUNDS_DEFAULT);
  if (!Number.isInteger(rounds) || rounds < ROUNDS_MIN || rounds > ROUNDS_MAX) {
    throw new Error(`--rounds ${values.rounds}: use a whole number from ${ROUNDS_MIN} to ${ROUNDS_MAX}\n${USAGE}`);
  }
  const format = values.json === true ? 'json' : values.markdown === true ? 'markdown' : 'table';
  return { names: positionals.length > 0 ? positionals : Object.keys(QUESTIONS), rounds, format };
}

async function ask(name: string, rounds: number): Promise<Answer> {
  const { question } = await QUESTIONS[name]!();
  const tell = (line: string): void => console.error(styleText('dim', `${name}: ${line}`, { stream: process.stderr }));
  const start = performance.now();
  const figures = await question.run({ rounds, tell });
  const seconds = Math.round((performance.now() - start) / 1000);
  return { question: name, asks: question.asks, seconds, load: loadavg()[0] ?? 0, figures };
}

function print({ question, asks, seconds, load, figures }: Answer, format: 'table' | 'markdown'): void {
  const isTable = format === 'table';
  const cost = `${seconds} s, load ${load.toFixed(1)}`;
  console.log(isTable ? `\n${question} (${cost}): ${asks}` : `\n## ${question}\n\n${asks} (${cost})\n`);
  console.log(isTable ? renderTable(figures) : renderMarkdown(figures));
}

async function main(): Promise<number> {
  const { names, rounds, format } = readCommand();
  if (process.getuid?.() !== 0) {
    throw new Error('the benchmarks make network namespaces and load eBPF programs: run them as root');
  }
  const machine = describeMachine();
  if (format !== 'json') console.log(formatMachine(machine));
  const answers: Answer[] = [];
  let failures = 0;
  for (const name of names) {
    try {
      const answer = await ask(name, rounds);
      answers.push(answer);
      if (format !== 'json') print(answer, format);
    } catch (error) {
      failures += 1;
      console.error(error instanceof Error ? error.stack : errorMessage(error));
    }
  }
  if (format === 'json') console.log(JSON.stringify({ machine, rounds, answers }, undefined, 2));
  return failures === 0 ? 0 : 1;
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(errorMessage(error));
  process.exitCode = 2;
}
