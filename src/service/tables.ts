/**
 * ServiceTables: all that the kernel needs to translate what a pod sends to a Service, as flat typed arrays, so that a
 * worker can transfer them and two of them can be compared by a merge. Pure data.
 *
 * A packet to (address, port, protocol):
 * 1. the frontend of that key; FRONTEND_REJECT answers it with an error, FRONTEND_DROP drops it (SVC-30), and with
 *    FRONTEND_ELSEWHERE it is not translated here (SVC-1); otherwise, with affinitySeconds, the backend that the client
 *    had, and the slot of its hash (choose.ts) names the backend of the rest;
 * 2. no such frontend, but the address is one of `addresses`: a port that the Service does not have; rejected (SVC-36);
 * 3. neither, but the address is inside `ranges`: dropped, as no such Service;
 * 4. otherwise it is not for a Service.
 *
 * Ids: that of a frontend is of its key, that of a backend of its frontend, address and port, so that a flow or a client
 * that remembers a backend can tell whether the frontend still has it. Neither is given again after it fell out of use. Slots name backends by id, not by address: four bytes each.
 *
 * Order of writing: backends, then slots, then frontends, then what nothing leads to any more goes in the opposite order.
 * A slot read on the way holds its old backend or its new one, and both are there.
 */
import type { Cidr } from '../net/cidr.ts';
import type { Frontend } from './frontend.ts';
import { backendIdKey, type GivenIds } from './id-table.ts';
import { ADDRESS_KEY_BYTES, BACKEND_KEY_BYTES, FRONTEND_KEY_BYTES, readKey, writeKey } from './key.ts';
import { BACKENDS_MAX, FRONTENDS_MAX, SLOTS_MAX } from './limits.ts';
import type { Resolution } from './resolve.ts';

/** There is no usable endpoint anywhere: TCP reset, or ICMP port unreachable. */
export const FRONTEND_REJECT = 2;
/** There are some, but none that may be used here: dropped. */
export const FRONTEND_DROP = 4;
/** Another proxy translates what is sent to it: the packet is judged as it stands and left to the host's stack. */
export const FRONTEND_ELSEWHERE = 16;

/** Bytes of one range: family, prefix length, then the address. */
const RANGE_KEY_BYTES = 18;

/** Sorted by key. */
export interface FrontendTable {
  /** FRONTEND_KEY_BYTES an entry: family, address (16), port (2, network order), IANA protocol. */
  readonly keys: Uint8Array;
  readonly ids: Uint32Array;
  /** FRONTEND_* bits. */
  readonly flags: Uint32Array;
  /** Session affinity's timeout; 0 without affinity. */
  readonly affinitySeconds: Uint32Array;
  /** The frontend's run in `slots`: a place in that array only, it moves when a run before it grows. */
  readonly firstSlot: Uint32Array;
  /** 0: rejected or dropped. */
  readonly slotCount: Uint32Array;
}

/** Sorted by id. */
export interface BackendTable {
  readonly ids: Uint32Array;
  /** Id of the frontend that each is behind. */
  readonly frontends: Uint32Array;
  /** BACKEND_KEY_BYTES an entry: family, address (16), port (2, network order). */
  readonly keys: Uint8Array;
}

export interface ServiceTables {
  readonly revision: number;
  readonly frontends: FrontendTable;
  readonly backends: BackendTable;
  /** Backend ids; the runs of the frontends in their order. */
  readonly slots: Uint32Array;
  /** Addresses that some frontend has; ADDRESS_KEY_BYTES an entry, sorted. */
  readonly addresses: Uint8Array;
  /** RANGE_KEY_BYTES an entry, sorted. */
  readonly ranges: Uint8Array;
  /** The ids that will be given next. */
  readonly nextIds: Resolution['nextIds'];
}

/** A table of the kernel that the tables do not fit into. They must not be applied, not even in part. */
export interface ServiceLimit {
  readonly limit: 'FRONTENDS_MAX' | 'BACKENDS_MAX' | 'SLOTS_MAX';
  readonly needed: number;
  readonly available: number;
}

/** They share nothing with the resolver: they can be transferred. */
export function makeServiceTables(
  { revision, frontends, nextIds }: Pick<Resolution, 'revision' | 'frontends' | 'nextIds'>,
  ranges: readonly Cidr[],
): ServiceTables {
  return {
    revision,
    ...makeFrontends(frontends),
    backends: makeBackends(frontends),
    addresses: makeAddresses(frontends),
    ranges: makeRanges(ranges),
    nextIds,
  };
}

/** How many of each there are. */
export interface ServiceTotals {
  readonly frontends: number;
  readonly backends: number;
  readonly slots: number;
}

export function totalsOf({ frontends, backends, slots }: ServiceTables): ServiceTotals {
  return { frontends: frontends.ids.length, backends: backends.ids.length, slots: slots.length };
}

