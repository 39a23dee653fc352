/**
 * Which address a pod gets. Rules, as the tests name them:
 * 1. an address is given to one owner at a time, over crashes and restarts too: the record on disk comes first;
 * 2. an owner gets one address of every family that has a range, or none at all and an error;
 * 3. an address that was released rests before it is given again, also when the range is exhausted meanwhile;
 * 4. addresses go round robin, so that the one released last is the one given last;
 * 5. what another live pod is seen to have is passed over;
 * 6. an allocation outside the present ranges stays held until it is released.
 *
 * `allocate` runs without awaiting, so requests cannot meet inside it (CNI-25). Its record is on disk when it returns;
 * the cursor follows in the background, since losing its last step gives nothing twice.
 */
import { join } from 'node:path';
import type { Clock } from '../lib/clock.ts';
import { coalesce } from '../lib/coalesce.ts';
import { errorMessage } from '../lib/errors.ts';
import type { Family } from '../net/address.ts';
import { AllocationStore, type StoreProblem } from './allocation-store.ts';
import { IpamError } from './ipam-error.ts';
import { REST_MS_DEFAULT } from './limits.ts';
import { formatOwner, type Owner, ownerKey } from './owner.ts';
import { RangePool } from './range-pool.ts';
import { parseRanges } from './range.ts';
import { loadRests, saveRests } from './rest-file.ts';
import { RestingAddresses } from './resting.ts';

export interface IpamOptions {
  /** Gone after a reboot, as the pods are. Holds `ipam/<address>`. */
  readonly runDir: string;
  /** Outlives a reboot. Holds `ipam.json`. */
  readonly stateDir: string;
  readonly clock: Clock;
  /** @default REST_MS_DEFAULT */
  readonly restMs?: number;
}

export interface AllocateRequest {
  readonly owner: Owner;
  /** Whether the desired state shows the address (canonical text) on a live pod. */
  readonly inUse: (address: string) => boolean;
}

export interface Allocation {
  readonly owner: Owner;
  /** Canonical text, in the order of the podCIDRs' families. */
  readonly addresses: readonly string[];
  /** Milliseconds since the epoch. */
  readonly sinceMs: number;
}

/** Addresses of a range by what they are. */
export interface RangeUsage {
  readonly cidr: string;
  readonly held: number;
  /** Given back of late, and not given again for a while. */
  readonly resting: number;
  readonly free: number;
}

export class Ipam implements AsyncDisposable {
  readonly #clock: Clock;
  readonly #folder: string;
  readonly #store: AllocationStore;
  readonly #restFile: string;
  readonly #resting: RestingAddresses;
  #cursors: ReadonlyMap<string, string>;
  readonly #held = new Map<string, Allocation>();
  /** Every address that may not be given: the owners', and those that a file claims without naming one. */
  readonly #heldAddresses = new Set<string>();
  readonly #releases = new Map<string, Promise<readonly string[]>>();
  readonly #storeProblems: StoreProblem[];
  #restFault: string | undefined;
  #pools: readonly RangePool[] = [];
  #closed: Promise<void> | undefined;
  readonly #saveRests: () => Promise<void>;

