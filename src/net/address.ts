/**
 * IP addresses as bytes in network order. Strict on addresses; `cidr.ts` has the sloppy reading that Kubernetes' CIDRs
 * need (NP-63). IPv4-mapped IPv6 text is read as IPv6: it is another family than IPv4 (NP-62).
 */

export type Family = 4 | 6;

export interface Address {
  readonly family: Family;
  /** 4 or 16 bytes, network order. */
  readonly bytes: Uint8Array;
}

const DOT = 46;
const COLON = 58;
const ZERO = 48;
/** `255.255.255.255`. */
const IPV4_CHARS_MAX = 15;

/** Dotted quad, each octet 0-255 without leading zeros. Undefined when it is anything else. */
export function parseIpv4(text: string): Uint8Array | undefined {
  if (text.length > IPV4_CHARS_MAX) return undefined;
  const bytes = new Uint8Array(4);
  let at = 0;
  for (let i = 0; i < 4; i++) {
    if (i > 0 && text.charCodeAt(at++) !== DOT) return undefined;
    const start = at;
    let octet = 0;
    // One digit by one: a large cluster has hundreds of thousands of them.
    for (; at < text.length && at - start < 3; at++) {
      const digit = text.charCodeAt(at) - ZERO;
      if (digit < 0 || digit > 9) break;
      octet = octet * 10 + digit;
    }
    const hasLeadingZero = at - start > 1 && text.charCodeAt(start) === ZERO;
    if (at === start || octet > 255 || hasLeadingZero) return undefined;
    bytes[i] = octet;
  }
  return at === text.length ? bytes : undefined;
}

/** RFC 4291 section 2.2 text, all three forms, no zone. Undefined when it is anything else. */
export function parseIpv6(text: string): Uint8Array | undefined {
  const bytes = new Uint8Array(16);
  let count = 0;
  /** Bytes before `::`; -1 without. */
  let gap = -1;
  let at = 0;
  if (text.startsWith('::')) [gap, at] = [0, 2];
  while (at < text.length) {
    const start = at;
    let group = 0;
    for (; at < text.length && at - start < 4; at++) {
      const digit = hexDigit(text.charCodeAt(at));
      if (digit < 0) break;
      group = group * 16 + digit;
    }
    if (text.charCodeAt(at) === DOT) {
      const quad = parseIpv4(text.slice(start));
      if (quad === undefined || count > 12) return undefined;
      bytes.set(quad, count);
      count += 4;
      break;
    }
    if (at === start || count === 16) return undefined;
    bytes[count++] = group >> 8;
    bytes[count++] = group & 255;
    if (at === text.length) break;
    if (text.charCodeAt(at++) !== COLON || at === text.length) return undefined;
    if (text.charCodeAt(at) !== COLON) continue;
    if (gap >= 0) return undefined;
    gap = count;
    at += 1;
  }
  return withGap(bytes, count, gap);
}

/** Moves what stands behind `::` to the end. It stands for at least one group. */
function withGap(bytes: Uint8Array, count: number, gap: number): Uint8Array | undefined {
  if (gap < 0) return count === 16 ? bytes : undefined;
  if (count > 14) return undefined;
  const target = 16 - (count - gap);
  return bytes.copyWithin(target, gap, count).fill(0, gap, target);
}

/** -1 for everything else. */
function hexDigit(code: number): number {
  const digit = code - ZERO;
  if (digit >= 0 && digit <= 9) return digit;
  // Lower case differs from upper case in one bit.
  const letter = (code | 0x20) - 0x61;
  return letter >= 0 && letter < 6 ? letter + 10 : -1;
}

/** Either family; undefined when it is neither. */
export function parseAddress(text: string): Address | undefined {
  if (text.includes(':')) {
    const bytes = parseIpv6(text);
    return bytes && { family: 6, bytes };
  }
  const bytes = parseIpv4(text);
  return bytes && { family: 4, bytes };
}

/** Canonical text: dotted quad, or RFC 5952 (lower case, longest run of zero groups compressed, never dotted). */
export function formatAddress(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join('.');
  const groups: number[] = [];
  for (let i = 0; i < 16; i += 2) groups.push((bytes[i]! << 8) | bytes[i + 1]!);
  let bestStart = -1;
  let bestLength = 1;
  for (let i = 0; i < 8; i++) {
    let j = i;
    while (j < 8 && groups[j] === 0) j++;
    if (j - i > bestLength) {
      bestStart = i;
      bestLength = j - i;
    }
    if (j > i) i = j;
  }
  const hex = (from: number, to: number): string =>
    groups
      .slice(from, to)
      .map((g) => g.toString(16))
      .join(':');
  if (bestStart < 0) return hex(0, 8);
  return `${hex(0, bestStart)}::${hex(bestStart + bestLength, 8)}`;
}

/** Canonical text of an address in any accepted text form; undefined when it is none. */
export function canonicalAddress(text: string): string | undefined {
  const address = parseAddress(text);
  return address && formatAddress(address.bytes);
}

/** The 16 bytes of the tables: IPv4 in the first four, the rest zero. */
export function tableBytes(address: Address): Uint8Array {
  const out = new Uint8Array(16);
  out.set(address.bytes, 0);
  return out;
}

/** Inverse of `tableBytes`. */
export function addressFromTable(family: Family, bytes: Uint8Array): Address {
  return { family, bytes: bytes.slice(0, family === 4 ? 4 : 16) };
}

/** `::ffff:0:0/96`: dropped on the wire, never the same as the IPv4 address inside. */
export function isV4Mapped(bytes: Uint8Array): boolean {
  return bytes.length === 16 && bytes[10] === 0xff && bytes[11] === 0xff && bytes.subarray(0, 10).every((b) => b === 0);
}
