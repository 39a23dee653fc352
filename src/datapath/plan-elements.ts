/**
 * Versioned elements: addresses, prefixes, endpoints. Each list says what changes, with the value in force on both
 * sides of the transition; writing it is left to plan.ts, which knows whether the change may take effect at once.
 */
import { SLICE_ELEMENTS, type Work } from '../lib/work.ts';
import { PEER_CLASS_NONE, PREFIX_KEY_BYTES } from '../policy/ids.ts';
import { mergePrefixes, placeOfKey, type TableDelta } from '../policy/table-delta.ts';
import type { AddressTable, EndpointTable, PrefixTable } from '../policy/tables.ts';
import { ABSENT, type AddressState, stateAt } from './address-layers.ts';
import { ClassMoves } from './class-use.ts';
import { type AddressKey, CLOSED, type PrefixKey, type RuleSets } from './elements.ts';
import { type ImageAddress, type ImageEndpoint, type KernelImage, OWN_ADDRESS_CLASS } from './image.ts';
import { addressTextAt, prefixKeyAt, prefixLookupOf } from './lookup.ts';

export interface AddressChange {
  /** Or its index in the delta: of 100,000 addresses, keys are made only while they are written. */
  readonly key: AddressKey | number;
  readonly before: AddressState;
  readonly after: AddressState;
}

export interface AddressChanges extends Changes<AddressChange> {
  readonly ownAddresses: ReadonlyMap<string, ImageAddress>;
  readonly moves: ClassMoves;
}

export interface PrefixChange {
  readonly key: PrefixKey;
  readonly before: number;
  readonly after: number;
  /** Not in the new table: the element goes once nothing reads it. */
  readonly isRemoved: boolean;
}

export interface PrefixChanges extends Changes<PrefixChange> {
  readonly prefixes: PrefixTable;
}

export interface EndpointChange {
  readonly endpoint: ImageEndpoint;
  readonly after: RuleSets;
}

export interface EndpointChanges extends Changes<EndpointChange> {
  readonly named: ReadonlyMap<number, RuleSets>;
}

export interface Changes<T> {
  readonly changes: readonly T[];
  /** Elements there are while both sides are. */
  readonly countDuring: number;
}

export function* changeAddresses(image: KernelImage, delta: AddressTable): Work<AddressChanges> {
  const { addresses: before, ownAddresses } = image;
  const changes: AddressChange[] = [];
  const moves = new ClassMoves();
  const changedOwn = new Map<string, AddressState>();
  let added = 0;
  for (let index = 0; index < delta.classes.length; index++) {
    if (index % SLICE_ELEMENTS === SLICE_ELEMENTS - 1) yield;
    const old = before.findAt(delta, index);
    const after = stateAt(delta, index);
    moves.move(old?.peerClass ?? PEER_CLASS_NONE, after.peerClass);
    const text = ownAddresses.size === 0 ? '' : addressTextAt(delta, index);
    if (ownAddresses.has(text)) {
      changedOwn.set(text, after);
      continue;
    }
    if (isSameState(old ?? ABSENT, after)) continue;
    if (old === undefined) added += 1;
    changes.push({ key: index, before: old ?? ABSENT, after });
  }
  const own = changeOwnAddresses(image, changedOwn);
  return {
    changes: [...changes, ...own.changes],
    countDuring: before.size + added + own.count,
    ownAddresses: own.ownAddresses,
    moves,
  };
}

/** `changed`: what the new tables make of those that they change. */
function changeOwnAddresses(
  image: KernelImage,
  changed: ReadonlyMap<string, AddressState>,
): {
  readonly changes: readonly AddressChange[];
  readonly ownAddresses: ReadonlyMap<string, ImageAddress>;
  /** Those that the tables in force do not have. */
  readonly count: number;
} {
  const changes: AddressChange[] = [];
  const ownAddresses = new Map<string, ImageAddress>();
  let count = 0;
  for (const [text, address] of image.ownAddresses) {
    const { key, endpointId } = address;
    const told = image.addresses.find(key);
    if (told === undefined) count += 1;
    const after = ownStateAfter(endpointId, changed.get(text) ?? told ?? ABSENT);
    if (endpointId !== undefined) ownAddresses.set(text, { ...address, ...after });
    if (!isSameState(address, after)) changes.push({ key, before: address, after });
  }
  return { changes, ownAddresses, count };
}

/** What the tables make of an address that has an element of its own. */
function ownStateAfter(endpointId: number | undefined, told: AddressState): AddressState {
  return told === ABSENT && endpointId !== undefined ? { peerClass: OWN_ADDRESS_CLASS, flags: 0 } : told;
}

/**
 * An absent prefix means the class around it, so a prefix that comes has that of the old table as its old side, and one
 * that goes that of the new table as its new side: nested ones may come and go together.
 */
export function* changePrefixes(image: KernelImage, delta: PrefixTable, moves: ClassMoves): Work<PrefixChanges> {
  const before = image.prefixes;
  const changes: PrefixChange[] = [];
  if (delta.classes.length === 0) return { changes, countDuring: before.classes.length, prefixes: before };
  const prefixes = yield* mergePrefixes(before, delta);
  const around = { before: prefixLookupOf(before), after: prefixLookupOf(prefixes) };
  let added = 0;
  for (let index = 0; index < delta.classes.length; index++) {
    if (index % SLICE_ELEMENTS === SLICE_ELEMENTS - 1) yield;
    const place = placeOfKey(before.keys, delta.keys, index, PREFIX_KEY_BYTES);
    const old = place.found ? before.classes[place.index]! : PEER_CLASS_NONE;
    const after = delta.classes[index]!;
    if (old === after) continue;
    if (!place.found) added += 1;
    moves.move(old, after);
    const key = prefixKeyAt(delta, index);
    const isRemoved = after === PEER_CLASS_NONE;
    changes.push({
      key,
      before: place.found ? old : around.before.classAround(key),
      after: isRemoved ? around.after.classAround(key) : after,
      isRemoved,
    });
  }
  return { changes, countDuring: before.classes.length + added, prefixes };
}

/** Endpoints that the tables do not name are closed. */
export function changeEndpoints(image: KernelImage, delta: TableDelta): EndpointChanges {
  const named = namedAfter(image, delta);
  const changes: EndpointChange[] = [];
  for (const endpoint of image.endpoints.values()) {
    const after = named.get(endpoint.wiring.id) ?? CLOSED;
    const { ingress, egress } = endpoint.ruleSets;
    if (ingress !== after.ingress || egress !== after.egress) changes.push({ endpoint, after });
  }
  return { changes, countDuring: image.endpoints.size, named };
}

/** What the tables say of endpoints once the delta is in them. */
export function namedAfter(
  { named }: KernelImage,
  { endpoints, goneEndpoints }: { readonly endpoints: EndpointTable; readonly goneEndpoints: Uint32Array },
): ReadonlyMap<number, RuleSets> {
  if (endpoints.id.length + goneEndpoints.length === 0) return named;
  const after = new Map(named);
  for (const id of goneEndpoints) after.delete(id);
  for (const [index, id] of endpoints.id.entries()) {
    after.set(id, { ingress: endpoints.ingress[index]!, egress: endpoints.egress[index]! });
  }
  return after;
}

function isSameState(a: AddressState, b: AddressState): boolean {
  return a.peerClass === b.peerClass && a.flags === b.flags;
}
