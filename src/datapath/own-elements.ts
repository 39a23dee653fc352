/** The elements of local endpoints: their interface and their addresses; and those of addresses at large. */
import { parseAddress, tableBytes } from '../net/address.ts';
import { PEER_CLASS_NONE } from '../policy/ids.ts';
import type { EndpointWiring } from './datapath.ts';
import {
  type AddressElement,
  type AddressKey,
  ENDPOINT_NO_PEER,
  type EndpointElement,
  isVoidAddress,
  type LocalElement,
  type RuleSets,
} from './elements.ts';

/** Old and new side of one versioned value. */
export interface Sides<T> {
  readonly generation: number;
  readonly before: T;
  readonly after: T;
}

const MAC = /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i;

/** The same value on both sides: in force at once, whatever the generation. */
export function settled<T>(value: T, generation: number): Sides<T> {
  return { generation, before: value, after: value };
}

/** @throws RangeError naming the endpoint when an address or a hardware address cannot be read. */
export function checkWiring(wiring: EndpointWiring): void {
  const fail = (what: string): never => {
    throw new RangeError(`endpoint ${wiring.id}: ${what}`);
  };
  if (!Number.isInteger(wiring.id) || wiring.id < 1 || wiring.id > 0xffffffff) fail('the id is not from 1 to 2^32 - 1');
  if (!Number.isInteger(wiring.ifindex) || wiring.ifindex < 1) fail(`${wiring.ifindex} is not an interface index`);
  for (const mac of [wiring.mac, wiring.hostMac]) {
    if (!MAC.test(mac)) fail(`'${mac}' is not a hardware address like 02:00:00:00:00:01`);
  }
  const families = new Set<number>();
  for (const text of wiring.addresses) {
    const address = parseAddress(text);
    if (address === undefined) fail(`'${text}' is not an IP address`);
    else if (families.has(address.family)) fail('more than one address of one family');
    else families.add(address.family);
  }
}

export function addressKeysOf(wiring: EndpointWiring): readonly AddressKey[] {
  return wiring.addresses.flatMap((text) => {
    const address = parseAddress(text);
    return address === undefined ? [] : [{ family: address.family, address: tableBytes(address) }];
  });
}

export function isSameWiring(a: EndpointWiring, b: EndpointWiring): boolean {
  return (
    a.id === b.id &&
    a.ifindex === b.ifindex &&
    a.mac.toLowerCase() === b.mac.toLowerCase() &&
    a.hostMac.toLowerCase() === b.hostMac.toLowerCase() &&
    a.noPeer === b.noPeer &&
    a.addresses.toSorted().join() === b.addresses.toSorted().join()
  );
}

export function endpointFlags(wiring: EndpointWiring): number {
  return wiring.noPeer ? ENDPOINT_NO_PEER : 0;
}

export function macBytes(text: string): Uint8Array {
  return Uint8Array.from(text.split(':'), (part) => Number.parseInt(part, 16));
}

export function formatMac(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join(':');
}

export function endpointElement(wiring: EndpointWiring, ruleSets: Sides<RuleSets>): EndpointElement {
  const addressOf = (family: 4 | 6): Uint8Array => {
    const key = addressKeysOf(wiring).find((candidate) => candidate.family === family);
    return (key?.address ?? new Uint8Array(16)).slice(0, family === 4 ? 4 : 16);
  };
  return {
    id: wiring.id,
    flags: endpointFlags(wiring),
    mac: macBytes(wiring.mac),
    hostMac: macBytes(wiring.hostMac),
    generation: ruleSets.generation,
    ingressOld: ruleSets.before.ingress,
    ingressNew: ruleSets.after.ingress,
    egressOld: ruleSets.before.egress,
    egressNew: ruleSets.after.egress,
    ipv4: addressOf(4),
    ipv6: addressOf(6),
  };
}

export function localElement(endpoint: EndpointWiring): LocalElement {
  return {
    endpointId: endpoint.id,
    ifindex: endpoint.ifindex,
    mac: macBytes(endpoint.mac),
    hostMac: macBytes(endpoint.hostMac),
    endpointFlags: endpointFlags(endpoint),
  };
}

/** Undefined: the element would say nothing, and is left out. */
export function addressValue(classes: Sides<number>, flags: number): AddressElement | undefined {
  const { generation, before: classOld, after: classNew } = classes;
  const isVoid = classOld === PEER_CLASS_NONE && isVoidAddress({ flags }, classNew);
  return isVoid ? undefined : { generation, classOld, classNew, flags };
}
