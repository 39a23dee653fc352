import { expect, test } from 'vitest';
import { flowsForMemory, readFlowSettings } from '../../../src/agent/flow-settings.ts';

const GIB = 2 ** 30;

test('tables follow the memory, within bounds', () => {
  expect(flowsForMemory(GIB / 4)).toBe(16_384);
  expect(flowsForMemory(24 * GIB)).toBe(262_144);
  expect(flowsForMemory(1024 * GIB)).toBe(1_048_576);
});

test('one endpoint may have an eighth of the flows, unanswered ones get a quarter more', () => {
  const { liveFlows, newFlows, endpointFlows, constants } = readFlowSettings(65_536, {}, GIB);
  expect({ liveFlows, newFlows, endpointFlows }).toEqual({ liveFlows: 65_536, newFlows: 16_384, endpointFlows: 8192 });
  expect(constants).toMatchObject({ endpoint_flows_max: 8192n, tcp_live_timeout_ns: 86_400_000_000_000n });
});

test('timeouts by name', () => {
  const { constants } = readFlowSettings('auto', { tcp: 3600, 'other-opening': 5 }, GIB);
  expect(constants).toMatchObject({
    tcp_live_timeout_ns: 3_600_000_000_000n,
    other_opening_timeout_ns: 5_000_000_000n,
  });
  expect(constants).toMatchObject({ other_live_timeout_ns: 180_000_000_000n });
});
