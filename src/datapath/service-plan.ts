/**
 * From the service tables in force to others: which writes, in which order.
 *
 * 1. Backends that are new; then slots; then frontends and addresses: whatever a packet reads on the way leads from a
 *    frontend to a backend that is there.
 * 2. A frontend whose number of slots stays keeps its run, and only the slots that differ are written: each holds its old
 *    backend or its new one. Another number of slots is another run, and one write of the frontend swings it over.
 * 3. After a grace what nothing leads to any more goes: backends; runs are free from then on.
 *
 * What does not fit is refused before anything is written.
 */
import { CapacityError } from '../lib/errors.ts';
import { ADDRESS_KEY_BYTES, BACKEND_KEY_BYTES, formatKey, FRONTEND_KEY_BYTES, readKey } from '../service/key.ts';
import type { ServiceTables } from '../service/tables.ts';
import { FRONTEND_ADDRESS } from './elements.ts';
import type { BackendElement, FrontendElement, ServiceStore, ServiceWrite } from './service-store.ts';
import { SlotRuns } from './slot-runs.ts';

/** What a store holds. */
export interface ServiceImage {
  readonly frontends: ReadonlyMap<string, FrontendElement>;
  readonly backends: ReadonlyMap<number, BackendElement>;
  readonly ranges: ReadonlySet<string>;
  readonly isEnabled: boolean;
}

export interface ServicePlan {
  readonly prepare: readonly ServiceWrite[];
  /** After the grace. */
  readonly cleanup: readonly ServiceWrite[];
  readonly after: ServiceImage;
}

export interface ServiceLimits {
  /** Frontends and the addresses that they have. */
  readonly frontends: number;
  readonly backends: number;
  readonly ranges: number;
}

const RANGE_KEY_BYTES = 18;
/** Port and protocol of an element that stands for an address. */
const ANY_PORT = '\0'.repeat(FRONTEND_KEY_BYTES - ADDRESS_KEY_BYTES);
const ADDRESS_ELEMENT: FrontendElement = {
  id: 0,
  flags: FRONTEND_ADDRESS,
  firstSlot: 0,
  slotCount: 0,
  affinitySeconds: 0,
};

/** @throws CapacityError naming the table, or the frontend whose slots find no room. */
export function planServices(
  image: ServiceImage,
  tables: ServiceTables,
  store: Pick<ServiceStore, 'slots' | 'slotCapacity'>,
  limits: ServiceLimits,
): ServicePlan {
  const backends = new Map(
    Array.from(tables.backends.ids, (id, i): [number, BackendElement] => [
      id,
      {
        key: readKey(tables.backends.keys, i * BACKEND_KEY_BYTES, BACKEND_KEY_BYTES),
        frontend: tables.backends.frontends[i]!,
      },
    ]),
  );
  const ranges = new Set(keysOf(tables.ranges, RANGE_KEY_BYTES));
  const { frontends, slots } = placeFrontends(image, tables, store);
  for (const key of keysOf(tables.addresses, ADDRESS_KEY_BYTES)) frontends.set(key + ANY_PORT, ADDRESS_ELEMENT);
  checkRoom('frontends', image.frontends, frontends, limits.frontends);
  checkRoom('backends', image.backends, backends, limits.backends);
  checkRoom(
    'ranges',
    new Map([...image.ranges].map((key) => [key, true])),
    new Map([...ranges].map((key) => [key, true])),
    limits.ranges,
  );
  const isEnabled = frontends.size > 0 || ranges.size > 0;
  const prepare: ServiceWrite[] = [];
  for (const [id, value] of backends) {
    if (!isSameBackend(image.backends.get(id), value)) prepare.push({ table: 'backends', id, value });
  }
  prepare.push(...slots);
  for (const [key, value] of frontends) {
    if (!isSameElement(image.frontends.get(key), value)) prepare.push({ table: 'frontends', key, value });
  }
  for (const key of ranges) if (!image.ranges.has(key)) prepare.push({ table: 'ranges', key, value: true });
  if (isEnabled !== image.isEnabled) prepare.push({ table: 'enabled', value: isEnabled });
  for (const key of image.frontends.keys()) {
    if (!frontends.has(key)) prepare.push({ table: 'frontends', key, value: undefined });
  }
  for (const key of image.ranges) if (!ranges.has(key)) prepare.push({ table: 'ranges', key, value: undefined });
  const cleanup: ServiceWrite[] = [];
  for (const id of image.backends.keys())
    if (!backends.has(id)) cleanup.push({ table: 'backends', id, value: undefined });
  return { prepare, cleanup, after: { frontends, backends, ranges, isEnabled } };
}

