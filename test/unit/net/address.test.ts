import { describe, expect, test } from 'vitest';
import {
  addressFromTable,
  canonicalAddress,
  formatAddress,
  isV4Mapped,
  parseAddress,
  parseIpv4,
  parseIpv6,
  tableBytes,
} from '../../../src/net/address.ts';

function parsed(text: string): NonNullable<ReturnType<typeof parseAddress>> {
  const address = parseAddress(text);
  if (address === undefined) throw new Error(`${text} is no address`);
  return address;
}

describe('IPv4 text', () => {
  test('is four octets in network order', () => {
    expect(parseIpv4('10.0.255.1')).toEqual(Uint8Array.of(10, 0, 255, 1));
  });

  test.each([
    '',
    '1.2.3',
    '1.2.3.4.5',
    '256.0.0.1',
    '01.2.3.4',
    '1.2.3.',
    '1..2.3',
    ' 1.2.3.4',
    '0x1.2.3.4',
    '1.2.3.4/32',
    '+1.2.3.4',
  ])('%j is none', (text) => {
    expect(parseIpv4(text)).toBeUndefined();
    expect(parseAddress(text)).toBeUndefined();
  });
});

describe('IPv6 text', () => {
  test.each([
    ['::', '::'],
    ['::1', '::1'],
    ['1::', '1::'],
    ['2001:DB8:0:0:0:0:0:1', '2001:db8::1'],
    ['2001:db8::0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['1:0:0:2:0:0:0:3', '1:0:0:2::3'],
    ['1:0:0:2:0:0:3:4', '1::2:0:0:3:4'],
    ['1:0:2:3:4:5:6:7', '1:0:2:3:4:5:6:7'],
    ['::ffff:10.0.0.1', '::ffff:a00:1'],
    ['1:2:3:4:5:6:10.0.0.1', '1:2:3:4:5:6:a00:1'],
    ['0001:0002:0003:0004:0005:0006:0007::', '1:2:3:4:5:6:7:0'],
  ])('%s is canonically %s', (text, canonical) => {
    expect(canonicalAddress(text)).toBe(canonical);
    expect(parsed(text).family).toBe(6);
  });

  test.each([
    ':',
    ':::',
    '1',
    '1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:8:9',
    '1:2:3:4:5:6:7:8::',
    '::1::',
    '12345::',
    'g::',
    'fe80::1%eth0',
    '1:2:3:4:5:6:7:10.0.0.1',
    '10.0.0.1::',
    '::10.0.0.256',
    '::10.0.0.1:1',
    ' ::1',
    '1:',
    ':1',
  ])('%j is none', (text) => {
    expect(parseIpv6(text)).toBeUndefined();
  });

  test('NP-62: an IPv4-mapped address is IPv6, and is told apart', () => {
    expect(isV4Mapped(parsed('::ffff:10.0.0.1').bytes)).toBe(true);
    for (const text of ['10.0.0.1', '::10.0.0.1', '::fffe:10.0.0.1', '1::ffff:10.0.0.1']) {
      expect(isV4Mapped(parsed(text).bytes)).toBe(false);
    }
  });
});

test('text that is neither family has no canonical form', () => {
  expect(canonicalAddress('example.org')).toBeUndefined();
});

test.each(['10.1.2.3', 'fd00::1:2'])('%s comes back from the bytes of the tables', (text) => {
  const address = parsed(text);
  expect(tableBytes(address)).toHaveLength(16);
  expect(formatAddress(addressFromTable(address.family, tableBytes(address)).bytes)).toBe(text);
});
