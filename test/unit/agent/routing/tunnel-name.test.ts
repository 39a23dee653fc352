import { expect, test } from 'vitest';
import { tunnelMac, tunnelName } from '../../../../src/agent/routing/tunnel-name.ts';
import { interfacePrefix } from '../../../../src/agent/wiring/name.ts';

test('the hardware address of a tunnel end is unicast, local, and the same on every node', () => {
  expect(tunnelMac('172.30.0.1')).toBe('02:53:ac:1e:00:01');
  expect(tunnelMac('fd30::1')).toBe(tunnelMac('fd30:0:0::1'));
  for (const address of ['10.0.0.1', 'fd30::1', 'fd30::2']) {
    expect(Number.parseInt(tunnelMac(address).slice(0, 2), 16) & 0x03).toBe(0x02);
  }
  expect(tunnelMac('fd30::1')).not.toBe(tunnelMac('fd30::2'));
});

test('what is no address has none', () => {
  expect(() => tunnelMac('node-a')).toThrow('"node-a" is no IP address');
});

test('a tunnel is named for its instance and never taken for a pod’s interface', () => {
  expect(tunnelName('default', 4)).not.toBe(tunnelName('default', 6));
  expect(tunnelName('default', 4)).not.toBe(tunnelName('other', 4));
  expect(tunnelName('default', 4).startsWith(interfacePrefix('default'))).toBe(false);
  expect(tunnelName('x'.repeat(32), 6).length).toBeLessThanOrEqual(15);
});
