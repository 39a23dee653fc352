/** Addresses and prefixes against ipaddr.js and ip-cidr, on text that all three read alike: canonical and complete. */
import * as fc from 'fast-check';
import IPCIDR from 'ip-cidr';
import ipaddr from 'ipaddr.js';
import { expect, test } from 'vitest';
import { type Address, addressFromTable, formatAddress, parseAddress, tableBytes } from '../../src/net/address.ts';
import {
  type Cidr,
  containsAddress,
  containsCidr,
  formatCidr,
  maskCidr,
  overlaps,
  parseCidr,
} from '../../src/net/cidr.ts';

const RUNS = Number(process.env['SLUICE_PROPERTY_RUNS'] ?? 300) * 5;

/** Bytes with runs of zeros and ones, where compression and masks have their corners. */
const byteArb = fc.oneof(fc.constantFrom(0, 0, 0, 255, 1, 128), fc.nat(255));

function bytesArb(length: 4 | 16): fc.Arbitrary<Uint8Array> {
  return fc.array(byteArb, { minLength: length, maxLength: length }).map((bytes) => Uint8Array.from(bytes));
}

const addressArb: fc.Arbitrary<Address> = fc.oneof(
  bytesArb(4).map((bytes): Address => ({ family: 4, bytes })),
  bytesArb(16).map((bytes): Address => ({ family: 6, bytes })),
);

const cidrArb: fc.Arbitrary<Cidr> = fc
  .tuple(addressArb, fc.nat(128))
  .map(([address, length]) => maskCidr(address, length % (address.bytes.length * 8 + 1)));

/** A prefix and an address that is near it: some of its bits flipped. */
const nearArb = fc.tuple(cidrArb, addressArb, fc.array(fc.nat(127), { maxLength: 2 })).map(([cidr, other, flips]) => {
  if (flips.length === 2) return { cidr, address: other };
  const bytes = cidr.bytes.slice();
  for (const flip of flips) {
    const bit = flip % (bytes.length * 8);
    bytes[bit >> 3] = bytes[bit >> 3]! ^ (128 >> (bit & 7));
  }
  return { cidr, address: { family: cidr.family, bytes } };
});

/** ipaddr.js leaves an IPv6 prefix match across families to throw; families never cross here (NP-62). */
function containsByIpaddr(cidr: Cidr, address: Address): boolean {
  const one = ipaddr.fromByteArray([...address.bytes]);
  const range = ipaddr.fromByteArray([...cidr.bytes]);
  return one.kind() === range.kind() && one.match(range, cidr.length);
}

test('text of an address reads back as the same bytes, and as ipaddr.js writes it', () => {
  fc.assert(
    fc.property(addressArb, (address) => {
      const text = formatAddress(address.bytes);
      expect(parseAddress(text)).toEqual(address);
      const same = ipaddr.fromByteArray([...address.bytes]);
      expect(text).toBe(same instanceof ipaddr.IPv6 ? same.toRFC5952String() : same.toString());
      expect(ipaddr.parse(text).toByteArray()).toEqual([...address.bytes]);
    }),
    { numRuns: RUNS },
  );
});

test('uncompressed text of IPv6 means the same', () => {
  fc.assert(
    fc.property(bytesArb(16), (bytes) => {
      const address = ipaddr.fromByteArray([...bytes]);
      for (const text of [address.toNormalizedString(), address.toNormalizedString().toUpperCase()]) {
        expect(parseAddress(text)?.bytes).toEqual(bytes);
      }
    }),
    { numRuns: RUNS },
  );
});

test('the bytes of the tables are reversible', () => {
  fc.assert(
    fc.property(addressArb, (address) => {
      expect(addressFromTable(address.family, tableBytes(address))).toEqual(address);
    }),
    { numRuns: RUNS },
  );
});

test('no text makes the parsers throw; what they accept is stable', () => {
  const piece = fc.constantFrom(
    '0',
    '00',
    '1',
    '255',
    '256',
    'ffff',
    '.',
    ':',
    '::',
    '/',
    '%',
    '-',
    ' ',
    'g',
    '32',
    '128',
  );
  const text = fc.oneof(
    fc.string(),
    fc.array(piece, { maxLength: 12 }).map((pieces) => pieces.join('')),
  );
  fc.assert(
    fc.property(text, (input) => {
      const address = parseAddress(input);
      if (address !== undefined) {
        expect(parseAddress(formatAddress(address.bytes))).toEqual(address);
        expect(ipaddr.isValid(input)).toBe(true);
      }
      const cidr = parseCidr(input);
      if (cidr !== undefined) expect(parseCidr(formatCidr(cidr))).toEqual(cidr);
    }),
    { numRuns: RUNS },
  );
});

test('containment of addresses is that of ipaddr.js and ip-cidr', () => {
  fc.assert(
    fc.property(nearArb, ({ cidr, address }) => {
      const expected = containsByIpaddr(cidr, address);
      expect(containsAddress(cidr, address)).toBe(expected);
      if (cidr.family === address.family) {
        expect(new IPCIDR(formatCidr(cidr)).contains(formatAddress(address.bytes))).toBe(expected);
      }
    }),
    { numRuns: RUNS },
  );
});

test('first and last address of a prefix are those of ip-cidr', () => {
  fc.assert(
    fc.property(cidrArb, (cidr) => {
      const range = new IPCIDR(formatCidr(cidr));
      expect(parseAddress(range.start())?.bytes).toEqual(cidr.bytes);
      const last = parseAddress(range.end());
      expect(last && containsAddress(cidr, last)).toBe(true);
    }),
    { numRuns: RUNS },
  );
});

test('one prefix holds another exactly when it holds its first address and is not longer', () => {
  const pair = fc.oneof(
    fc.tuple(cidrArb, cidrArb),
    fc.tuple(cidrArb, fc.nat(128)).map(([cidr, n]): [Cidr, Cidr] => {
      return [maskCidr(cidr, n % (cidr.length + 1)), cidr];
    }),
  );
  fc.assert(
    fc.property(pair, ([a, b]) => {
      const holds = a.length <= b.length && containsByIpaddr(a, b);
      expect(containsCidr(a, b)).toBe(holds);
      expect(overlaps(a, b)).toBe(holds || (b.length <= a.length && containsByIpaddr(b, a)));
      expect(overlaps(b, a)).toBe(overlaps(a, b));
    }),
    { numRuns: RUNS },
  );
});

test('every spelling that NP-63 allows is the same prefix', () => {
  const zeros = fc.array(fc.nat(2), { minLength: 4, maxLength: 4 });
  fc.assert(
    fc.property(bytesArb(4), fc.nat(32), zeros, (bytes, length, padding) => {
      const cidr = maskCidr({ family: 4, bytes }, length);
      const padded = [...bytes].map((byte, i) => `${'0'.repeat(padding[i] ?? 0)}${byte}`).join('.');
      expect(parseCidr(`${padded}/${length}`)).toEqual(cidr);
      expect(parseCidr(`::ffff:${bytes.join('.')}/${96 + length}`)).toEqual(cidr);
    }),
    { numRuns: RUNS },
  );
});
