/** An agent that a test starts by a command of its own, in a namespace that stands for the node. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { AgentClient } from './agent-client.ts';
import type { Ledger } from './ledger.ts';
import type { TestNetns } from './netns.ts';

const WAIT_MS = 20_000;
const POLL_MS = 20;

export class AgentRun {
  readonly client: AgentClient;
  readonly #child: ChildProcess;
  readonly #lines: string[] = [];

  private constructor(child: ChildProcess, socketPath: string) {
    this.client = new AgentClient(socketPath);
    this.#child = child;
    for (const stream of [child.stdout, child.stderr]) {
      if (stream !== null) createInterface(stream).on('line', (line) => this.#lines.push(line));
    }
  }

  static start(ledger: Ledger, node: TestNetns, command: readonly string[], socketPath: string): AgentRun {
    const child = spawn('nsenter', [`--net=${node.path}`, ...command], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const agent = new AgentRun(child, socketPath);
    ledger.addProcess('agent', child.pid ?? 0, () => agent.#isRunning);
    return agent;
  }

  /** What it wrote, for when a test fails. */
  text(): string {
    return this.#lines.join('\n');
  }

  /** Returns when it says so itself. @throws Error with its log when it ends or is not ready in time. */
  async ready(): Promise<void> {
    await this.#until('is not ready', async () => {
      try {
        return ((await this.client.get('/v1/status')) as { ready?: boolean }).ready === true;
      } catch {
        return false;
      }
    });
  }

  /** Returns when its log has that message. */
  async logged(message: string): Promise<void> {
    await this.#until(`has not logged ${message}`, async () => this.text().includes(message));
  }

  /** SIGTERM. Returns its exit code, or null when a signal ended it. */
  async end(): Promise<number | null> {
    const ended = once(this.#child, 'close', { signal: AbortSignal.timeout(WAIT_MS) });
    this.#child.kill('SIGTERM');
    await ended;
    return this.#child.exitCode;
  }

  get #isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  async #until(failure: string, isSo: () => Promise<boolean>): Promise<void> {
    const deadline = performance.now() + WAIT_MS;
    while (!(await isSo())) {
      if (!this.#isRunning || performance.now() > deadline) throw new Error(`the agent ${failure}\n${this.text()}`);
      await delay(POLL_MS);
    }
  }
}
