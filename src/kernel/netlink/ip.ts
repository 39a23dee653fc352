/** Addresses, prefixes and hardware addresses between their texts and netlink's bytes. */
import { type Address, type Family, formatAddress, parseAddress } from '../../net/address.ts';
import { type Cidr, formatCidr, parseCidr } from '../../net/cidr.ts';
import { ConfigError } from '../../lib/errors.ts';
import { AF } from './constants.ts';

/** Text in any accepted form, or bytes. */
export type AddressLike = string | Address;
/** Text without host bits (`10.1.0.0/16`), or bytes. */
export type CidrLike = string | Cidr;

const MAC = /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/;
const INTERFACE_NAME = /^[^\s/:\0]{1,15}$/;

/** @throws ConfigError */
export function toAddress(value: AddressLike): Address {
  if (typeof value !== 'string') return value;
  const address = parseAddress(value);
  if (address === undefined) throw new ConfigError(`"${value}" is no IP address`);
  return address;
}

/** @throws ConfigError also when the text has host bits, which `parseCidr` would clear. */
export function toCidr(value: CidrLike): Cidr {
  if (typeof value !== 'string') return value;
  const cidr = parseCidr(value);
  if (cidr === undefined) throw new ConfigError(`"${value}" is no prefix (address/length)`);
  const canonical = formatCidr(cidr);
  if (canonical !== value) throw new ConfigError(`prefix "${value}" is not canonical; "${canonical}" would be`);
  return cidr;
}

export function hostCidr(address: Address): Cidr {
  return { family: address.family, bytes: address.bytes, length: address.bytes.length * 8 };
}

export function familyNumber(family: Family | undefined): number {
  if (family === undefined) return AF.UNSPEC;
  return family === 4 ? AF.INET : AF.INET6;
}

/** Undefined for families that are not IP. */
export function familyOf(number: number): Family | undefined {
  if (number === AF.INET) return 4;
  return number === AF.INET6 ? 6 : undefined;
}

export function optionalBytes(value: AddressLike | undefined, family: Family): Uint8Array | undefined {
  if (value === undefined) return undefined;
  const address = toAddress(value);
  if (address.family !== family) {
    throw new ConfigError(`${formatAddress(address.bytes)} is not of family IPv${family} as the rest is`);
  }
  return address.bytes;
}

/** 6 bytes of `aa:bb:cc:dd:ee:ff`, lower case. @throws ConfigError */
export function parseMac(text: string): Uint8Array {
  if (!MAC.test(text)) throw new ConfigError(`"${text}" is no MAC address (aa:bb:cc:dd:ee:ff, lower case)`);
  return Uint8Array.from(text.split(':'), (octet) => Number.parseInt(octet, 16));
}

export function formatMac(bytes: Uint8Array): string {
  return Array.from(bytes, (octet) => octet.toString(16).padStart(2, '0')).join(':');
}

/** What the kernel takes as an interface's name. @throws ConfigError */
export function checkInterfaceName(name: string): string {
  if (!INTERFACE_NAME.test(name) || name === '.' || name === '..' || new TextEncoder().encode(name).length > 15) {
    throw new ConfigError(`"${name}" is no interface name (1 to 15 bytes without space, "/" and ":", not "." or "..")`);
  }
  return name;
}
