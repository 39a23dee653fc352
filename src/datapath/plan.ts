/**
 * The transition from what is in force to new tables, as an ordered list of writes:
 *
 * 1. prepare: rows that nothing in force reads, the port table that is not in force, elements whose new side waits for
 *    the next generation. No verdict changes by any of these writes.
 * 2. commit: one 64-bit store names the next generation and the port table: every new side is in force at once.
 * 3. After a grace period (no packet is under way that read the older generation): clean-up of what only the old side
 *    used.
 *
 * A change that only adds (a pod's start) needs no commit: rows first, then addresses, then endpoints, in force as they
 * are written. Flags of an address are not versioned; they change in step 1, so that the commit has every flow judged
 * again with them.
 */
import { SLICE_ELEMENTS, type Work } from '../lib/work.ts';
import { PEER_CLASS_DEFAULT, PEER_CLASS_NONE, PEER_CLASS_UNKNOWN_POD, PEER_CLASS_WORLD } from '../policy/ids.ts';
import type { TableDelta } from '../policy/table-delta.ts';
import type { AddressTable, PortTable, VerdictTables } from '../policy/tables.ts';
import { AddressLayers } from './address-layers.ts';
import { checkCapacity, type TableLimits } from './capacity.ts';
import { type AddressKey, type Commit, isVoidAddress, nextGeneration, type PortTableNumber } from './elements.ts';
import { IdSet } from './id-set.ts';
import type { ImageEndpoint, KernelImage } from './image.ts';
import { addressKeyAt, prefixLookupOf } from './lookup.ts';
import { addressValue, endpointElement, type Sides, settled } from './own-elements.ts';
import {
  type AddressChange,
  changeAddresses,
  changeEndpoints,
  changePrefixes,
  type EndpointChange,
  type PrefixChange,
} from './plan-elements.ts';
import { planRows } from './plan-rows.ts';
import type { TableWrite } from './store.ts';

/** Can be gone through more than once. */
export type Writes = readonly TableWrite[] | (Iterable<TableWrite> & { readonly size: number });

export interface Plan {
  readonly prepare: Writes;
  readonly commit: Commit | undefined;
  /** After a grace period. */
  readonly cleanup: Writes;
  /** What is in force once all of it is done. */
  readonly after: KernelImage;
}

/** What of the tables the plan brings in force. */
export interface Target {
  readonly delta: TableDelta;
  /** The whole tables, where they are at hand. */
  readonly whole?: Pick<VerdictTables, 'addresses'> | undefined;
}

/**
 * Plans without touching anything.
 * @throws CapacityError when old and new elements do not fit together.
 * @throws Error (internal) when the tables give an id in use another meaning.
 */
export function* planTransition(image: KernelImage, { delta, whole }: Target, limits: TableLimits): Work<Plan> {
  const addresses = yield* changeAddresses(image, delta.addresses);
  const { moves, ownAddresses } = addresses;
  const prefixes = yield* changePrefixes(image, delta.prefixes, moves);
  const endpoints = changeEndpoints(image, delta);
  const ports = delta.ports ?? image.ports;
  const classes = image.classes.with(moves.by);
  const endpointsNow = endpointsAfter(image, endpoints.changes);
  const rows = yield* planRows(
    image,
    delta,
    { ports: image.ports, ruleSets: ruleSetsOf(image.endpoints), classes: classesOf(image) },
    { ports, ruleSets: ruleSetsOf(endpointsNow), classes: classesOf({ classes, ownAddresses }) },
  );
  checkCapacity(
    {
      endpoints: endpoints.countDuring,
      addresses: addresses.countDuring,
      prefixes: prefixes.countDuring,
      rows: rows.countDuring,
    },
    limits,
  );

  const movesPorts = delta.ports !== undefined;
  const isVersioned = movesPorts || prefixes.changes.length + addresses.changes.length + endpoints.changes.length > 0;
  const onlyAdds =
    !movesPorts &&
    prefixes.changes.length === 0 &&
    rows.cleanup.length === 0 &&
    endpoints.changes.every(({ endpoint }) => endpoint.isFresh) &&
    (yield* areNewcomers(image, addresses.changes, delta.addresses));
  const commits = isVersioned && !onlyAdds;
  const generation = commits ? nextGeneration(image.generation) : image.generation;
  const portTable: PortTableNumber = movesPorts ? (image.portTable === 0 ? 1 : 0) : image.portTable;
  const sides: SidesOf = (before, after) =>
    commits ? { generation, before, after } : settled(after, image.generation);
  return {
    prepare: inTurn(
      rows.prepare,
      movesPorts ? portWrites(ports, portTable) : [],
      made(prefixes.changes, (change) => prefixWrite(change, sides)),
      made(addresses.changes, (change) => addressWrite(change, delta.addresses, sides)),
      made(endpoints.changes, (change) => endpointWrite(change, sides)),
    ),
    commit: commits ? { generation, portTable } : undefined,
    cleanup: inTurn(
      rows.cleanup,
      made(
        prefixes.changes.filter(({ isRemoved }) => isRemoved),
        removePrefix,
      ),
      made(addresses.changes.filter(isRemoved), (change) => removeAddress(change, delta.addresses)),
    ),
    after: {
      generation,
      portTable,
      revision: delta.revision,
      addresses: whole ? AddressLayers.of(whole.addresses) : yield* image.addresses.with(delta.addresses),
      prefixes: prefixes.prefixes,
      classes,
      ports,
      rows: rows.rows,
      named: endpoints.named,
      endpoints: endpointsNow,
      ownAddresses,
    },
  };
}

