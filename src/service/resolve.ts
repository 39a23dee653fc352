/**
 * From Services and EndpointSlices to the frontends of one node. Changes are taken as they come and cost little;
 * `resolve` works off the Services that they touched, and no other frontend changes. The same state gives the same
 * frontends in whatever order it came; only ids may differ.
 *
 * Which Services count: draft.ts. Which endpoints are candidates: candidates.ts. Which of them are backends here:
 * select.ts. Which backend a client gets: choose.ts.
 */
import { parseAddress } from '../net/address.ts';
import { Claims } from './claims.ts';
import { draftService, type ServiceDraft } from './draft.ts';
import { type Backend, type Frontend, type FrontendDraft, sameFrontend, sameSlots } from './frontend.ts';
import { backendIdKey, type GivenIds, IdTable } from './id-table.ts';
import { frontendKey } from './key.ts';
import { buildTable } from './maglev.ts';
import type { NodeLocation, Protocol, ServiceChange } from './model.ts';
import type { ServiceProblem } from './problem.ts';
import { ServiceStore } from './service-store.ts';

export interface ServiceResolverOptions {
  readonly location: NodeLocation;
  /** Serve the Services whose label service-proxy-name has this value. @default those without the label */
  readonly proxyName?: string;
  /** What the kernel holds from before keeps its ids (`givenIds` of tables.ts reads them). */
  readonly given?: { readonly frontends: GivenIds; readonly backends: GivenIds };
}

export interface Resolution {
  /** Counts resolutions; 1 is the first. */
  readonly revision: number;
  /** Sorted by key: family, address, port, protocol. One that did not change is the same object as before. */
  readonly frontends: readonly Frontend[];
  /** New, or other than at the resolution before. Sorted likewise. */
  readonly changed: readonly Frontend[];
  /** As they were. Sorted likewise. */
  readonly removed: readonly Frontend[];
  /** Everything that is wrong now, in order of object. */
  readonly problems: readonly ServiceProblem[];
  /** The ids that will be given next: every smaller one may still be met in a flow. */
  readonly nextIds: { readonly frontend: number; readonly backend: number };
}

const NOTHING: ServiceDraft = { frontends: [], problems: [] };

export class ServiceResolver {
  readonly #store = new ServiceStore();
  readonly #claims = new Claims();
  readonly #proxyName: string | undefined;
  readonly #frontendIds: IdTable;
  readonly #backendIds: IdTable;
  /** By Service; those without frontends and problems are left out. */
  readonly #drafts = new Map<string, ServiceDraft>();
  readonly #clashes = new Map<string, readonly ServiceProblem[]>();
  readonly #frontends = new Map<string, Frontend>();
  readonly #dirty = new Set<string>();
  /** Never changed in place: it is given away. */
  #sorted: readonly Frontend[] = [];
  #location: NodeLocation;
  #revision = 0;

  constructor({ location, proxyName, given }: ServiceResolverOptions) {
    this.#location = location;
    this.#proxyName = proxyName;
    this.#frontendIds = new IdTable(given?.frontends);
    this.#backendIds = new IdTable(given?.backends);
  }

