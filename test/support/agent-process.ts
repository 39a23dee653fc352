/** One agent as a child process in its node's network namespace, with its log kept for when a test fails. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { AgentClient } from './agent-client.ts';
import type { Ledger } from './ledger.ts';
import type { TestNetns } from './netns.ts';

const ROOT = join(import.meta.dirname, '../..');
const NODE = join(ROOT, 'node_modules/.bin/node');
const LOG_LINES_KEPT = 2_000;
const READY_TIMEOUT_MS = 20_000;
const READY_POLL_MS = 20;
const STOP_TIMEOUT_MS = 10_000;

export interface AgentOptions {
  readonly nodeName: string;
  readonly nodeNetns: TestNetns;
  readonly instance: string;
  readonly manifests: string;
  /** Instead of the manifests. */
  readonly source?: string;
  /** Whether the start returns when requests are answered, or only when the first tables are in force. @default ready */
  readonly until?: 'ready' | 'answering';
  readonly runDir: string;
  readonly stateDir: string;
  readonly bpfRoot: string;
  readonly attach: 'auto' | 'tcx' | 'clsact';
  /** Further options of the command line. @default none */
  readonly settings?: readonly string[];
  /** The tree of the build to run. @default this one */
  readonly build?: string;
  /** A module that is loaded before the agent's own. */
  readonly preload?: string;
  readonly env?: Readonly<Record<string, string>>;
}

export class AgentProcess {
  readonly name: string;
  readonly client: AgentClient;
  readonly #child: ChildProcess;
  readonly #log: string[] = [];

  private constructor(options: AgentOptions, child: ChildProcess) {
    this.name = options.nodeName;
    this.client = new AgentClient(join(options.runDir, options.instance, 'agent.sock'));
    this.#child = child;
    for (const stream of [child.stdout, child.stderr]) {
      if (stream !== null) createInterface(stream).on('line', (line) => this.#keep(line));
    }
  }

  /**
   * Returns when it says that it is ready, or answers.
   * @throws Error with the end of its log when it ends, or is not ready in time.
   */
  static async start(ledger: Ledger, options: AgentOptions): Promise<AgentProcess> {
    // An agent does not outlive the tests, also when those are killed.
    const wrappers = ['--pdeathsig', 'KILL', 'nsenter', `--net=${options.nodeNetns.path}`];
    const preload = options.preload === undefined ? [] : ['--import', options.preload];
    const child = spawn('setpriv', [...wrappers, NODE, ...preload, ...agentArguments(options)], {
      cwd: options.build ?? ROOT,
      env: { ...process.env, ...options.env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const agent = new AgentProcess(options, child);
    await once(child, 'spawn');
    ledger.addProcess(`agent of ${options.nodeName}`, child.pid ?? 0, () => agent.isRunning);
    try {
      await agent.#become(options.until ?? 'ready');
    } catch (error) {
      child.kill('SIGKILL');
      throw error;
    }
    return agent;
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** SIGTERM: it lets go of everything but what it enforces. @throws Error when it does not end with 0. */
  async stop(): Promise<void> {
    await this.#end('SIGTERM');
    if (this.#child.exitCode !== 0) {
      throw new Error(
        `agent of ${this.name} ended with ${this.#child.exitCode ?? this.#child.signalCode}\n${this.logTail()}`,
      );
    }
  }

  /** SIGKILL: it gets no chance to do anything. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL');
  }

  /** The last lines of its log, readable. */
  logTail(lines = 40): string {
    return this.#log.slice(-lines).map(readableLine).join('\n');
  }

  async #end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    if (!this.isRunning) return;
    const ended = once(this.#child, 'exit');
    this.#child.kill(signal);
    const cancel = new AbortController();
    const late = delay(STOP_TIMEOUT_MS, 'late', { signal: cancel.signal }).catch(() => 'ended');
    if ((await Promise.race([ended, late])) === 'late') {
      this.#child.kill('SIGKILL');
      throw new Error(`agent of ${this.name} did not end in ${STOP_TIMEOUT_MS} ms after ${signal}\n${this.logTail()}`);
    }
    cancel.abort();
  }

  async #become(state: 'ready' | 'answering'): Promise<void> {
    const deadline = performance.now() + READY_TIMEOUT_MS;
    let last = 'no answer yet';
    while (performance.now() < deadline) {
      if (!this.isRunning) throw new Error(`agent of ${this.name} ended before it was ready\n${this.logTail()}`);
      try {
        const status = (await this.client.get('/v1/status')) as { ready?: boolean };
        if (status.ready === true || state === 'answering') return;
        last = JSON.stringify(status);
      } catch (error) {
        last = String(error);
      }
      await delay(READY_POLL_MS);
    }
    throw new Error(`agent of ${this.name} is not ready after ${READY_TIMEOUT_MS} ms: ${last}\n${this.logTail()}`);
  }

  #keep(line: string): void {
    this.#log.push(line);
    if (this.#log.length > LOG_LINES_KEPT) this.#log.shift();
  }
}

function agentArguments(options: AgentOptions): string[] {
  return [
    'src/main.ts',
    'agent',
    '--source',
    options.source ?? `manifests:${options.manifests}`,
    '--node',
    options.nodeName,
    '--instance',
    options.instance,
    '--run-dir',
    options.runDir,
    '--state-dir',
    options.stateDir,
    '--bpf-root',
    options.bpfRoot,
    '--attach',
    options.attach,
    '--log-level',
    'info',
    ...(options.settings ?? []),
  ];
}

function readableLine(line: string): string {
  try {
    const { level, time, msg, pid: _pid, hostname: _hostname, ...rest } = JSON.parse(line) as Record<string, unknown>;
    return `${String(time)} ${String(level)} ${String(msg)} ${JSON.stringify(rest)}`;
  } catch {
    return line;
  }
}
