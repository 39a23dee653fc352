/**
 * From the services in force to those wanted: which writes, in which order.
 *
 * 1. Backends that are new; then slots; then frontends and addresses: whatever a packet reads on the way leads from a
 *    frontend to a backend that is there.
 * 2. A frontend whose number of slots stays keeps its run, and only the slots that differ are written: each holds its old
 *    backend or its new one. Another number of slots is another run, and one write of the frontend swings it over.
 * 3. After a grace what nothing leads to any more goes: backends; runs are free from then on.
 *
 * Only the frontends asked for are looked at, so that an event costs what it changes. What does not fit is refused before
 * anything is written.
 */
import { CapacityError } from '../lib/errors.ts';
import type { FrontendEntry } from '../service/delta.ts';
import { ADDRESS_KEY_BYTES, formatKey, FRONTEND_KEY_BYTES } from '../service/key.ts';
import { FRONTEND_ADDRESS } from './elements.ts';
import type { ServiceImage } from './service-image.ts';
import type { BackendElement, FrontendElement, ServiceStore, ServiceWrite } from './service-store.ts';
import { addressOf, type WantedServices } from './service-wanted.ts';

export interface ServicePlan {
  readonly prepare: readonly ServiceWrite[];
  /** After the grace. */
  readonly cleanup: readonly ServiceWrite[];
}

export interface ServiceLimits {
  /** Frontends and the addresses that they have. */
  readonly frontends: number;
  readonly backends: number;
  readonly ranges: number;
}

/** Port and protocol of an element that stands for an address. */
const ANY_PORT = '\0'.repeat(FRONTEND_KEY_BYTES - ADDRESS_KEY_BYTES);
const ADDRESS_ELEMENT: FrontendElement = {
  id: 0,
  flags: FRONTEND_ADDRESS,
  firstSlot: 0,
  slotCount: 0,
  affinitySeconds: 0,
};

export interface PlanInput {
  readonly image: ServiceImage;
  readonly wanted: WantedServices;
  /** Frontends that may differ; undefined: all that are in force or wanted. */
  readonly keys: ReadonlySet<string> | undefined;
  readonly store: Pick<ServiceStore, 'slots'>;
  readonly limits: ServiceLimits;
}

/**
 * Runs that it takes are taken in the image; the rest of it is as it was (ServiceImage.note).
 * @throws CapacityError naming the table, or the frontend whose slots find no room; the image is as it was then.
 */
export function planServices(input: PlanInput): ServicePlan {
  const { image, wanted, limits } = input;
  const scope = scopeOf(input);
  const backends = changedBackends(image, scope);
  const addresses = changedAddresses(input, scope.addresses);
  const isNew = ({ value }: FrontendWrite): boolean => value !== undefined;
  const added = (writes: readonly FrontendWrite[]): number =>
    writes.filter(({ key, value }) => value !== undefined && !image.frontends.has(key)).length;
  const unknown = scope.keys.filter((key) => wanted.frontends.has(key) && !image.frontends.has(key)).length;
  // Old and new elements are there together for a while.
  checkRoom('frontends', image.frontends.size + unknown + added(addresses), limits.frontends);
  const backendsNew = backends.set.filter(({ id }) => !image.backends.has(id)).length;
  checkRoom('backends', image.backends.size + backendsNew, limits.backends);
  const rangesNew = [...wanted.ranges].filter((key) => !image.ranges.has(key));
  checkRoom('ranges', image.ranges.size + rangesNew.length, limits.ranges);
  const placed = placeFrontends(input, scope.keys);
  const isEnabled = wanted.frontends.size > 0 || wanted.ranges.size > 0;
  const frontends = [...placed.frontends, ...addresses];
  const prepare: ServiceWrite[] = [
    ...backends.set,
    ...placed.slots,
    ...frontends.filter(isNew),
    ...rangesNew.map((key): ServiceWrite => ({ table: 'ranges', key, value: true })),
    ...(isEnabled === image.isEnabled ? [] : [{ table: 'enabled', value: isEnabled } as const]),
    ...frontends.filter((write) => !isNew(write)),
  ];
  for (const key of image.ranges) if (!wanted.ranges.has(key)) prepare.push({ table: 'ranges', key, value: undefined });
  return { prepare, cleanup: backends.gone };
}

type FrontendWrite = Extract<ServiceWrite, { readonly table: 'frontends' }>;
type BackendWrite = Extract<ServiceWrite, { readonly table: 'backends' }>;