/** Gives every frontend its run. Runs that are left stay taken here: packets may still read them. */
function placeFrontends(
  image: ServiceImage,
  { frontends: table, slots }: ServiceTables,
  store: Pick<ServiceStore, 'slots' | 'slotCapacity'>,
): { readonly frontends: Map<string, FrontendElement>; readonly slots: ServiceWrite[] } {
  const frontends = new Map<string, FrontendElement>();
  const writes: ServiceWrite[] = [];
  const runs = new SlotRuns(
    store.slotCapacity,
    Array.from(image.frontends.values(), ({ firstSlot, slotCount }) => [firstSlot, slotCount] as const),
  );
  for (const [i, id] of table.ids.entries()) {
    const key = readKey(table.keys, i * FRONTEND_KEY_BYTES, FRONTEND_KEY_BYTES);
    const slotCount = table.slotCount[i] ?? 0;
    const start = table.firstSlot[i] ?? 0;
    const wanted = slots.subarray(start, start + slotCount);
    const before = image.frontends.get(key);
    const isKept = before !== undefined && before.slotCount === slotCount;
    const firstSlot = isKept ? before.firstSlot : slotCount === 0 ? 0 : runs.take(slotCount);
    if (firstSlot === undefined)
      throw new CapacityError('slots', slotCount, runs.largest, `frontend ${formatKey(key)}`);
    if (isKept) writes.push(...differences(firstSlot, store.slots(firstSlot, slotCount), wanted));
    else if (slotCount > 0) writes.push({ table: 'slots', first: firstSlot, backends: wanted });
    const affinitySeconds = table.affinitySeconds[i]!;
    frontends.set(key, { id, flags: table.flags[i]!, firstSlot, slotCount, affinitySeconds });
  }
  return { frontends, slots: writes };
}

/** One write for every stretch that differs. */
function differences(first: number, old: Uint32Array, wanted: Uint32Array): ServiceWrite[] {
  const writes: ServiceWrite[] = [];
  for (let at = 0; at < wanted.length; at++) {
    if (old[at] === wanted[at]) continue;
    let end = at + 1;
    while (end < wanted.length && old[end] !== wanted[end]) end++;
    writes.push({ table: 'slots', first: first + at, backends: wanted.subarray(at, end) });
    at = end;
  }
  return writes;
}

/** Old and new elements are there together for a while. */
function checkRoom<K>(
  table: keyof ServiceLimits,
  old: ReadonlyMap<K, unknown>,
  wanted: ReadonlyMap<K, unknown>,
  available: number,
): void {
  let needed = wanted.size;
  for (const key of old.keys()) if (!wanted.has(key)) needed += 1;
  if (needed > available) throw new CapacityError(table, needed, available, 'the transition to the new service tables');
}

function isSameElement(a: FrontendElement | undefined, b: FrontendElement): boolean {
  return (
    a !== undefined &&
    a.id === b.id &&
    a.flags === b.flags &&
    a.firstSlot === b.firstSlot &&
    a.slotCount === b.slotCount &&
    a.affinitySeconds === b.affinitySeconds
  );
}

function isSameBackend(a: BackendElement | undefined, b: BackendElement): boolean {
  return a !== undefined && a.key === b.key && a.frontend === b.frontend;
}

function keysOf(bytes: Uint8Array, size: number): string[] {
  return Array.from({ length: bytes.length / size }, (_, i) => readKey(bytes, i * size, size));
}
