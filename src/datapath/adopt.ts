/**
 * Reads a store that an earlier process, or a failed transition, left behind. Whatever the moment of the failure, the
 * generation in force says of every element which side counts. `settle` are the writes that keep exactly that side: an
 * element that waits for a generation that never came must not come in force with another one. None of them changes a
 * verdict; a grace period must have passed since the last commit.
 */
import { formatAddress } from '../net/address.ts';
import { sortInWork } from '../lib/sort-work.ts';
import { SLICE_ELEMENTS, type Work } from '../lib/work.ts';
import { ADDRESS_KEY_BYTES, PREFIX_KEY_BYTES, ROW_BYTES } from '../policy/ids.ts';
import type { AddressTable, PrefixTable, RowTable } from '../policy/tables.ts';
import { AddressLayers } from './address-layers.ts';
import { ClassUse } from './class-use.ts';
import type { EndpointWiring } from './datapath.ts';
import {
  type AddressElement,
  type AddressKey,
  classInForce,
  ENDPOINT_NO_PEER,
  type EndpointElement,
  isInForce,
  type PrefixElement,
  type PrefixKey,
  type RowElement,
  type RowKey,
  ruleSetsInForce,
} from './elements.ts';
import { EMPTY_TABLES, type ImageAddress, type ImageEndpoint, type KernelImage, OWN_ADDRESS_CLASS } from './image.ts';
import { addressText } from './lookup.ts';
import { rowsBySet } from './plan-rows.ts';
import { addressKeysOf, addressValue, endpointElement, formatMac, localElement, settled } from './own-elements.ts';
import type { TableStore, TableWrite } from './store.ts';

export interface Adopted {
  /** What the store holds in force, once settled. */
  readonly image: KernelImage;
  readonly settle: readonly TableWrite[];
}

/** The store must have a generation in force, and nobody else writes meanwhile. */
export function* adopt(store: TableStore): Work<Adopted> {
  const { generation, portTable } = store.commit();
  const settle: TableWrite[] = [];
  const endpoints = adoptEndpoints(store, generation, settle);
  const owners = ownersOf(endpoints);
  const { addresses, ownAddresses } = yield* adoptAddresses(store, generation, owners, settle);
  settleLocals(store, owners, settle);
  const prefixes = yield* adoptPrefixes(store, generation, settle);
  const image: KernelImage = {
    generation,
    portTable,
    revision: EMPTY_TABLES.revision,
    addresses: AddressLayers.of(addresses),
    prefixes,
    classes: ClassUse.of(addresses.classes, prefixes.classes),
    ports: store.portTable(portTable),
    rows: rowsBySet(yield* adoptRows(store)),
    named: new Map(),
    endpoints,
    ownAddresses,
  };
  return { image, settle };
}

function adoptEndpoints(store: TableStore, generation: number, settle: TableWrite[]): Map<number, ImageEndpoint> {
  const endpoints = new Map<number, ImageEndpoint>();
  for (const [ifindex, element] of store.endpoints()) {
    const wiring = wiringOf(ifindex, element);
    const ruleSets = ruleSetsInForce(element, generation);
    endpoints.set(wiring.id, { wiring, ruleSets, isFresh: false });
    if (isInForce(generation, element.generation)) continue;
    settle.push({ table: 'endpoints', ifindex, value: endpointElement(wiring, settled(ruleSets, generation)) });
  }
  return endpoints;
}

export function wiringOf(ifindex: number, element: EndpointElement): EndpointWiring {
  const addresses = [element.ipv4, element.ipv6].filter((bytes) => bytes.some((byte) => byte !== 0)).map(formatAddress);
  return {
    id: element.id,
    ifindex,
    addresses,
    mac: formatMac(element.mac),
    hostMac: formatMac(element.hostMac),
    noPeer: (element.flags & ENDPOINT_NO_PEER) !== 0,
  };
}

interface Owner {
  readonly key: AddressKey;
  readonly wiring: EndpointWiring;
}

/** By address. */
function ownersOf(endpoints: ReadonlyMap<number, ImageEndpoint>): ReadonlyMap<string, Owner> {
  const owners = new Map<string, Owner>();
  for (const { wiring } of endpoints.values()) {
    for (const key of addressKeysOf(wiring)) owners.set(addressText(key), { key, wiring });
  }
  return owners;
}