interface Scope {
  /** Of frontends, sorted: the same change is planned alike whatever it came from. */
  readonly keys: readonly string[];
  readonly addresses: readonly string[];
  readonly entries: readonly FrontendEntry[];
  /** Ids of backends in force that may be gone. */
  readonly backends: Iterable<number>;
}

function scopeOf({ image, wanted, keys: asked }: PlanInput): Scope {
  const named = asked ?? new Set([...image.frontends.keys(), ...wanted.frontends.keys()]);
  const addresses = [...new Set(Array.from(named, addressOf))].sort();
  const keys = [...named].filter((key) => !key.endsWith(ANY_PORT)).sort();
  const entries = keys.flatMap((key) => wanted.frontends.get(key) ?? []);
  if (asked === undefined) return { keys, addresses, entries, backends: image.backends.keys() };
  const ids = new Set([...keys.flatMap((key) => image.frontends.get(key)?.id ?? []), ...entries.map(({ id }) => id)]);
  return { keys, addresses, entries, backends: [...ids].flatMap((id) => [...image.backendsOf(id)]) };
}

function changedBackends(
  image: ServiceImage,
  { entries, backends }: Scope,
): { readonly set: readonly BackendWrite[]; readonly gone: readonly BackendWrite[] } {
  const wanted = new Map<number, BackendElement>();
  for (const { id: frontend, backends: ends } of entries)
    for (const { id, key } of ends) wanted.set(id, { key, frontend });
  const set: BackendWrite[] = [];
  const gone: BackendWrite[] = [];
  for (const [id, value] of wanted) {
    if (!isSameBackend(image.backends.get(id), value)) set.push({ table: 'backends', id, value });
  }
  for (const id of backends) if (!wanted.has(id)) gone.push({ table: 'backends', id, value: undefined });
  const byId = (a: BackendWrite, b: BackendWrite): number => a.id - b.id;
  return { set: set.sort(byId), gone: gone.sort(byId) };
}

function changedAddresses({ image, wanted }: PlanInput, addresses: readonly string[]): readonly FrontendWrite[] {
  const writes: FrontendWrite[] = [];
  for (const address of addresses) {
    const key = address + ANY_PORT;
    const value = wanted.addresses.has(address) ? ADDRESS_ELEMENT : undefined;
    if (isOther(image.frontends.get(key), value)) writes.push({ table: 'frontends', key, value });
  }
  return writes;
}

/** Gives every frontend its run. Runs that are left stay taken here: packets may still read them. */
function placeFrontends(
  { image, wanted, store }: PlanInput,
  keys: readonly string[],
): { readonly frontends: readonly FrontendWrite[]; readonly slots: readonly ServiceWrite[] } {
  const frontends: FrontendWrite[] = [];
  const slots: ServiceWrite[] = [];
  const taken: (readonly [first: number, count: number])[] = [];
  for (const key of keys) {
    const before = image.frontends.get(key);
    const entry = wanted.frontends.get(key);
    const slotCount = entry?.slots.length ?? 0;
    const isKept = before !== undefined && before.slotCount === slotCount;
    const firstSlot = isKept ? before.firstSlot : slotCount === 0 ? 0 : image.runs.take(slotCount);
    if (firstSlot === undefined) {
      const { largest } = image.runs;
      for (const [first, count] of taken) image.runs.give(first, count);
      throw new CapacityError('slots', slotCount, largest, `frontend ${formatKey(key)}`);
    }
    if (entry !== undefined) {
      if (isKept) slots.push(...differences(firstSlot, store.slots(firstSlot, slotCount), entry.slots));
      else if (slotCount > 0) {
        taken.push([firstSlot, slotCount]);
        slots.push({ table: 'slots', first: firstSlot, backends: entry.slots });
      }
    }
    const { id, flags, affinitySeconds } = entry ?? ADDRESS_ELEMENT;
    const value = entry && { id, flags, firstSlot, slotCount, affinitySeconds };
    if (isOther(before, value)) frontends.push({ table: 'frontends', key, value });
  }
  return { frontends, slots };
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

function checkRoom(table: keyof ServiceLimits, needed: number, available: number): void {
  if (needed > available) throw new CapacityError(table, needed, available, 'the transition to the new service tables');
}

function isOther(a: FrontendElement | undefined, b: FrontendElement | undefined): boolean {
  return (
    a?.id !== b?.id ||
    a?.flags !== b?.flags ||
    a?.firstSlot !== b?.firstSlot ||
    a?.slotCount !== b?.slotCount ||
    a?.affinitySeconds !== b?.affinitySeconds
  );
}

function isSameBackend(a: BackendElement | undefined, b: BackendElement): boolean {
  return a !== undefined && a.key === b.key && a.frontend === b.frontend;
}