  /** Reads what is on disk; makes the folders. Gives nothing until `configure`. */
  constructor(options: IpamOptions) {
    this.#clock = options.clock;
    this.#folder = join(options.runDir, 'ipam');
    this.#restFile = join(options.stateDir, 'ipam.json');
    this.#store = openStore(this.#folder);
    const rests = loadRests(this.#restFile);
    this.#restFault = rests.fault;
    this.#cursors = rests.cursors;
    this.#resting = new RestingAddresses(options.clock, options.restMs ?? REST_MS_DEFAULT, rests.restsUntilMs);
    this.#saveRests = coalesce(() => this.#writeRests());
    const { records, claimed, problems } = this.#store.load();
    this.#storeProblems = [...problems];
    for (const address of claimed) this.#heldAddresses.add(address);
    for (const [address, { owner, sinceMs }] of records) this.#hold(owner, [address], sinceMs);
  }

  /**
   * Sets the ranges (Node.spec.podCIDRs): at most RANGES_MAX, of a family the first that has a free address is used.
   * Throws IPAM_BAD_RANGE and changes nothing when one is wrong.
   */
  configure(podCIDRs: readonly string[]): void {
    const ranges = parseRanges(podCIDRs);
    this.#rememberCursors();
    this.#pools = ranges.map((range) => new RangePool(range, this.#cursors.get(range.cidr)));
    // Without ranges the node is only not known yet: then its last ones come back.
    if (ranges.length > 0) this.#cursors = pick(this.#cursors, new Set(ranges.map((range) => range.cidr)));
    for (const address of this.#heldAddresses) this.#updatePools(address);
    for (const address of this.#resting.addresses()) this.#updatePools(address);
  }

  /**
   * Gives one address of every configured family. Throws `IpamError`: IPAM_NO_RANGE, IPAM_DUPLICATE (the owner holds
   * some, or is being released), IPAM_EXHAUSTED, IPAM_BAD_OWNER, or IPAM_STATE when the record could not be written.
   */
  allocate(request: AllocateRequest): readonly string[] {
    const { owner } = request;
    this.#checkOwner(owner);
    for (const address of this.#resting.takeEnded()) this.#updatePools(address);
    const families = [...new Set(this.#pools.map((pool) => pool.range.family))];
    if (families.length === 0) {
      throw noRange();
    }
    const sinceMs = this.#clock.wallMs();
    const taken: string[] = [];
    try {
      for (const family of families) taken.push(this.#take(family, request, sinceMs));
    } catch (error) {
      this.#giveBack(owner, taken, sinceMs);
      throw error;
    }
    this.#hold(owner, taken, sinceMs);
    void this.#saveRests();
    return taken;
  }

  /**
   * Ends the owner's allocation and begins the rest of its addresses, which it gives. Idempotent: empty when the owner
   * holds none (CNI-30). A full or broken state folder does not stop it (a pod can always be deleted): the rest is then
   * kept in memory only and `problems` says so. Throws IPAM_STATE when a record could not be removed; it stays held.
   */
  release(owner: Owner): Promise<readonly string[]> {
    const key = ownerKey(owner);
    const underWay = this.#releases.get(key);
    if (underWay !== undefined) return underWay;
    const allocation = this.#held.get(key);
    if (allocation === undefined) return Promise.resolve([]);
    const release = this.#release(key, allocation).finally(() => this.#releases.delete(key));
    this.#releases.set(key, release);
    return release;
  }

  /**
   * Releases every allocation whose owner is not among the live ones, and gives those. No ADD may be served between
   * finding out who lives and this call: what was allocated meanwhile would be taken for dead.
   */
  async reconcile(liveOwners: Iterable<Owner>): Promise<readonly Allocation[]> {
    const live = new Set<string>();
    for (const owner of liveOwners) live.add(ownerKey(owner));
    const dead = [...this.#held].filter(([key]) => !live.has(key)).map(([, allocation]) => allocation);
    await Promise.all(dead.map((allocation) => this.release(allocation.owner)));
    return dead;
  }

  /** Why no address could be given now, as `allocate` would say; undefined when one could. */
  shortage(): IpamError | undefined {
    for (const address of this.#resting.takeEnded()) this.#updatePools(address);
    if (this.#pools.length === 0) return noRange();
    for (const family of new Set(this.#pools.map((pool) => pool.range.family))) {
      const pools = this.#pools.filter((pool) => pool.range.family === family);
      if (!pools.some((pool) => pool.hasFree())) return this.#exhausted(pools, 0);
    }
    return undefined;
  }

  /** How full each range is. */
  usage(): readonly RangeUsage[] {
    for (const address of this.#resting.takeEnded()) this.#updatePools(address);
    return this.#pools.map((pool) => {
      const held = [...this.#heldAddresses].filter((address) => pool.gives(address)).length;
      const { cidr, count } = pool.range;
      return { cidr, held, resting: pool.busy - held, free: count - pool.busy };
    });
  }

  /** Every allocation in force, also those being released. */
  list(): readonly Allocation[] {
    return [...this.#held.values()];
  }

  /** What the owner holds. */
  find(owner: Owner): Allocation | undefined {
    return this.#held.get(ownerKey(owner));
  }

  /** What is wrong on disk now: nothing of it stops the service, all of it needs a person. */
  problems(): readonly StoreProblem[] {
    const rest = this.#restFault === undefined ? [] : [{ file: this.#restFile, message: this.#restFault }];
    return [...this.#storeProblems, ...rest];
  }

  /** Waits for what is being written. What is held stays held. Idempotent. */
  close(): Promise<void> {
    return (this.#closed ??= this.#close());
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    await Promise.allSettled(this.#releases.values());
    await this.#saveRests();
  }

  #checkOwner(owner: Owner): void {
    if (owner.network === '' || owner.containerId === '' || owner.ifname === '') {
      throw new IpamError('IPAM_BAD_OWNER', 'network, container and interface of an owner must not be empty');
    }
    const held = this.#held.get(ownerKey(owner));
    if (held !== undefined) {
      throw new IpamError(
        'IPAM_DUPLICATE',
        `duplicate allocation is not allowed: ${formatOwner(owner)} holds ${held.addresses.join(' and ')}`,
      );
    }
  }

  /** The next address of the family, its record on disk. */
  #take(family: Family, request: AllocateRequest, sinceMs: number): string {
    const pools = this.#pools.filter((pool) => pool.range.family === family);
    const seenElsewhere = new Set<string>();
    const refuse = (address: string): boolean => {
      const used = request.inUse(address);
      if (used) seenElsewhere.add(address);
      return used;
    };
    for (const pool of pools) {
      for (let address = pool.next(refuse); address !== undefined; address = pool.next(refuse)) {
        const created = this.#record(address, request.owner, sinceMs);
        this.#heldAddresses.add(address);
        this.#updatePools(address);
        if (created) return address;
        this.#addProblem(address, 'was written by somebody else; the address is kept back until the next start');
      }
    }
    throw this.#exhausted(pools, seenElsewhere.size);
  }

  #record(address: string, owner: Owner, sinceMs: number): boolean {
    try {
      return this.#store.create(address, { owner, sinceMs });
    } catch (cause) {
      throw stateError(`the record of ${address} could not be written`, cause);
    }
  }

  /** Addresses of an allocation that failed: nobody has seen them, so they need no rest. */
  #giveBack(owner: Owner, addresses: readonly string[], sinceMs: number): void {
    for (const address of addresses) {
      try {
        this.#store.remove(address);
      } catch (error) {
        // The owner holds it, so that its DEL or a reconciliation finds it.
        this.#hold(owner, [address], sinceMs);
        this.#addProblem(address, `could not be removed: ${errorMessage(error)}`);
        continue;
      }
      this.#heldAddresses.delete(address);
      this.#updatePools(address);
    }
  }

  async #release(key: string, allocation: Allocation): Promise<readonly string[]> {
    for (const address of allocation.addresses) this.#beginRest(address);
    // First the rest, then the record: killed in between, the address is held and rests, never free without a rest.
    await this.#saveRests();
    for (const address of allocation.addresses) {
      try {
        this.#store.remove(address);
      } catch (cause) {
        throw stateError(`the record of ${address} could not be removed`, cause);
      }
    }
    this.#held.delete(key);
    for (const address of allocation.addresses) {
      this.#heldAddresses.delete(address);
      this.#updatePools(address);
    }
    return allocation.addresses;
  }

  #beginRest(address: string): void {
    this.#resting.begin(address);
    this.#updatePools(address);
  }

  #addProblem(address: string, message: string): void {
    this.#storeProblems.push({ file: join(this.#folder, address), message });
  }

  #hold(owner: Owner, addresses: readonly string[], sinceMs: number): void {
    const before = this.#held.get(ownerKey(owner));
    const all = before === undefined ? addresses : [...before.addresses, ...addresses];
    this.#held.set(ownerKey(owner), { owner, addresses: all, sinceMs });
    for (const address of addresses) {
      this.#heldAddresses.add(address);
      this.#updatePools(address);
    }
  }

  #updatePools(address: string): void {
    const busy = this.#heldAddresses.has(address) || this.#resting.has(address);
    for (const pool of this.#pools) pool.setBusy(address, busy);
  }

  #exhausted(pools: readonly RangePool[], elsewhere: number): IpamError {
    const total = pools.reduce((sum, pool) => sum + pool.range.count, 0);
    const inPools = (address: string): boolean => pools.some((pool) => pool.gives(address));
    const held = [...this.#heldAddresses].filter(inPools).length;
    const rests = [...this.#resting.addresses()].filter((a) => inPools(a) && !this.#heldAddresses.has(a));
    const retryAfterMs = rests.length === 0 ? undefined : Math.min(...rests.map((a) => this.#resting.remainingMs(a)));
    const next = retryAfterMs === undefined ? '' : `; the next is free in ${Math.ceil(retryAfterMs / 1000)} s`;
    return new IpamError(
      'IPAM_EXHAUSTED',
      `no free address in ${pools.map((pool) => pool.range.cidr).join(', ')}: of ${total}, ${held} held, ` +
        `${rests.length} resting, ${elsewhere} in use by pods known elsewhere${next}`,
      retryAfterMs === undefined ? {} : { retryAfterMs },
    );
  }

  #rememberCursors(): void {
    const cursors = new Map(this.#cursors);
    for (const pool of this.#pools) {
      if (pool.lastGiven !== undefined) cursors.set(pool.range.cidr, pool.lastGiven);
    }
    this.#cursors = cursors;
  }

  /** Never rejects: the fault is kept for `problems` and gone with the next success. */
  async #writeRests(): Promise<void> {
    this.#rememberCursors();
    try {
      await saveRests(this.#restFile, { cursors: this.#cursors, restsUntilMs: this.#resting.untilWallMs() });
      this.#restFault = undefined;
    } catch (error) {
      this.#restFault = `could not be written: ${errorMessage(error)}; a restart now would forget which addresses rest`;
    }
  }
}

function openStore(folder: string): AllocationStore {
  try {
    return new AllocationStore(folder);
  } catch (cause) {
    throw stateError(`the folder of allocations ${folder} cannot be used`, cause);
  }
}

function noRange(): IpamError {
  return new IpamError('IPAM_NO_RANGE', 'no address range: this node has no podCIDRs yet');
}

function pick(map: ReadonlyMap<string, string>, keys: ReadonlySet<string>): ReadonlyMap<string, string> {
  return new Map([...map].filter(([key]) => keys.has(key)));
}

function stateError(what: string, cause: unknown): IpamError {
  return new IpamError('IPAM_STATE', `${what}: ${errorMessage(cause)}`, { cause });
}