/** Empty when they fit. */
export function exceededLimits({ frontends, backends, slots }: ServiceTotals): readonly ServiceLimit[] {
  const needs: readonly ServiceLimit[] = [
    { limit: 'FRONTENDS_MAX', needed: frontends, available: FRONTENDS_MAX },
    { limit: 'BACKENDS_MAX', needed: backends, available: BACKENDS_MAX },
    { limit: 'SLOTS_MAX', needed: slots, available: SLOTS_MAX },
  ];
  return needs.filter(({ needed, available }) => needed > available);
}

/** Services that a message about a full table names. */
const SERVICES_NAMED_MAX = 3;

/** Those with the largest tables of slots, `namespace/name`: what to look at when something does not fit. */
export function largestServices(frontends: readonly Pick<Frontend, 'service' | 'slots'>[]): readonly string[] {
  const slots = new Map<string, number>();
  for (const frontend of frontends) {
    slots.set(frontend.service, (slots.get(frontend.service) ?? 0) + frontend.slots.length);
  }
  const sorted = [...slots].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1));
  return sorted.slice(0, SERVICES_NAMED_MAX).map(([service]) => service);
}

/** The ids of what the kernel holds, for the resolver of a new agent. */
export function givenIds(
  tables: Pick<ServiceTables, 'nextIds'> & {
    readonly frontends: Pick<FrontendTable, 'keys' | 'ids'>;
    readonly backends: BackendTable;
  },
): { readonly frontends: GivenIds; readonly backends: GivenIds } {
  const { frontends, backends, nextIds } = tables;
  const frontendKey = (i: number): string => readKey(frontends.keys, i * FRONTEND_KEY_BYTES, FRONTEND_KEY_BYTES);
  const backendKey = (i: number): string => readKey(backends.keys, i * BACKEND_KEY_BYTES, BACKEND_KEY_BYTES);
  return {
    frontends: { ids: Array.from(frontends.ids, (id, i) => [frontendKey(i), id]), next: nextIds.frontend },
    backends: {
      ids: Array.from(backends.ids, (id, i) => [backendIdKey(backends.frontends[i]!, backendKey(i)), id]),
      next: nextIds.backend,
    },
  };
}

function makeFrontends(frontends: readonly Frontend[]): Pick<ServiceTables, 'frontends' | 'slots'> {
  const count = frontends.length;
  const table: FrontendTable = {
    keys: new Uint8Array(count * FRONTEND_KEY_BYTES),
    ids: new Uint32Array(count),
    flags: new Uint32Array(count),
    affinitySeconds: new Uint32Array(count),
    firstSlot: new Uint32Array(count),
    slotCount: new Uint32Array(count),
  };
  const slots = new Uint32Array(frontends.reduce((sum, frontend) => sum + frontend.slots.length, 0));
  let at = 0;
  for (const [i, frontend] of frontends.entries()) {
    writeKey(frontend.key, table.keys, i * FRONTEND_KEY_BYTES);
    table.ids[i] = frontend.id;
    table.flags[i] = frontendFlags(frontend);
    table.affinitySeconds[i] = frontend.affinityTimeoutSeconds;
    table.firstSlot[i] = at;
    table.slotCount[i] = frontend.slots.length;
    slots.set(frontend.slots, at);
    at += frontend.slots.length;
  }
  return { frontends: table, slots };
}

/** FRONTEND_* bits. */
export function frontendFlags({ state }: Pick<Frontend, 'state'>): number {
  switch (state) {
    case 'backends':
      return 0;
    case 'reject':
      return FRONTEND_REJECT;
    case 'drop':
      return FRONTEND_DROP;
    case 'elsewhere':
      return FRONTEND_ELSEWHERE;
  }
}

function makeBackends(frontends: readonly Frontend[]): BackendTable {
  const byId = new Map<number, { readonly key: string; readonly frontend: number }>();
  for (const { id: frontend, backends } of frontends)
    for (const { key, id } of backends) byId.set(id, { key, frontend });
  const ids = Uint32Array.from(byId.keys()).sort();
  const keys = new Uint8Array(ids.length * BACKEND_KEY_BYTES);
  for (const [i, id] of ids.entries()) writeKey(byId.get(id)!.key, keys, i * BACKEND_KEY_BYTES);
  return { ids, frontends: ids.map((id) => byId.get(id)!.frontend), keys };
}

/** The frontends are sorted by address first. */
function makeAddresses(frontends: readonly Frontend[]): Uint8Array {
  const addresses = [...new Set(frontends.map(({ key }) => key.slice(0, ADDRESS_KEY_BYTES)))];
  const keys = new Uint8Array(addresses.length * ADDRESS_KEY_BYTES);
  for (const [i, key] of addresses.entries()) writeKey(key, keys, i * ADDRESS_KEY_BYTES);
  return keys;
}

function makeRanges(ranges: readonly Cidr[]): Uint8Array {
  const texts = ranges.map(({ family, length, bytes }) =>
    String.fromCharCode(family, length, ...bytes).padEnd(RANGE_KEY_BYTES, '\0'),
  );
  const sorted = [...new Set(texts)].sort();
  const keys = new Uint8Array(sorted.length * RANGE_KEY_BYTES);
  for (const [i, key] of sorted.entries()) writeKey(key, keys, i * RANGE_KEY_BYTES);
  return keys;
}
