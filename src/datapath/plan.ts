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
import { PEER_CLASS_DEFAULT, PEER_CLASS_NONE, PEER_CLASS_UNKNOWN_POD, PEER_CLASS_WORLD } from '../policy/ids.ts';
import type { PortTable, VerdictTables } from '../policy/tables.ts';
import { checkCapacity, type TableLimits } from './capacity.ts';
import { type Commit, nextGeneration, type PortTableNumber, type RuleSets } from './elements.ts';
import { IdSet } from './id-set.ts';
import type { ImageEndpoint, KernelImage } from './image.ts';
import { PrefixLookup } from './lookup.ts';
import { addressValue, endpointElement, type Sides, settled } from './own-elements.ts';
import {
  type AddressChange,
  diffAddresses,
  diffEndpoints,
  diffPrefixes,
  type EndpointChange,
  ownAddressesAfter,
  type PrefixChange,
  ruleSetsAfter,
} from './plan-elements.ts';
import { planRows } from './plan-rows.ts';
import type { TableWrite } from './store.ts';

export interface Plan {
  readonly prepare: readonly TableWrite[];
  readonly commit: Commit | undefined;
  /** After a grace period. */
  readonly cleanup: readonly TableWrite[];
  /** What is in force once all of it is done. */
  readonly after: KernelImage;
}

/**
 * Plans without touching anything.
 * @throws CapacityError when old and new elements do not fit together.
 * @throws Error (internal) when the tables give an id in use another meaning.
 */
export function planTransition(image: KernelImage, next: VerdictTables, limits: TableLimits): Plan {
  const addresses = diffAddresses(image, next.addresses);
  const prefixes = diffPrefixes(image.prefixes, next.prefixes);
  const endpoints = diffEndpoints(image, next);
  const ownAddresses = ownAddressesAfter(image, next.addresses);
  const movesPorts = !isSamePorts(image.ports, next.ports);
  const rows = planRows(
    {
      ...image,
      ruleSets: ruleSetsOf([...image.endpoints.values()].map(({ ruleSets }) => ruleSets)),
      classes: classesOf(image, image.ownAddresses),
    },
    {
      ...next,
      ruleSets: ruleSetsOf([...image.endpoints.values()].map((endpoint) => ruleSetsAfter(endpoint, next))),
      classes: classesOf(next, ownAddresses),
    },
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

  const isVersioned = movesPorts || prefixes.changes.length + addresses.changes.length + endpoints.changes.length > 0;
  const onlyAdds =
    !movesPorts &&
    prefixes.changes.length === 0 &&
    rows.cleanup.length === 0 &&
    addresses.changes.every(isNewcomer(image)) &&
    endpoints.changes.every(({ endpoint }) => endpoint.isFresh);
  const commits = isVersioned && !onlyAdds;
  const generation = commits ? nextGeneration(image.generation) : image.generation;
  const portTable: PortTableNumber = movesPorts ? (image.portTable === 0 ? 1 : 0) : image.portTable;
  const sides: SidesOf = (before, after) =>
    commits ? { generation, before, after } : settled(after, image.generation);
  return {
    prepare: [
      ...rows.prepare,
      ...(movesPorts ? portWrites(next.ports, portTable) : []),
      ...prefixes.changes.map((change) => prefixWrite(change, sides)),
      ...addresses.changes.map((change) => addressWrite(change, sides, image)),
      ...endpoints.changes.map((change) => endpointWrite(change, sides)),
    ],
    commit: commits ? { generation, portTable } : undefined,
    cleanup: [
      ...rows.cleanup,
      ...prefixes.changes.filter(({ isRemoved }) => isRemoved).map(removePrefix),
      ...addresses.changes.filter(isRemoved).map(removeAddress),
    ],
    after: {
      generation,
      portTable,
      revision: next.revision,
      addresses: next.addresses,
      prefixes: next.prefixes,
      ports: next.ports,
      rows: next.rows,
      endpoints: endpointsAfter(image, endpoints.changes),
      ownAddresses,
    },
  };
}

type SidesOf = <T>(before: T, after: T) => Sides<T>;

/**
 * The address was an unknown pod's, which never may more than a known one: whatever it gets, nothing is taken from it. One of
 * the world may lose by becoming a pod's, when a policy denies pods.
 */
function isNewcomer(image: KernelImage): (change: AddressChange) => boolean {
  let prefixes: PrefixLookup | undefined;
  return ({ key, before, after }) => {
    if (before.flags !== after.flags || after.peerClass === PEER_CLASS_NONE) return false;
    prefixes ??= new PrefixLookup(image.prefixes);
    const peerClass = before.peerClass === PEER_CLASS_NONE ? prefixes.classOf(key) : before.peerClass;
    return peerClass === PEER_CLASS_UNKNOWN_POD;
  };
}

function ruleSetsOf(endpoints: readonly RuleSets[]): IdSet {
  const ids = new IdSet();
  for (const { ingress, egress } of endpoints) ids.add(ingress).add(egress);
  return ids;
}

/** That something in force has, and the fixed ones. */
export function classesOf(
  { addresses, prefixes }: Pick<VerdictTables, 'addresses' | 'prefixes'>,
  own: KernelImage['ownAddresses'],
): IdSet {
  const ids = new IdSet().addAll([PEER_CLASS_DEFAULT, PEER_CLASS_WORLD, PEER_CLASS_UNKNOWN_POD]);
  for (const { peerClass } of own.values()) ids.add(peerClass);
  return ids.addAll(addresses.classes).addAll(prefixes.classes);
}

function endpointsAfter(image: KernelImage, changes: readonly EndpointChange[]): ReadonlyMap<number, ImageEndpoint> {
  const after = new Map(image.endpoints);
  for (const { endpoint, after: ruleSets } of changes) {
    after.set(endpoint.wiring.id, { ...endpoint, ruleSets, isFresh: false });
  }
  return after;
}

function isSamePorts(a: PortTable, b: PortTable): boolean {
  return (['protocol', 'first', 'last', 'portClass'] as const).every(
    (field) => a[field].length === b[field].length && a[field].every((value, index) => value === b[field][index]),
  );
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

function addressWrite(
  { key, before, after, endpointId }: AddressChange,
  sides: SidesOf,
  image: KernelImage,
): TableWrite {
  const wiring = endpointId === undefined ? undefined : image.endpoints.get(endpointId)?.wiring;
  return {
    table: 'addresses',
    key,
    value: addressValue(sides(before.peerClass, after.peerClass), after.flags, wiring),
  };
}

function endpointWrite({ endpoint, after }: EndpointChange, sides: SidesOf): TableWrite {
  const { wiring, ruleSets } = endpoint;
  return { table: 'endpoints', ifindex: wiring.ifindex, value: endpointElement(wiring, sides(ruleSets, after)) };
}

function removePrefix({ key }: PrefixChange): TableWrite {
  return { table: 'prefixes', key, value: undefined };
}

/** Nothing of it is left on the new side. */
function isRemoved({ after, before, endpointId }: AddressChange): boolean {
  const isVoid = after.peerClass === PEER_CLASS_NONE && after.flags === 0 && endpointId === undefined;
  return isVoid && before.peerClass !== PEER_CLASS_NONE;
}

function removeAddress({ key }: AddressChange): TableWrite {
  return { table: 'addresses', key, value: undefined };
}
