/**
 * An address as a string of 17 characters, one per byte of an AddressTable key: family, then 16 bytes in network order
 * (IPv4 in the first four, the rest zero). Strings compare as their bytes do, so sorted keys are sorted addresses, and a
 * string can be a Map's key.
 */
import { type Address, addressFromTable, formatAddress, parseAddress } from '../net/address.ts';
import type { Cidr } from '../net/cidr.ts';
import { ADDRESS_KEY_BYTES } from './ids.ts';

export function addressKey({ family, bytes }: Address): string {
  if (family === 4)
    return String.fromCharCode(4, bytes[0]!, bytes[1]!, bytes[2]!, bytes[3]!, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
  const of = (at: number): number => bytes[at]!;
  // One by one: spreading the bytes costs several times as much, and a large cluster has hundreds of thousands of keys.
  // prettier-ignore
  return String.fromCharCode(6, of(0), of(1), of(2), of(3), of(4), of(5), of(6), of(7), of(8), of(9), of(10), of(11),
    of(12), of(13), of(14), of(15));
}

/** Undefined when the text is not an address. */
export function readAddressKey(text: string): string | undefined {
  const address = parseAddress(text);
  return address && addressKey(address);
}

export function formatAddressKey(key: string): string {
  const bytes = new Uint8Array(ADDRESS_KEY_BYTES);
  writeAddressKey(key, bytes, 0);
  return formatAddressBytes(bytes);
}

/** Text of one 17-byte key of an AddressTable. */
export function formatAddressBytes(key: Uint8Array): string {
  return formatAddress(addressFromTable(key[0] === 4 ? 4 : 6, key.subarray(1, ADDRESS_KEY_BYTES)).bytes);
}

export function writeAddressKey(key: string, out: Uint8Array, offset: number): void {
  for (let i = 0; i < ADDRESS_KEY_BYTES; i++) out[offset + i] = key.charCodeAt(i);
}

/** Key of the prefix's first address. */
export function firstKey(cidr: Cidr): string {
  return addressKey(cidr);
}

/** Key of the first address behind the prefix; undefined when the prefix reaches the end of its family. */
export function behindKey(cidr: Cidr): string | undefined {
  const bytes = cidr.bytes.slice();
  let carry = true;
  for (let bit = cidr.length - 1; bit >= 0 && carry; bit--) {
    const mask = 0x80 >> (bit & 7);
    carry = (bytes[bit >> 3]! & mask) !== 0;
    bytes[bit >> 3]! ^= mask;
  }
  return carry ? undefined : addressKey({ family: cidr.family, bytes });
}
