import { networkInterfaces, type NetworkInterfaceInfo } from 'node:os';
import { expect, test, vi } from 'vitest';
import { mayMatter, readNodeAddresses } from '../../../src/agent/node-addresses.ts';

vi.mock('node:os', async (original) => ({ ...(await original<object>()), networkInterfaces: vi.fn() }));

function found(address: string, internal = false): NetworkInterfaceInfo {
  const common = { address, netmask: '', mac: '', internal, cidr: null };
  return address.includes(':') ? { ...common, family: 'IPv6', scopeid: 0 } : { ...common, family: 'IPv4' };
}

test('the addresses of a node are those that others reach it by, canonical, sorted, each once', () => {
  vi.mocked(networkInterfaces).mockReturnValue({
    lo: [found('127.0.0.1', true), found('127.0.0.53', true), found('::1', true), found('10.0.0.7', true)],
    eth0: [found('192.168.9.1'), found('2001:DB8:0:0::1'), found('fe80::1%eth0')],
    eth1: [found('192.168.9.1')],
  });
  expect(readNodeAddresses()).toEqual(['10.0.0.7', '192.168.9.1', '2001:db8::1']);
});

test('what happens to addresses that every interface has does not matter', () => {
  const event = (address: string): Parameters<typeof mayMatter>[0]['events'][number] => ({
    kind: 'address',
    deleted: false,
    address: { index: 7, family: 6, address, prefixLength: 64, scope: 'link', noDad: true, tentative: false },
  });
  const none = { events: [], resync: false, more: false };
  expect(mayMatter({ ...none, events: [event('fe80::1'), event('fe80::2')] })).toBe(false);
  expect(mayMatter({ ...none, events: [event('fe80::1'), event('2001:db8::1')] })).toBe(true);
  expect(mayMatter({ ...none, resync: true })).toBe(true);
  expect(mayMatter({ ...none, more: true })).toBe(true);
});
