/**
 * Addresses and prefixes as the API has ever accepted them, turned into canonical text (NP-63). Text that only the
 * lenient reading accepts is reported as a warning that says what it means.
 */
import { formatAddress } from '../net/address.ts';
import { type Cidr, formatCidr, parseCidr } from '../net/cidr.ts';
import { type Place, quote, readString } from './validate-place.ts';

/** Longest text of a prefix or address that is looked at. */
const TEXT_CHARACTERS_MAX = 100;

export function readCidr(place: Place): Cidr | undefined {
  const text = readString(place);
  if (text === undefined) return undefined;
  const cidr = text.length > TEXT_CHARACTERS_MAX ? undefined : parseCidr(text);
  if (cidr === undefined) {
    place.report.error(place.path, `${quote(text)} is no CIDR`, cidrHint(text));
    return undefined;
  }
  warnIfRewritten(place, text, formatCidr(cidr));
  return cidr;
}

function cidrHint(text: string): string {
  const single = readAddressText(text);
  if (single !== undefined) return `for the one address write ${single}${single.includes(':') ? '/128' : '/32'}`;
  return 'write it like 10.0.0.0/8 or fd00::/64';
}

/** Canonical text. */
export function readAddress(place: Place): string | undefined {
  const text = readString(place);
  if (text === undefined) return undefined;
  const address = readAddressText(text);
  if (address === undefined) {
    place.report.error(place.path, `${quote(text)} is no IP address`, 'write it like 10.0.0.1 or fd00::1');
    return undefined;
  }
  warnIfRewritten(place, text, address);
  return address;
}

/** An address is the prefix of full length, with the same lenient reading. */
function readAddressText(text: string): string | undefined {
  if (text.length > TEXT_CHARACTERS_MAX || text.includes('/')) return undefined;
  const cidr = parseCidr(text.includes(':') ? `${text}/128` : `${text}/32`);
  return cidr && formatAddress(cidr.bytes);
}

/** Other spellings of the same IPv6 digits are no reason to speak. */
function warnIfRewritten(place: Place, text: string, canonical: string): void {
  if (canonical === text || (canonical.includes(':') && canonicalDigits(text) === canonical)) return;
  place.report.warn(place.path, `${quote(text)} is read as ${canonical}`, `write ${canonical}`);
}

/** The text with its address part canonical, host bits kept. */
function canonicalDigits(text: string): string | undefined {
  const slash = text.indexOf('/');
  const address = readAddressText(slash < 0 ? text : text.slice(0, slash));
  return address && `${address}${slash < 0 ? '' : text.slice(slash)}`;
}
