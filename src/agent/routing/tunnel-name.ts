/** Names and hardware addresses of tunnel ends: each node can tell those of every other from its Node object alone. */
import { createHash } from 'node:crypto';
import { type Family, formatAddress, parseAddress } from '../../net/address.ts';
import { ConfigError } from '../../lib/errors.ts';
import { interfacePrefix } from '../wiring/name.ts';

const HASH_OCTETS = 5;

/**
 * The tunnel device whose underlay is of that family: `sv`, three characters of the instance, the family. It does not
 * begin as the pods' interfaces do, so what is for those never meets it.
 */
export function tunnelName(instance: string, underlay: Family): string {
  return `sv${interfacePrefix(instance).slice(2)}${underlay}`;
}

/**
 * Hardware address of the tunnel end at that node address: locally administered, unicast. An IPv4 address is in it, so
 * that no two are alike; of an IPv6 address 40 bits of a hash are.
 * @throws ConfigError when it is no address
 */
export function tunnelMac(nodeAddress: string): string {
  const address = parseAddress(nodeAddress);
  if (address === undefined) throw new ConfigError(`"${nodeAddress}" is no IP address`);
  const octets =
    address.family === 4
      ? [0x02, 0x53, ...address.bytes]
      : [0x06, ...createHash('sha256').update(address.bytes).digest().subarray(0, HASH_OCTETS)];
  return octets.map((octet) => octet.toString(16).padStart(2, '0')).join(':');
}

/**
 * Next hop of IPv6 routes into the tunnel: a link-local address that only the neighbour entry of that end has. One out of
 * the podCIDR will not do: the kernel looks it up when the route is written, and finds the route that is to be replaced.
 */
export function tunnelNextHop(mac: string): string {
  const bytes = new Uint8Array(16);
  bytes.set([0xfe, 0x80]);
  bytes.set(
    mac.split(':').map((octet) => Number.parseInt(octet, 16)),
    10,
  );
  return formatAddress(bytes);
}
