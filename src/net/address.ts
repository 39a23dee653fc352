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

const HEX_GROUP = /^[0-9a-fA-F]{1,4}$/;

const DOT = 46;
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
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const head = parseGroups(halves[0] ?? '', halves.length === 1);
  const tail = halves.length === 2 ? parseGroups(halves[1] ?? '', true) : [];
  if (head === undefined || tail === undefined) return undefined;
  const missing = 16 - head.length - tail.length;
  if (halves.length === 1 ? missing !== 0 : missing < 2) return undefined;
  const bytes = new Uint8Array(16);
  bytes.set(head, 0);
  bytes.set(tail, 16 - tail.length);
  return bytes;
}

function parseGroups(text: string, mayEndInIpv4: boolean): number[] | undefined {
  if (text === '') return [];
  const out: number[] = [];
  const groups = text.split(':');
  for (const [i, group] of groups.entries()) {
    if (mayEndInIpv4 && i === groups.length - 1 && group.includes('.')) {
      const quad = parseIpv4(group);
      if (quad === undefined) return undefined;
      out.push(...quad);
      continue;
    }
    if (!HEX_GROUP.test(group)) return undefined;
    const value = Number.parseInt(group, 16);
    out.push(value >> 8, value & 255);
  }
  return out;
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