type SidesOf = <T>(before: T, after: T) => Sides<T>;

/** Lists one after the other. */
function inTurn(...lists: readonly Writes[]): Writes {
  return {
    size: lists.reduce((sum, list) => sum + ('size' in list ? list.size : list.length), 0),
    *[Symbol.iterator](): Generator<TableWrite> {
      for (const list of lists) yield* list;
    },
  };
}

/** Made while they are written: of 100,000, only those of one batch are there. */
function made<T>(changes: readonly T[], make: (change: T) => TableWrite): Writes {
  return {
    size: changes.length,
    *[Symbol.iterator](): Generator<TableWrite> {
      for (const change of changes) yield make(change);
    },
  };
}

/**
 * Each address was an unknown pod's, which never may more than a known one: whatever they get, nothing is taken from them.
 * One of the world may lose by becoming a pod's, when a policy denies pods.
 */
function* areNewcomers(
  { prefixes }: KernelImage,
  changes: readonly AddressChange[],
  delta: AddressTable,
): Work<boolean> {
  let looked = 0;
  for (const change of changes) {
    const { before, after } = change;
    if (before.flags !== after.flags || after.peerClass === PEER_CLASS_NONE) return false;
    const peerClass =
      before.peerClass === PEER_CLASS_NONE ? prefixLookupOf(prefixes).classOf(keyOf(change, delta)) : before.peerClass;
    if (peerClass !== PEER_CLASS_UNKNOWN_POD) return false;
    looked += 1;
    if (looked % SLICE_ELEMENTS === 0) yield;
  }
  return true;
}

function ruleSetsOf(endpoints: ReadonlyMap<number, ImageEndpoint>): IdSet {
  const ids = new IdSet();
  for (const { ruleSets } of endpoints.values()) ids.add(ruleSets.ingress).add(ruleSets.egress);
  return ids;
}

/** That something in force has, and the fixed ones. */
export function classesOf({ classes, ownAddresses }: Pick<KernelImage, 'classes' | 'ownAddresses'>): {
  has(peerClass: number): boolean;
} {
  const more = new IdSet().addAll([PEER_CLASS_DEFAULT, PEER_CLASS_WORLD, PEER_CLASS_UNKNOWN_POD]);
  for (const { peerClass } of ownAddresses.values()) more.add(peerClass);
  return { has: (peerClass) => more.has(peerClass) || classes.has(peerClass) };
}

function endpointsAfter(image: KernelImage, changes: readonly EndpointChange[]): ReadonlyMap<number, ImageEndpoint> {
  const after = new Map(image.endpoints);
  for (const { endpoint, after: ruleSets } of changes) {
    after.set(endpoint.wiring.id, { ...endpoint, ruleSets, isFresh: false });
  }
  return after;
}

function portWrites(ports: PortTable, number: PortTableNumber): TableWrite[] {
  return Array.from(ports.portClass, (portClass, index) => ({
    table: 'ports',
    number,
    protocol: ports.protocol[index]!,
    first: ports.first[index]!,
    last: ports.last[index]!,
    portClass,
  }));
}

function prefixWrite({ key, before, after }: PrefixChange, sides: SidesOf): TableWrite {
  const { generation, before: classOld, after: classNew } = sides(before, after);
  return { table: 'prefixes', key, value: { generation, classOld, classNew } };
}

function keyOf({ key }: AddressChange, delta: AddressTable): AddressKey {
  return typeof key === 'number' ? addressKeyAt(delta, key) : key;
}

function addressWrite(change: AddressChange, delta: AddressTable, sides: SidesOf): TableWrite {
  const { before, after } = change;
  const value = addressValue(sides(before.peerClass, after.peerClass), after.flags);
  return { table: 'addresses', key: keyOf(change, delta), value };
}

function endpointWrite({ endpoint, after }: EndpointChange, sides: SidesOf): TableWrite {
  const { wiring, ruleSets } = endpoint;
  return { table: 'endpoints', ifindex: wiring.ifindex, value: endpointElement(wiring, sides(ruleSets, after)) };
}

function removePrefix({ key }: PrefixChange): TableWrite {
  return { table: 'prefixes', key, value: undefined };
}

/** Nothing of it is left on the new side. */
function isRemoved({ after, before }: AddressChange): boolean {
  return isVoidAddress(after, after.peerClass) && before.peerClass !== PEER_CLASS_NONE;
}

function removeAddress(change: AddressChange, delta: AddressTable): TableWrite {
  return { table: 'addresses', key: keyOf(change, delta), value: undefined };
}
