/**
 * What changed from one resolution to the next: what an event costs behind the resolver is then the size of the event, not
 * that of the cluster. A frontend comes whole, so that taking a delta twice, or after a newer one failed, does no harm.
 */
import type { Frontend } from './frontend.ts';
import type { Resolution } from './resolve.ts';
import { frontendFlags, type ServiceTables } from './tables.ts';

/** A frontend as the kernel is to have it. */
export interface FrontendEntry {
  /** frontendKey. */
  readonly key: string;
  readonly id: number;
  /** FRONTEND_* bits. */
  readonly flags: number;
  /** 0: no session affinity. */
  readonly affinitySeconds: number;
  /** backendKey and id of each. */
  readonly backends: readonly { readonly id: number; readonly key: string }[];
  /** Backend ids. */
  readonly slots: Uint32Array;
}

export interface ServiceDelta {
  readonly revision: number;
  /** New, or other than before. */
  readonly changed: readonly FrontendEntry[];
  /** Keys of those that are gone. */
  readonly removed: readonly string[];
}

export function isServiceDelta(tables: ServiceTables | ServiceDelta): tables is ServiceDelta {
  return 'changed' in tables;
}

export function makeServiceDelta({
  revision,
  changed,
  removed,
}: Pick<Resolution, 'revision' | 'changed' | 'removed'>): ServiceDelta {
  return { revision, changed: changed.map(entryOf), removed: removed.map(({ key }) => key) };
}

/** One delta that does what the two do one after the other. */
export function joinServiceDeltas(first: ServiceDelta, second: ServiceDelta): ServiceDelta {
  const changed = new Map(first.changed.map((entry) => [entry.key, entry]));
  const removed = new Set(first.removed);
  for (const key of second.removed) {
    changed.delete(key);
    removed.add(key);
  }
  for (const entry of second.changed) {
    changed.set(entry.key, entry);
    removed.delete(entry.key);
  }
  return { revision: second.revision, changed: [...changed.values()], removed: [...removed] };
}

function entryOf(frontend: Frontend): FrontendEntry {
  const { key, id, affinityTimeoutSeconds: affinitySeconds, backends, slots } = frontend;
  const ends = backends.map((backend) => ({ id: backend.id, key: backend.key }));
  return { key, id, flags: frontendFlags(frontend), affinitySeconds, backends: ends, slots };
}
