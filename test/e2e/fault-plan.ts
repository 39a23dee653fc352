/** The test's side of agent-faults.ts. */
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { vi } from 'vitest';
import type { AgentBench, BenchAgent } from './agent-bench.ts';

const MODULE = join(import.meta.dirname, 'agent-faults.ts');

export class FaultPlan {
  readonly #bench: AgentBench;
  readonly #path: string;

  constructor(bench: AgentBench) {
    this.#bench = bench;
    this.#path = bench.path('fault-plan');
  }

  /** An agent that follows the plan. */
  async start(): Promise<BenchAgent> {
    vi.stubEnv('FAULT_PLAN', this.#path);
    try {
      return await this.#bench.startWith(MODULE);
    } finally {
      vi.unstubAllEnvs();
    }
  }

  /** From now on; `undefined`: nothing fails. */
  set(plan: `throw ${number}` | `kill ${number}` | 'count' | undefined): void {
    if (plan === undefined) {
      rmSync(this.#path, { force: true });
      return;
    }
    writeFileSync(`${this.#path}.new`, plan);
    renameSync(`${this.#path}.new`, this.#path);
  }

  /** Native calls of the agent while `work` runs. */
  async count(work: () => Promise<unknown>): Promise<number> {
    this.set('count');
    await work();
    this.set(undefined);
    return existsSync(`${this.#path}.count`) ? Number(readFileSync(`${this.#path}.count`, 'utf8')) : 0;
  }
}
