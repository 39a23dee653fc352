/**
 * Versioned elements: addresses, prefixes, endpoints. Each list says what changes, with the value in force on both
 * sides of the transition; writing it is left to plan.ts, which knows whether the change may take effect at once.
 */
import { ADDRESS_KEY_BYTES, PEER_CLASS_NONE, PREFIX_KEY_BYTES } from '../policy/ids.ts';
import type { AddressTable, PrefixTable, VerdictTables } from '../policy/tables.ts';
import { type AddressKey, CLOSED, type PrefixKey, type RuleSets } from './elements.ts';
import { type ImageAddress, type ImageEndpoint, type KernelImage, OWN_ADDRESS_CLASS } from './image.ts';
import {
  addressKeyAt,
  addressText,
  addressTextAt,
  compareBytes,
  findAddress,
  findEndpoint,
  PrefixLookup,
  prefixKeyAt,
} from './lookup.ts';
import { type Columns, column, mergeDiff } from './merge-diff.ts';

export interface AddressState {
  /** PEER_CLASS_NONE: that of the prefixes. */
  readonly peerClass: number;
  readonly flags: number;
}

export interface AddressChange {
  readonly key: AddressKey;
  readonly before: AddressState;
  readonly after: AddressState;
  /** Whether there is an element before. */
  readonly exists: boolean;
  readonly endpointId: number | undefined;
}

export interface PrefixChange {
  readonly key: PrefixKey;
  readonly before: number;
  readonly after: number;
  /** Not in the new table: the element goes once nothing reads it. */
  readonly isRemoved: boolean;
}

export interface EndpointChange {
  readonly endpoint: ImageEndpoint;
  readonly after: RuleSets;
}

export interface Changes<T> {
  readonly changes: readonly T[];
  /** Elements there are while both sides are. */
  readonly countDuring: number;
}

const ABSENT: AddressState = { peerClass: PEER_CLASS_NONE, flags: 0 };

export function diffAddresses(image: KernelImage, next: AddressTable): Changes<AddressChange> {
  const before = image.addresses;
  const changes: AddressChange[] = [];
  let added = 0;
  mergeDiff(
    addressColumns(before),
    addressColumns(next),
    (i, j) => compareBytes(before.keys, i, next.keys, j, ADDRESS_KEY_BYTES),
    (i, j) => {
      const text = i === undefined ? addressTextAt(next, j!) : addressTextAt(before, i);
      if (image.ownAddresses.has(text)) return;
      if (i === undefined) added += 1;
      changes.push({
        key: i === undefined ? addressKeyAt(next, j!) : addressKeyAt(before, i),
        before: i === undefined ? ABSENT : stateAt(before, i),
        after: j === undefined ? ABSENT : stateAt(next, j),
        exists: i !== undefined,
        endpointId: undefined,
      });
    },
  );
  let own = 0;
  for (const address of image.ownAddresses.values()) {
    if (findAddress(before, address.key) < 0) own += 1;
    const after = ownStateAfter(address, next);
    if (after.peerClass === address.peerClass && after.flags === address.flags) continue;
    changes.push({ key: address.key, before: address, after, exists: true, endpointId: address.endpointId });
  }
  return { changes, countDuring: before.classes.length + added + own };
}

/** What the tables make of an address that has an element of its own. */
function ownStateAfter(address: ImageAddress, next: AddressTable): AddressState {
  const index = findAddress(next, address.key);
  if (index >= 0) return stateAt(next, index);
  return address.endpointId === undefined ? ABSENT : { peerClass: OWN_ADDRESS_CLASS, flags: 0 };
}

/** The own addresses once `next` is in force: those of endpoints. */
export function ownAddressesAfter(image: KernelImage, next: AddressTable): ReadonlyMap<string, ImageAddress> {
  const after = new Map<string, ImageAddress>();
  for (const address of image.ownAddresses.values()) {
    if (address.endpointId === undefined) continue;
    after.set(addressText(address.key), { ...address, ...ownStateAfter(address, next) });
  }
  return after;
}

/**
 * An absent prefix means the class around it, so a prefix that comes has that of the old table as its old side, and one
 * that goes that of the new table as its new side: nested ones may come and go together.
 */
export function diffPrefixes(before: PrefixTable, next: PrefixTable): Changes<PrefixChange> {
  const changes: PrefixChange[] = [];
  let added = 0;
  let around: { readonly before: PrefixLookup; readonly next: PrefixLookup } | undefined;
  mergeDiff(
    prefixColumns(before),
    prefixColumns(next),
    (i, j) => compareBytes(before.keys, i, next.keys, j, PREFIX_KEY_BYTES),
    (i, j) => {
      around ??= { before: new PrefixLookup(before), next: new PrefixLookup(next) };
      if (i === undefined) added += 1;
      const key = i === undefined ? prefixKeyAt(next, j!) : prefixKeyAt(before, i);
      changes.push({
        key,
        before: i === undefined ? around.before.classAround(key) : before.classes[i]!,
        after: j === undefined ? around.next.classAround(key) : next.classes[j]!,
        isRemoved: j === undefined,
      });
    },
  );
  return { changes, countDuring: before.classes.length + added };
}

/** Endpoints that the tables do not name are closed. */
export function diffEndpoints(image: KernelImage, next: VerdictTables): Changes<EndpointChange> {
  const changes: EndpointChange[] = [];
  for (const endpoint of image.endpoints.values()) {
    const after = ruleSetsAfter(endpoint, next);
    if (after.ingress === endpoint.ruleSets.ingress && after.egress === endpoint.ruleSets.egress) continue;
    changes.push({ endpoint, after });
  }
  return { changes, countDuring: image.endpoints.size };
}

export function ruleSetsAfter(endpoint: ImageEndpoint, { endpoints }: VerdictTables): RuleSets {
  const index = findEndpoint(endpoints, endpoint.wiring.id);
  return index < 0 ? CLOSED : { ingress: endpoints.ingress[index]!, egress: endpoints.egress[index]! };
}

function stateAt(table: AddressTable, index: number): AddressState {
  return { peerClass: table.classes[index]!, flags: table.flags[index]! };
}

function addressColumns(table: AddressTable): Columns {
  const columns = [column(table.keys, ADDRESS_KEY_BYTES), column(table.classes, 4), column(table.flags, 4)];
  return { count: table.classes.length, columns };
}

function prefixColumns(table: PrefixTable): Columns {
  return { count: table.classes.length, columns: [column(table.keys, PREFIX_KEY_BYTES), column(table.classes, 4)] };
}
