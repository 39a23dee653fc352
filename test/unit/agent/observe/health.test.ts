import { describe, expect, test } from 'vitest';
import { healthText, judgeHealth, STEP_MS_MAX, WaitClock } from '../../../../src/agent/observe/health.ts';
import type { AgentStatus } from '../../../../src/agent/status.ts';
import { WELL } from '../../commands/sample-status.ts';

function judge(part: Partial<AgentStatus>, waitingMs = 0): ReturnType<typeof judgeHealth> {
  return judgeHealth({ state: { ...WELL, ...part }, waitingMs });
}

describe('health', () => {
  test('an agent for which all is well is healthy and ready', () => {
    expect(judge({})).toEqual({ unhealthy: [], notReady: [] });
  });

  test('an API server that is away makes it neither unhealthy nor unready: the last state stays enforced', () => {
    const source = { synced: true, asOf: WELL.source.asOf, fault: 'Pod: the API server cannot be reached' };
    expect(judge({ source })).toEqual({ unhealthy: [], notReady: [] });
  });

  test('before the first sync it is healthy, not ready, and says why', () => {
    const source = { synced: false, asOf: WELL.source.asOf, fault: 'Node: forbidden' };
    const health = judge({ ready: false, source });
    expect(health.unhealthy).toEqual([]);
    expect(health.notReady).toEqual(['the desired state was not seen whole yet: Node: forbidden']);
  });

  test('tables that could not be brought in force are told with their reason', () => {
    const health = judge({ tables: { ...WELL.tables, failure: 'LIMIT_ROWS: 9 needed, 8 there' } });
    expect(health.unhealthy).toEqual([]);
    expect(health.notReady).toEqual(['the newest state is not in force: LIMIT_ROWS: 9 needed, 8 there']);
  });

  test('a node without podCIDR is not ready', () => {
    expect(judge({ podCIDRs: [] }).notReady).toEqual(['node n1 has no podCIDR: no pod can get an address']);
  });

  test('a step that never ends makes it unhealthy, a long one does not', () => {
    expect(judge({}, STEP_MS_MAX).unhealthy).toEqual([]);
    const { unhealthy, notReady } = judge({}, STEP_MS_MAX + 1000);
    expect(unhealthy).toEqual(['changes have been waiting for 121 s, and no step has ended']);
    expect(notReady).toEqual(unhealthy);
  });

  test('steps that fail are no reason to start the process anew', () => {
    expect(judge({ tables: { ...WELL.tables, failure: 'no' } }, STEP_MS_MAX * 2).unhealthy).toEqual([]);
  });

  test('the text has a reason a line', () => {
    expect(healthText([])).toBe('ok\n');
    expect(healthText(['a', 'b'])).toBe('a\nb\n');
  });
});

describe('the time that changes wait', () => {
  test('counts from the first look that sees no progress', () => {
    const clock = new WaitClock();
    expect(clock.look({ ...WELL.tables, submitted: 4, realized: 4 }, 1000)).toBe(0);
    expect(clock.look({ ...WELL.tables, submitted: 5, realized: 4 }, 2000)).toBe(1000);
    expect(clock.look({ ...WELL.tables, submitted: 6, realized: 4 }, 5000)).toBe(4000);
    expect(clock.look({ ...WELL.tables, submitted: 6, realized: 5 }, 6000)).toBe(0);
    expect(clock.look({ ...WELL.tables, submitted: 6, realized: 6 }, 9000)).toBe(0);
  });
});
