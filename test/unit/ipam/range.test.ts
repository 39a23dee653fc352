import { expect, test } from 'vitest';
import { RANGE_ADDRESSES_MAX, RANGES_MAX } from '../../../src/ipam/limits.ts';
import { addressAt, indexOf, parseRanges } from '../../../src/ipam/range.ts';

function ends(cidr: string): readonly [number, string, string] {
  const [range] = parseRanges([cidr]);
  return [range!.count, addressAt(range!, 0), addressAt(range!, range!.count - 1)];
}

test.each([
  ['10.0.0.0/24', 254, '10.0.0.1', '10.0.0.254'],
  ['10.0.0.0/30', 2, '10.0.0.1', '10.0.0.2'],
  ['10.0.0.0/31', 2, '10.0.0.0', '10.0.0.1'],
  ['10.0.0.7/32', 1, '10.0.0.7', '10.0.0.7'],
  ['10.0.255.0/23', 510, '10.0.254.1', '10.0.255.254'],
  ['fd00::/126', 3, 'fd00::1', 'fd00::3'],
  ['fd00::/127', 2, 'fd00::', 'fd00::1'],
  ['fd00::5/128', 1, 'fd00::5', 'fd00::5'],
])('%s gives %i addresses, from %s to %s', (cidr, count, first, last) => {
  expect(ends(cidr)).toEqual([count, first, last]);
});

test('of a range larger than RANGE_ADDRESSES_MAX the first addresses are given', () => {
  expect(ends('fd00:1:2::/64')).toEqual([RANGE_ADDRESSES_MAX, 'fd00:1:2::1', 'fd00:1:2::1:0']);
  expect(ends('10.0.0.0/8')).toEqual([RANGE_ADDRESSES_MAX, '10.0.0.1', '10.1.0.0']);
});

test('the index of an address is the inverse of the address of an index, and undefined outside', () => {
  const [range] = parseRanges(['10.0.0.0/28']);
  expect(indexOf(range!, addressAt(range!, 9))).toBe(9);
  for (const outside of ['10.0.0.0', '10.0.0.15', '10.0.1.1', '::1', 'pod'])
    expect(indexOf(range!, outside)).toBe(undefined);
});

test.each([
  [['10.0.0.0'], '"10.0.0.0" is no prefix; write it like 10.244.1.0/24'],
  [['10.0.0.0/33'], 'is no prefix'],
  [['10.0.0.0/24', 'fd00::/64', '10.0.0.128/25'], '10.0.0.0/24 and 10.0.0.128/25 overlap'],
  [Array.from({ length: RANGES_MAX + 1 }, (_, i) => `10.${i}.0.0/16`), 'RANGES_MAX'],
])('%j is refused', (cidrs, message) => {
  expect(() => parseRanges(cidrs)).toThrow(message);
});
