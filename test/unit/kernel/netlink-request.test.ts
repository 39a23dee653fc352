import { expect, test } from 'vitest';
import { addAddress } from '../../../src/kernel/netlink/address.ts';
import { checkInterfaceName, parseMac, toCidr } from '../../../src/kernel/netlink/ip.ts';
import { setLink } from '../../../src/kernel/netlink/link.ts';
import { replaceNeighbour } from '../../../src/kernel/netlink/neighbour.ts';
import { addRoute } from '../../../src/kernel/netlink/route.ts';
import { addRule } from '../../../src/kernel/netlink/rule.ts';
import { createVeth } from '../../../src/kernel/netlink/veth.ts';
import { ConfigError } from '../../../src/lib/errors.ts';

test('wrong addresses, prefixes and MACs are refused before anything is sent', () => {
  expect(() => addAddress({ index: 1, address: '10.0.0.256' })).toThrow(ConfigError);
  expect(() => addAddress({ index: 1, address: '10.0.0.1', prefixLength: 33 })).toThrow('not 0 to 32');
  expect(() => toCidr('10.0.0.1/24')).toThrow('"10.0.0.0/24" would be');
  expect(() => toCidr('10.0.0.1')).toThrow(ConfigError);
  expect(() => parseMac('aa:bb:cc:dd:ee')).toThrow(ConfigError);
  expect(() => parseMac('AA:BB:CC:DD:EE:FF')).toThrow('lower case');
});

test('index 0 is refused: it means any interface to the kernel', () => {
  expect(() => addAddress({ index: 0, address: '10.0.0.1' })).toThrow('0 is no interface index');
  expect(() => replaceNeighbour({ index: 0, address: '10.0.0.1' }, '02:00:00:00:00:01')).toThrow(ConfigError);
  expect(() => setLink(0, { up: true })).toThrow(ConfigError);
});

test('a request does not mix address families', () => {
  expect(() => addRoute({ destination: '0.0.0.0/0', index: 1, gateway: 'fe80::1' })).toThrow('family IPv4');
  expect(() => addRule({ family: 6, priority: 1, table: 1, source: '10.0.0.0/8' })).toThrow('family IPv6');
});

test.each(['', '.', '..', 'a/b', 'a b', 'a:b', 'sixteen-letters-', 'ééééééééé'])('%j is no interface name', (name) => {
  expect(() => checkInterfaceName(name)).toThrow(ConfigError);
});

test('renaming by name is refused: the message holds one name', () => {
  expect(() => setLink('eth0', { name: 'eth1' })).toThrow('needs its index');
});

test('a veth needs the descriptor of its other namespace', () => {
  const end = { name: 'a', mac: '02:00:00:00:00:01' };
  expect(() => createVeth({ end, peer: { ...end, netnsFd: -1 }, mtu: 1500 })).toThrow('no descriptor');
});

test('a request names its call and its object', () => {
  const request = addRoute({ destination: 'fd00::1/128', index: 7 });
  expect([request.call, request.object]).toEqual(['RTM_NEWROUTE', 'route fd00::1/128 over interface 7']);
});