  /** Takes one change; nothing is resolved yet. Deleting what is not known changes nothing. */
  update(change: ServiceChange): void {
    for (const service of this.#store.apply(change)) this.#dirty.add(service);
  }

  /** The node's own zone became known or is another one. */
  setLocation(location: NodeLocation): void {
    if (location.node === this.#location.node && location.zone === this.#location.zone) return;
    this.#location = location;
    for (const service of this.#store.serviceKeys()) this.#dirty.add(service);
  }

  resolve(): Resolution {
    this.#revision += 1;
    const touched = new Set<string>();
    for (const service of this.#dirty) for (const key of this.#redraft(service)) touched.add(key);
    this.#dirty.clear();
    const changed: Frontend[] = [];
    const removed: Frontend[] = [];
    const released: Frontend[] = [];
    for (const key of [...touched].sort()) {
      const before = this.#settle(key, changed, removed);
      if (before !== undefined) released.push(before);
    }
    this.#releaseIds(released);
    if (changed.length > 0 || removed.length > 0) this.#sort(changed, removed);
    return {
      revision: this.#revision,
      frontends: this.#sorted,
      changed,
      removed,
      problems: this.#problems(),
      nextIds: { frontend: this.#frontendIds.next, backend: this.#backendIds.next },
    };
  }

  /** As resolved last. Undefined: no Service has it, or the text is no address. */
  frontend(address: string, port: number, protocol: Protocol): Frontend | undefined {
    const parsed = parseAddress(address);
    return parsed && this.#frontends.get(frontendKey(parsed, port, protocol));
  }

  /** The keys of frontends that the Service had or has. */
  #redraft(name: string): readonly string[] {
    const before = this.#drafts.get(name) ?? NOTHING;
    const now = this.#draft(name);
    for (const draft of before.frontends) this.#claims.delete(draft);
    for (const draft of now.frontends) this.#claims.set(draft);
    if (now.frontends.length > 0 || now.problems.length > 0) this.#drafts.set(name, now);
    else this.#drafts.delete(name);
    return [...before.frontends, ...now.frontends].map(({ key }) => key);
  }

  #draft(name: string): ServiceDraft {
    const service = this.#store.service(name);
    const slices = this.#store.slices(name);
    if (service !== undefined) {
      return draftService(service, slices, { location: this.#location, proxyName: this.#proxyName });
    }
    const problems = slices.map((slice): ServiceProblem => ({
      kind: 'EndpointSlice',
      namespace: slice.namespace,
      name: slice.name,
      path: 'metadata.labels',
      message: `there is no Service ${name}: nothing leads to these endpoints`,
      severity: 'warning',
    }));
    return { frontends: [], problems };
  }

  /** Returns the frontend that is not there any more: it went, or is another one now. */
  #settle(key: string, changed: Frontend[], removed: Frontend[]): Frontend | undefined {
    const before = this.#frontends.get(key);
    const owner = this.#claims.owner(key);
    const clashes = this.#claims.problems(key);
    if (clashes.length > 0) this.#clashes.set(key, clashes);
    else this.#clashes.delete(key);
    if (owner !== undefined && before !== undefined && sameFrontend(owner, before)) return undefined;
    const now = owner && this.#make(owner, before);
    if (now !== undefined) {
      this.#frontends.set(key, now);
      changed.push(now);
    } else if (before !== undefined) {
      this.#frontends.delete(key);
      removed.push(before);
    }
    return before;
  }

  /** Last of all, so that a backend which only changes frontends keeps its id. */
  #releaseIds(released: readonly Frontend[]): void {
    for (const { key, id, backends } of released) {
      this.#frontendIds.release(key);
      for (const backend of backends) this.#backendIds.release(backendIdKey(id, backend.key));
    }
    if (this.#revision > 1) return;
    this.#frontendIds.dropUnused();
    this.#backendIds.dropUnused();
  }

  /** Takes ids; they are held until the frontend is replaced or removed. */
  #make(draft: FrontendDraft, before: Frontend | undefined): Frontend {
    const frontend = this.#frontendIds.acquire(draft.key);
    const backends = draft.backends.map((backend) => ({
      id: this.#backendIds.acquire(backendIdKey(frontend, backend.key)),
      ...backend,
    }));
    return {
      ...draft,
      id: frontend,
      backends,
      // Ids of backends that stay are held by `before`, so they are the same.
      slots: before !== undefined && sameSlots(draft, before) ? before.slots : makeSlots(backends),
    };
  }

  /** Frontends that are others now take their places; only new and removed ones move the rest. */
  #sort(changed: readonly Frontend[], removed: readonly Frontend[]): void {
    const places = new Map(changed.map((frontend) => [frontend.key, frontend]));
    const gone = new Set(removed.map(({ key }) => key));
    const sorted: Frontend[] = [];
    for (const old of this.#sorted) {
      if (gone.has(old.key)) continue;
      sorted.push(places.get(old.key) ?? old);
      places.delete(old.key);
    }
    if (places.size > 0) {
      for (const frontend of places.values()) sorted.push(frontend);
      sorted.sort((a, b) => (a.key < b.key ? -1 : 1));
    }
    this.#sorted = sorted;
  }

  #problems(): readonly ServiceProblem[] {
    const all = [...Array.from(this.#drafts.values(), ({ problems }) => problems), ...this.#clashes.values()].flat();
    const text = ({ kind, namespace, name, path, message }: ServiceProblem): string =>
      [kind, namespace, name, path, message].join('\n');
    return all.sort((a, b) => (text(a) < text(b) ? -1 : 1));
  }
}

function makeSlots(backends: readonly Backend[]): Uint32Array {
  const table = buildTable(backends.map(({ key }) => key));
  const slots = new Uint32Array(table.length);
  for (let slot = 0; slot < table.length; slot++) slots[slot] = backends[table[slot]!]!.id;
  return slots;
}
