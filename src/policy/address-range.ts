/** Addresses as numbers, and ranges of them: for walking and cutting, where prefixes are too coarse. */
import { type Address, type Family, formatAddress } from '../net/address.ts';
import { type Cidr, maskCidr, formatCidr } from '../net/cidr.ts';

/** Both ends inclusive. */
export interface AddressRange {
  readonly family: Family;
  readonly first: bigint;
  readonly last: bigint;
}

export function bitsOf(family: Family): number {
  return family === 4 ? 32 : 128;
}

export function addressNumber({ bytes }: Address): bigint {
  return bytes.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
}

export function numberAddress(family: Family, number: bigint): Address {
  const length = bitsOf(family) / 8;
  const bytes = Uint8Array.from({ length }, (_, i) => Number((number >> BigInt(8 * (length - 1 - i))) & 255n));
  return { family, bytes };
}

export function formatNumber(family: Family, number: bigint): string {
  return formatAddress(numberAddress(family, number).bytes);
}

export function rangeOfCidr(cidr: Cidr): AddressRange {
  const first = addressNumber(cidr);
  const size = 1n << BigInt(bitsOf(cidr.family) - cidr.length);
  return { family: cidr.family, first, last: first + size - 1n };
}

/** One prefix when the range is one; an address alone; otherwise `first - last`. */
export function formatRange({ family, first, last }: AddressRange): string {
  if (first === last) return formatNumber(family, first);
  const length = prefixLengthOf({ family, first, last });
  if (length === undefined) return `${formatNumber(family, first)} - ${formatNumber(family, last)}`;
  return formatCidr(maskCidr(numberAddress(family, first), length));
}

function prefixLengthOf({ family, first, last }: AddressRange): number | undefined {
  const size = last - first + 1n;
  if ((size & (size - 1n)) !== 0n || first % size !== 0n) return undefined;
  return bitsOf(family) - (size.toString(2).length - 1);
}

/** The parts of a range that the holes leave, in order. */
export function withoutRanges(range: AddressRange, holes: readonly AddressRange[]): readonly AddressRange[] {
  const sorted = holes
    .filter(({ family, first, last }) => family === range.family && first <= range.last && last >= range.first)
    .sort((a, b) => (a.first < b.first ? -1 : 1));
  const parts: AddressRange[] = [];
  let next = range.first;
  for (const hole of sorted) {
    if (hole.first > next) parts.push({ family: range.family, first: next, last: hole.first - 1n });
    if (hole.last + 1n > next) next = hole.last + 1n;
  }
  if (next <= range.last) parts.push({ family: range.family, first: next, last: range.last });
  return parts;
}
