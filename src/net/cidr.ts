/**
 * Prefixes. `parseCidr` reads what the Kubernetes API has ever accepted (NP-63, KEP-4858): leading zeros in octets are
 * decimal, host bits are cleared, an IPv4-mapped prefix of /96 or longer is the IPv4 prefix inside.
 */
import { type Address, type Family, formatAddress, isV4Mapped, parseAddress } from './address.ts';

export interface Cidr {
  readonly family: Family;
  /** Host bits are zero. 4 or 16 bytes, network order. */
  readonly bytes: Uint8Array;
  readonly length: number;
}

const LEADING_ZEROS = /(^|\.)0+(?=[0-9])/g;

/** Undefined when the text is not a prefix in any accepted form. */
export function parseCidr(text: string): Cidr | undefined {
  const slash = text.indexOf('/');
  if (slash < 0) return undefined;
  const lengthText = text.slice(slash + 1);
  if (!/^[0-9]{1,3}$/.test(lengthText)) return undefined;
  const addressText = text.slice(0, slash);
  const address = parseAddress(addressText.includes(':') ? addressText : addressText.replace(LEADING_ZEROS, '$1'));
  if (address === undefined) return undefined;
  const length = Number(lengthText);
  if (length > address.bytes.length * 8) return undefined;
  if (isV4Mapped(address.bytes) && length >= 96) {
    return maskCidr({ family: 4, bytes: address.bytes.slice(12) }, length - 96);
  }
  return maskCidr(address, length);
}

/** The prefix of that length which holds the address. */
export function maskCidr(address: Address, length: number): Cidr {
  const bytes = address.bytes.slice();
  for (let i = 0; i < bytes.length; i++) {
    const keep = Math.min(8, Math.max(0, length - i * 8));
    bytes[i] = bytes[i]! & (0xff << (8 - keep)) & 0xff;
  }
  return { family: address.family, bytes, length };
}

export function formatCidr(cidr: Cidr): string {
  return `${formatAddress(cidr.bytes)}/${cidr.length}`;
}

/** Whether every address of `inner` is in `outer`. Families never contain one another (NP-62). */
export function containsCidr(outer: Cidr, inner: Cidr): boolean {
  return (
    outer.family === inner.family &&
    outer.length <= inner.length &&
    sharesPrefix(outer.bytes, inner.bytes, outer.length)
  );
}

export function containsAddress(outer: Cidr, address: Address): boolean {
  return outer.family === address.family && sharesPrefix(outer.bytes, address.bytes, outer.length);
}

export function overlaps(a: Cidr, b: Cidr): boolean {
  return containsCidr(a, b) || containsCidr(b, a);
}

function sharesPrefix(a: Uint8Array, b: Uint8Array, length: number): boolean {
  const whole = length >> 3;
  for (let i = 0; i < whole; i++) if (a[i] !== b[i]) return false;
  const rest = length & 7;
  return rest === 0 || ((a[whole]! ^ b[whole]!) & (0xff << (8 - rest)) & 0xff) === 0;
}