/** Puts right also what an interrupted attach left: an endpoint's address without an element. */
function* adoptAddresses(
  store: TableStore,
  generation: number,
  owners: ReadonlyMap<string, Owner>,
  settle: TableWrite[],
): Work<{ readonly addresses: AddressTable; readonly ownAddresses: ReadonlyMap<string, ImageAddress> }> {
  const ownAddresses = new Map<string, ImageAddress>();
  const plain: [AddressKey, AddressElement, number][] = [];
  let seen = 0;
  for (const [key, element] of store.addresses()) {
    if (++seen % SLICE_ELEMENTS === 0) yield;
    const text = addressText(key);
    const owner = owners.get(text)?.wiring;
    const peerClass = classInForce(element, generation);
    const value = addressValue(settled(peerClass, generation), element.flags);
    if (owner !== undefined) {
      ownAddresses.set(text, { key, peerClass, flags: element.flags, endpointId: owner.id });
    } else if (value !== undefined) {
      plain.push([key, element, peerClass]);
    }
    if (!isInForce(generation, element.generation) || value === undefined)
      settle.push({ table: 'addresses', key, value });
  }
  for (const [text, { key, wiring }] of owners) {
    if (ownAddresses.has(text)) continue;
    ownAddresses.set(text, { key, peerClass: OWN_ADDRESS_CLASS, flags: 0, endpointId: wiring.id });
    const value = addressValue(settled(OWN_ADDRESS_CLASS, generation), 0);
    settle.push({ table: 'addresses', key, value });
  }
  return { addresses: yield* addressTable(plain), ownAddresses };
}

/** What an interrupted attach or detach left: addresses of no endpoint, or of another, and endpoints without theirs. */
function settleLocals(store: TableStore, owners: ReadonlyMap<string, Owner>, settle: TableWrite[]): void {
  const right = new Set<string>();
  for (const [key, { endpointId, ifindex }] of store.locals()) {
    const text = addressText(key);
    const owner = owners.get(text)?.wiring;
    if (owner === undefined) settle.push({ table: 'locals', key, value: undefined });
    else if (owner.id === endpointId && owner.ifindex === ifindex) right.add(text);
  }
  for (const [text, { key, wiring }] of owners) {
    if (!right.has(text)) settle.push({ table: 'locals', key, value: localElement(wiring) });
  }
}

function* adoptPrefixes(store: TableStore, generation: number, settle: TableWrite[]): Work<PrefixTable> {
  const entries: [PrefixKey, PrefixElement][] = [];
  let seen = 0;
  for (const [key, element] of store.prefixes()) {
    if (++seen % SLICE_ELEMENTS === 0) yield;
    const peerClass = classInForce(element, generation);
    const value = { generation, classOld: peerClass, classNew: peerClass };
    entries.push([key, value]);
    if (!isInForce(generation, element.generation)) settle.push({ table: 'prefixes', key, value });
  }
  const sorted = yield* sortInWork(
    entries,
    ([a], [b]) => a.family - b.family || a.length - b.length || Buffer.compare(a.address, b.address),
  );
  const keys = new Uint8Array(entries.length * PREFIX_KEY_BYTES);
  for (const [index, [key]] of sorted.entries()) {
    if (index % SLICE_ELEMENTS === SLICE_ELEMENTS - 1) yield;
    keys.set([key.family, key.length, ...key.address], index * PREFIX_KEY_BYTES);
  }
  return { keys, classes: Uint32Array.from(sorted, ([, value]) => value.classNew) };
}

function* addressTable(entries: readonly [AddressKey, AddressElement, number][]): Work<AddressTable> {
  const sorted = yield* sortInWork(entries, ([a], [b]) => a.family - b.family || Buffer.compare(a.address, b.address));
  const keys = new Uint8Array(sorted.length * ADDRESS_KEY_BYTES);
  for (const [index, [key]] of sorted.entries()) {
    if (index % SLICE_ELEMENTS === SLICE_ELEMENTS - 1) yield;
    keys[index * ADDRESS_KEY_BYTES] = key.family;
    keys.set(key.address, index * ADDRESS_KEY_BYTES + 1);
  }
  return {
    keys,
    classes: Uint32Array.from(sorted, ([, , peerClass]) => peerClass),
    flags: Uint32Array.from(sorted, ([, element]) => element.flags),
  };
}

function* adoptRows(store: TableStore): Work<RowTable> {
  const entries: (readonly [RowKey, RowElement])[] = [];
  for (const entry of store.rows()) {
    entries.push(entry);
    if (entries.length % SLICE_ELEMENTS === 0) yield;
  }
  const sorted = yield* sortInWork(
    entries,
    ([a], [b]) => a.ruleSet - b.ruleSet || a.peerClass - b.peerClass || a.block - b.block,
  );
  const allow = new Uint8Array(sorted.length * ROW_BYTES);
  const audit = new Uint8Array(sorted.length * ROW_BYTES);
  for (const [index, [, row]] of sorted.entries()) {
    if (index % SLICE_ELEMENTS === SLICE_ELEMENTS - 1) yield;
    allow.set(row.allow, index * ROW_BYTES);
    audit.set(row.audit, index * ROW_BYTES);
  }
  return {
    ruleSet: Uint32Array.from(sorted, ([key]) => key.ruleSet),
    peerClass: Uint32Array.from(sorted, ([key]) => key.peerClass),
    block: Uint32Array.from(sorted, ([key]) => key.block),
    allow,
    audit,
  };
}
