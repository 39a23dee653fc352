import { expect, test } from 'vitest';
import { podMtuOf } from '../../../../src/agent/routing/mtu.ts';
import type { PlannedTunnel } from '../../../../src/agent/routing/plan.ts';
import { ROUTING_DEFAULTS, type RoutingMode } from '../../../../src/agent/routing/settings.ts';
import type { UnderlayView, Uplink } from '../../../../src/agent/routing/underlay.ts';

const VIEW: UnderlayView = {
  links: [
    { index: 2, name: 'eth0', mtu: 9000 },
    { index: 3, name: 'eth1', mtu: 1400 },
  ],
  addresses: [],
  defaultRoutes: { 4: 2 },
};
const uplink = (family: 4 | 6, mtu: number): Uplink => ({
  family,
  index: 2,
  name: 'eth0',
  mtu,
  address: family === 4 ? '10.0.0.1' : 'fd00::1',
  networks: [],
});

test.each<[RoutingMode, readonly Uplink[], number]>([
  ['auto', [uplink(4, 1500)], 1450],
  ['vxlan', [uplink(4, 1500)], 1450],
  ['auto', [uplink(6, 1500)], 1430],
  ['auto', [uplink(4, 1500), uplink(6, 1500)], 1450],
  ['auto', [uplink(4, 1500), uplink(6, 1420)], 1370],
  ['direct', [uplink(4, 1500)], 1500],
  ['none', [uplink(4, 1500)], 1500],
  ['direct', [], 9000],
  ['auto', [], 8950],
])('routing %s over %j leaves pods %i', (mode, uplinks, expected) => {
  expect(podMtuOf({ uplinks, tunnels: [] }, VIEW, { ...ROUTING_DEFAULTS, mode })).toBe(expected);
});

test('a tunnel over IPv6 to some node counts, also where the node itself has IPv4', () => {
  const uplinks = [uplink(4, 1500), uplink(6, 1500)];
  const tunnels = [{ underlay: 6 } as PlannedTunnel];
  expect(podMtuOf({ uplinks, tunnels }, VIEW, ROUTING_DEFAULTS)).toBe(1430);
});

test('a set one is taken as it is', () => {
  expect(podMtuOf({ uplinks: [uplink(4, 1500)], tunnels: [] }, VIEW, { ...ROUTING_DEFAULTS, mtu: 1300 })).toBe(1300);
});

test('where nothing is known of the network it is that of Ethernet', () => {
  const nothing: UnderlayView = { links: [], addresses: [], defaultRoutes: {} };
  expect(podMtuOf({ uplinks: [], tunnels: [] }, nothing, { ...ROUTING_DEFAULTS, mode: 'direct' })).toBe(1500);
});
