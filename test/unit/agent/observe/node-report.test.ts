import { describe, expect, test } from 'vitest';
import { judgeHealth } from '../../../../src/agent/observe/health.ts';
import { NodeReport } from '../../../../src/agent/observe/node-report.ts';
import type { AgentStatus } from '../../../../src/agent/status.ts';
import type { ApiWrite } from '../../../../src/cluster/kubernetes/transport.ts';
import { MemoryLog } from '../../cni/memory-log.ts';
import { WELL } from '../../commands/sample-status.ts';
import { FakeClock } from '../../lib/fake-clock.ts';

class World {
  status: AgentStatus = WELL;
  failure: Error | undefined;
  readonly clock = new FakeClock();
  readonly log = new MemoryLog();
  readonly writes: { path: string; annotations: Record<string, string> }[] = [];

  report(): NodeReport {
    return new NodeReport({
      namespace: 'sluice-system',
      pod: 'sluice-x1',
      look: () => ({ state: this.status, health: judgeHealth({ state: this.status, waitingMs: 0 }) }),
      write: async (path: string, { body }: ApiWrite) => {
        if (this.failure !== undefined) throw this.failure;
        this.writes.push({ path, annotations: JSON.parse(body).metadata.annotations });
      },
      clock: this.clock,
      random: () => 0.5,
      log: this.log,
    });
  }

  async pass(ms: number): Promise<void> {
    for (let left = ms; left >= 0; left -= 1000) {
      this.clock.advance(left === 0 ? 0 : 1000);
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
}

describe('the report of a node', () => {
  test('stands on the agent’s own pod: state, generation, freshness', async () => {
    const world = new World();
    await using _ = world.report();
    await world.pass(0);
    expect(world.writes).toEqual([
      {
        path: '/api/v1/namespaces/sluice-system/pods/sluice-x1',
        annotations: {
          'sluice.dev/state': 'ready',
          'sluice.dev/source-as-of': WELL.source.asOf,
          'sluice.dev/realized-generation': '3',
        },
      },
    ]);
  });

  test('is written when something changed, else once a minute', async () => {
    const world = new World();
    await using _ = world.report();
    await world.pass(50_000);
    expect(world.writes).toHaveLength(1);
    await world.pass(20_000);
    expect(world.writes).toHaveLength(2);
    world.status = { ...WELL, podCIDRs: [] };
    await world.pass(15_000);
    expect(world.writes).toHaveLength(3);
    expect(world.writes.at(-1)?.annotations['sluice.dev/state']).toBe(
      'node n1 has no podCIDR: no pod can get an address',
    );
  });

  test('a server that refuses is a line of the log, once, and is asked again', async () => {
    const world = new World();
    world.failure = new Error('forbidden');
    await using _ = world.report();
    await world.pass(40_000);
    expect(world.log.lines).toHaveLength(1);
    world.failure = undefined;
    await world.pass(20_000);
    expect(world.writes).toHaveLength(1);
  });
});
