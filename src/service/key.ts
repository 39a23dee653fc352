/**
 * Addresses with ports as strings of one character a byte. Strings compare as their bytes do, so sorted keys are sorted
 * addresses, and a string can be a Map's key.
 */
import { addressFromTable, type Address, type Family, formatAddress, parseAddress } from '../net/address.ts';
import type { Protocol } from './model.ts';

/** Family (4 or 6), then 16 bytes of address in network order (IPv4: 4 bytes, the rest zero). */
export const ADDRESS_KEY_BYTES = 17;
/** An address key, then the port in network order. */
export const BACKEND_KEY_BYTES = 19;
/** A backend key, then the IANA number of the protocol. */
export const FRONTEND_KEY_BYTES = 20;

export const PROTOCOL_NUMBERS: Readonly<Record<Protocol, number>> = { TCP: 6, UDP: 17, SCTP: 132 };

/** Canonical or other text of an address. Throws when it is none: slim objects hold addresses only. */
export function toAddress(text: string): Address {
  const address = parseAddress(text);
  if (address === undefined) throw new TypeError(`${JSON.stringify(text)} is no IP address`);
  return address;
}

export function backendKey(address: Address, port: number): string {
  const codes = new Uint8Array(BACKEND_KEY_BYTES);
  codes[0] = address.family;
  codes.set(address.bytes, 1);
  codes[17] = port >> 8;
  codes[18] = port & 0xff;
  return String.fromCharCode(...codes);
}

export function frontendKey(address: Address, port: number, protocol: Protocol): string {
  return backendKey(address, port) + String.fromCharCode(PROTOCOL_NUMBERS[protocol]);
}

export function writeKey(key: string, out: Uint8Array, offset: number): void {
  for (let i = 0; i < key.length; i++) out[offset + i] = key.charCodeAt(i);
}

export function readKey(bytes: Uint8Array, offset: number, length: number): string {
  return String.fromCharCode(...bytes.subarray(offset, offset + length));
}

/** `10.0.0.1:80`, `[fd00::1]:80`; the key may be longer than a backend's. */
export function formatKey(key: string): string {
  const bytes = new Uint8Array(key.length);
  writeKey(key, bytes, 0);
  const family: Family = bytes[0] === 4 ? 4 : 6;
  return formatEnd(
    formatAddress(addressFromTable(family, bytes.subarray(1, ADDRESS_KEY_BYTES)).bytes),
    (bytes[17]! << 8) | bytes[18]!,
  );
}

/** `10.0.0.1:80`, `[fd00::1]:80`. */
export function formatEnd(address: string, port: number): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}
