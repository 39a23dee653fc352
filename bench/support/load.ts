/** The load generator in the namespaces of a pair. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpus } from 'node:os';
import type { Ledger } from '../../test/support/ledger.ts';
import { runCommand } from '../../test/support/run-command.ts';
import { compiledTool } from './compiled-tool.ts';
import type { Pair } from './pairs.ts';
import { SERVER_PORT } from './policies.ts';

export interface Throughput {
  readonly bytes: number;
  readonly seconds: number;
  /** User and system time of both ends. */
  readonly cpu_seconds: number;
}

export interface PingPong {
  readonly exchanges: number;
  readonly p50_ns: number;
  readonly p99_ns: number;
}

export interface Connections {
  readonly connections: number;
  readonly seconds: number;
}

interface Answers {
  readonly send: Throughput;
  readonly ping: PingPong;
  readonly connect: Connections;
}

/** Client and server on a CPU each. */
const CLIENT_CPU = 0;
const SERVER_CPU = 1;
const READY_TIMEOUT_MS = 5_000;

/** Starts the server in the pair's server namespace; it ends with the ledger. */
export async function startLoadServer(ledger: Ledger, pair: Pair): Promise<void> {
  const command = ['--pdeathsig', 'KILL', 'nsenter', `--net=${pair.server.path}`, compiledTool('load')];
  const child = spawn('setpriv', [...command, 'serve', String(SERVER_PORT), String(cpu(SERVER_CPU))], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(child, 'spawn');
  ledger.addProcess(`load server of ${pair.name}`, child.pid ?? 0, () => isRunning(child));
  const signal = AbortSignal.timeout(READY_TIMEOUT_MS);
  await once(child.stdout, 'data', { signal });
}

/** One measurement of that many milliseconds. @throws Error with what the generator said. */
export async function runLoad<K extends keyof Answers>(kind: K, pair: Pair, ms: number): Promise<Answers[K]> {
  const where = [pair.serverAddress, String(SERVER_PORT), String(cpu(CLIENT_CPU)), String(ms)];
  const text = await runCommand(compiledTool('load'), [kind, ...where], { netns: pair.client });
  return JSON.parse(text) as Answers[K];
}

function cpu(wanted: number): number {
  return wanted % cpus().length;
}

function isRunning(child: ChildProcess): boolean {
  return child.exitCode === null && child.signalCode === null;
}
