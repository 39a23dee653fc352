/** The agent is killed at every program (iptables) that its start runs; the next start makes routes and rules as from nothing. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { AgentBench, NAMESPACE_YAML, NODE_YAML } from './agent-bench.ts';

const TEST_MS = 300_000;
const PROGRAMS_MAX = 100;
const KILLER = new URL('../support/kill-at-program.ts', import.meta.url).href;
const TOOLS = ['iptables-nft', 'ip6tables-nft'] as const;
const TABLES = ['filter', 'nat', 'mangle', 'raw'] as const;

let bench: AgentBench;

beforeEach(() => {
  bench = new AgentBench();
  bench.apply('base.yaml', [NODE_YAML, NAMESPACE_YAML].join('---'));
});
afterEach(() => bench[Symbol.dispose]());

/** Rules and routes without comments and counters. */
function routingState(): string[] {
  const shown = [
    ...TOOLS.map((tool) => [`${tool}-save`]),
    ['ip', 'rule'],
    ['ip', '-6', 'rule'],
    ['ip', 'route', 'show', 'table', 'all'],
    ['ip', '-6', 'route', 'show', 'table', 'all'],
  ].map(([program = '', ...args]) => bench.node.exec(program, ...args));
  return shown.flatMap((text) =>
    text
      .split('\n')
      .filter((line) => !line.startsWith('#'))
      .map((line) => line.replace(/\[\d+:\d+\]/, '').trim())
      .toSorted(),
  );
}

function removeRules(): void {
  for (const tool of TOOLS) {
    for (const table of TABLES) {
      bench.node.exec(tool, '-t', table, '-F');
      bench.node.exec(tool, '-t', table, '-X');
    }
  }
}

/** Whether it was killed before it was ready. */
async function isKilledAt(program: number): Promise<boolean> {
  try {
    const agent = await bench.startWith(`${KILLER}?n=${program}`);
    await agent.end('SIGKILL');
    return false;
  } catch (error) {
    if (error instanceof Error && error.message.startsWith('the agent is not ready')) return true;
    throw error;
  }
}

/** What there is when an agent has started and nothing is in its way. */
async function stateOfWholeStart(): Promise<string[]> {
  const agent = await bench.start();
  await agent.client.sync();
  await agent.end('SIGTERM');
  return routingState();
}

test(
  'killed at every program of a start, the next start makes routes and rules as from nothing',
  { timeout: TEST_MS, retry: 0 },
  async () => {
    const whole = await stateOfWholeStart();
    expect(whole.filter((line) => line.includes('SLUICE'))).not.toEqual([]);
    for (let program = 1; ; program++) {
      expect(program).toBeLessThan(PROGRAMS_MAX);
      removeRules();
      if (!(await isKilledAt(program))) {
        expect(program).toBeGreaterThan(TOOLS.length);
        return;
      }
      expect(await stateOfWholeStart(), `killed at program ${program}`).toEqual(whole);
    }
  },
);
