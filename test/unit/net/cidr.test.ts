import { describe, expect, test } from 'vitest';
import { parseAddress } from '../../../src/net/address.ts';
import {
  type Cidr,
  containsAddress,
  containsCidr,
  formatCidr,
  maskCidr,
  overlaps,
  parseCidr,
} from '../../../src/net/cidr.ts';

function cidr(text: string): Cidr {
  const parsed = parseCidr(text);
  if (parsed === undefined) throw new Error(`${text} is no prefix`);
  return parsed;
}

function holds(outer: string, text: string): boolean {
  const address = parseAddress(text);
  if (address === undefined) throw new Error(`${text} is no address`);
  return containsAddress(cidr(outer), address);
}

describe('NP-63: prefixes are read as the API has ever accepted them', () => {
  test.each([
    ['10.0.0.0/8', '10.0.0.0/8'],
    ['10.1.2.3/8', '10.0.0.0/8'],
    ['10.255.255.255/9', '10.128.0.0/9'],
    ['010.000.00.0/08', '10.0.0.0/8'],
    ['192.168.010.0/24', '192.168.10.0/24'],
    ['0.0.0.0/0', '0.0.0.0/0'],
    ['255.255.255.255/0', '0.0.0.0/0'],
    ['1.2.3.4/32', '1.2.3.4/32'],
    ['FD00::1/64', 'fd00::/64'],
    ['::/0', '::/0'],
    ['ffff::/1', '8000::/1'],
    ['::ffff:10.0.0.0/104', '10.0.0.0/8'],
    ['::ffff:10.1.2.3/128', '10.1.2.3/32'],
    ['::ffff:0:0/96', '0.0.0.0/0'],
    ['::ffff:10.0.0.0/95', '::fffe:0:0/95'],
  ])('%s is %s', (text, canonical) => {
    expect(formatCidr(cidr(text))).toBe(canonical);
  });

  test.each([
    '10.0.0.0',
    '10.0.0.0/',
    '/8',
    '10.0.0.0/33',
    '10.0.0.0/-1',
    '10.0.0.0/8/8',
    '10.0.0.0/ 8',
    '10.0.0.0/0x8',
    '10.0.0/8',
    '10.0.0.256/8',
    '::/129',
    '::/',
    'fe80::1%eth0/64',
    '10.0.0.0/1000',
    '',
    '10.0.0.0/8.0',
  ])('%j is none', (text) => {
    expect(parseCidr(text)).toBeUndefined();
  });
});

test('NP-67: a prefix holds its first and last address and neither neighbour', () => {
  for (const [outer, first, last, before, after] of [
    ['10.0.4.0/22', '10.0.4.0', '10.0.7.255', '10.0.3.255', '10.0.8.0'],
    ['10.0.0.2/31', '10.0.0.2', '10.0.0.3', '10.0.0.1', '10.0.0.4'],
    ['10.0.0.2/32', '10.0.0.2', '10.0.0.2', '10.0.0.1', '10.0.0.3'],
    ['fd00::2/127', 'fd00::2', 'fd00::3', 'fd00::1', 'fd00::4'],
    ['fd00:0:0:1::/64', 'fd00:0:0:1::', 'fd00:0:0:1:ffff:ffff:ffff:ffff', 'fd00::ffff', 'fd00:0:0:2::'],
  ] as const) {
    expect([first, last, before, after].map((address) => holds(outer, address))).toEqual([true, true, false, false]);
  }
});

test('NP-62: /0 of one family holds nothing of the other', () => {
  expect(holds('0.0.0.0/0', '::')).toBe(false);
  expect(holds('::/0', '0.0.0.0')).toBe(false);
  expect(containsCidr(cidr('::/0'), cidr('10.0.0.0/8'))).toBe(false);
  expect(overlaps(cidr('::/0'), cidr('0.0.0.0/0'))).toBe(false);
});

test('a prefix holds itself and what is inside, and overlaps either way round', () => {
  const [wide, narrow, beside] = [cidr('10.0.0.0/8'), cidr('10.5.0.0/16'), cidr('11.0.0.0/16')];
  expect(containsCidr(wide, wide)).toBe(true);
  expect(containsCidr(wide, narrow)).toBe(true);
  expect(containsCidr(narrow, wide)).toBe(false);
  expect(overlaps(narrow, wide)).toBe(true);
  expect(overlaps(wide, beside)).toBe(false);
});

test('masking leaves the given address as it is', () => {
  const address = parseAddress('10.1.2.3');
  if (address === undefined) throw new Error('not an address');
  expect(formatCidr(maskCidr(address, 15))).toBe('10.0.0.0/15');
  expect(address.bytes).toEqual(Uint8Array.of(10, 1, 2, 3));
});
