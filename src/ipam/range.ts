/**
 * The addresses of a podCIDR that a pod may have, numbered from 0. Which are left out:
 * 1. IPv4, prefixes shorter than /31: the network and the broadcast address;
 * 2. IPv6, prefixes shorter than /127: the subnet-router anycast address (RFC 4291 2.6.1, RFC 6164);
 * 3. those past RANGE_ADDRESSES_MAX.
 */
import IPCIDR from 'ip-cidr';
import { type Family, formatAddress, parseAddress } from '../net/address.ts';
import { formatCidr, overlaps, parseCidr } from '../net/cidr.ts';
import { IpamError } from './ipam-error.ts';
import { RANGE_ADDRESSES_MAX, RANGES_MAX } from './limits.ts';

export interface AddressRange {
  /** Canonical text. */
  readonly cidr: string;
  readonly family: Family;
  /** The address with index 0, as a number. */
  readonly first: bigint;
  readonly count: number;
}

/** Throws IPAM_BAD_RANGE when one is no prefix, two overlap or there are too many. */
export function parseRanges(podCIDRs: readonly string[]): readonly AddressRange[] {
  if (podCIDRs.length > RANGES_MAX) {
    throw new IpamError('IPAM_BAD_RANGE', `${podCIDRs.length} podCIDRs are more than RANGES_MAX, ${RANGES_MAX}`);
  }
  const prefixes = podCIDRs.map((text) => {
    const prefix = parseCidr(text);
    if (prefix === undefined) {
      throw new IpamError(
        'IPAM_BAD_RANGE',
        `podCIDR "${text}" is no prefix; write it like 10.244.1.0/24 or fd00:1::/64`,
      );
    }
    return prefix;
  });
  for (const [i, prefix] of prefixes.entries()) {
    const other = prefixes.slice(0, i).find((earlier) => overlaps(earlier, prefix));
    if (other !== undefined) {
      throw new IpamError('IPAM_BAD_RANGE', `podCIDRs ${formatCidr(other)} and ${formatCidr(prefix)} overlap`);
    }
  }
  return prefixes.map((prefix) => toRange(formatCidr(prefix), prefix.family));
}

function toRange(cidr: string, family: Family): AddressRange {
  const [start, end] = new IPCIDR(cidr).toRange<bigint>({ type: 'bigInteger' });
  const size = end - start + 1n;
  const omitFirst = size > 2n ? 1n : 0n;
  const omitLast = size > 2n && family === 4 ? 1n : 0n;
  const usable = size - omitFirst - omitLast;
  const bound = BigInt(RANGE_ADDRESSES_MAX);
  return { cidr, family, first: start + omitFirst, count: Number(usable < bound ? usable : bound) };
}

/** Canonical text of the address with that index. */
export function addressAt(range: AddressRange, index: number): string {
  const bytes = new Uint8Array(range.family === 4 ? 4 : 16);
  let rest = range.first + BigInt(index);
  for (let i = bytes.length - 1; i >= 0; i--) {
    bytes[i] = Number(rest & 0xffn);
    rest >>= 8n;
  }
  return formatAddress(bytes);
}

/** Undefined when the address is not one that the range gives. */
export function indexOf(range: AddressRange, addressText: string): number | undefined {
  const address = parseAddress(addressText);
  if (address === undefined || address.family !== range.family) return undefined;
  let value = 0n;
  for (const byte of address.bytes) value = (value << 8n) | BigInt(byte);
  const index = value - range.first;
  return index >= 0n && index < BigInt(range.count) ? Number(index) : undefined;
}
