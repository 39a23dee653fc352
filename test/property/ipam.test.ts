import { copyFileSync, cpSync, existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { Ipam } from '../../src/ipam/ipam.ts';
import { IpamError } from '../../src/ipam/ipam-error.ts';
import { type Owner, ownerKey } from '../../src/ipam/owner.ts';
import { FakeClock } from '../unit/lib/fake-clock.ts';

const REST_MS = 1000;
const RANGES = [[], ['10.0.0.0/29'], ['10.0.0.0/29', 'fd00::/126'], ['10.0.0.0/30', '10.0.1.0/30'], ['fd00::/125']];

/** What the rules allow to be known: who holds what, and when every address was released last. */
interface Model {
  readonly held: Map<string, readonly string[]>;
  readonly releasedAtMs: Map<string, number>;
  families: number;
}

interface Real {
  folder: string;
  readonly clock: FakeClock;
  podCIDRs: readonly string[];
  ipam: Ipam;
}

type Step = fc.AsyncCommand<Model, Real>;

const owner = (n: number): Owner => ({ network: 'net', containerId: `c${n}`, ifname: 'eth0' });

function open(real: Pick<Real, 'folder' | 'clock' | 'podCIDRs'>): Ipam {
  const { folder, clock } = real;
  const ipam = new Ipam({ runDir: join(folder, 'run'), stateDir: join(folder, 'state'), clock, restMs: REST_MS });
  ipam.configure(real.podCIDRs);
  return ipam;
}

function expectSame(model: Model, real: Real): void {
  const held = real.ipam.list().map(({ owner: of, addresses }) => [ownerKey(of), addresses.toSorted()] as const);
  expect(new Map(held)).toEqual(new Map([...model.held].map(([key, addresses]) => [key, addresses.toSorted()])));
  expect(real.ipam.problems()).toEqual([]);
}

class Allocate implements Step {
  readonly #owner: Owner;
  readonly #inUse: readonly string[];

  constructor(n: number, inUse: readonly string[]) {
    this.#owner = owner(n);
    this.#inUse = inUse;
  }

  check(): boolean {
    return true;
  }

  async run(model: Model, real: Real): Promise<void> {
    const key = ownerKey(this.#owner);
    let addresses: readonly string[];
    try {
      addresses = real.ipam.allocate({ owner: this.#owner, inUse: (address) => this.#inUse.includes(address) });
    } catch (error) {
      if (!(error instanceof IpamError)) throw error;
      expect(error.code === 'IPAM_DUPLICATE').toBe(
        model.held.has(key) && model.families > 0 ? true : model.held.has(key),
      );
      return expectSame(model, real);
    }
    expect(model.held.has(key)).toBe(false);
    expect(addresses).toHaveLength(model.families);
    const nowMs = real.clock.monotonicMs();
    for (const address of addresses) {
      expect([...model.held.values()].flat()).not.toContain(address);
      expect(this.#inUse).not.toContain(address);
      expect(nowMs - (model.releasedAtMs.get(address) ?? -REST_MS)).toBeGreaterThanOrEqual(REST_MS);
    }
    model.held.set(key, addresses);
    expectSame(model, real);
  }

  toString(): string {
    return `allocate ${this.#owner.containerId} beside ${this.#inUse.join()}`;
  }
}

class Release implements Step {
  readonly #owners: readonly Owner[];

  constructor(numbers: readonly number[]) {
    this.#owners = numbers.map(owner);
  }

  check(): boolean {
    return true;
  }

  async run(model: Model, real: Real): Promise<void> {
    await Promise.all(this.#owners.map((of) => real.ipam.release(of)));
    for (const of of this.#owners) forget(model, real, ownerKey(of));
    expectSame(model, real);
  }

  toString(): string {
    return `release ${this.#owners.map((of) => of.containerId).join()}`;
  }
}

class Reconcile implements Step {
  readonly #live: readonly Owner[];

  constructor(numbers: readonly number[]) {
    this.#live = numbers.map(owner);
  }

  check(): boolean {
    return true;
  }

  async run(model: Model, real: Real): Promise<void> {
    const live = new Set(this.#live.map(ownerKey));
    await real.ipam.reconcile(this.#live);
    for (const key of model.held.keys()) if (!live.has(key)) forget(model, real, key);
    expectSame(model, real);
  }

  toString(): string {
    return `reconcile with ${this.#live.map((of) => of.containerId).join()}`;
  }
}

/**
 * The agent dies while a release is under way: the next one starts from a copy of what was on disk at that moment. The
 * release has come to its end or to nothing; whatever it has ended rests.
 */
class Crash implements Step {
  readonly #underWay: Owner;
  readonly #turns: number;

  constructor(n: number, turns: number) {
    this.#underWay = owner(n);
    this.#turns = turns;
  }

  check(): boolean {
    return true;
  }

  async run(model: Model, real: Real): Promise<void> {
    const release = real.ipam.release(this.#underWay);
    for (let turn = 0; turn < this.#turns; turn++) await new Promise((resolve) => setImmediate(resolve));
    const copy = mkdtempSync(join(real.folder, 'next-'));
    cpSync(join(real.folder, 'run'), join(copy, 'run'), { recursive: true });
    mkdirSync(join(copy, 'state'));
    const rests = join(real.folder, 'state', 'ipam.json');
    if (existsSync(rests)) copyFileSync(rests, join(copy, 'state', 'ipam.json'));
    await release;
    await real.ipam.close();
    real.folder = copy;
    real.ipam = open(real);
    if (real.ipam.find(this.#underWay) === undefined) forget(model, real, ownerKey(this.#underWay));
    expectSame(model, real);
  }

  toString(): string {
    return `release ${this.#underWay.containerId} and restart after ${this.#turns} turns`;
  }
}

class Wait implements Step {
  readonly #ms: number;

  constructor(ms: number) {
    this.#ms = ms;
  }

  check(): boolean {
    return true;
  }

  async run(_: Model, real: Real): Promise<void> {
    real.clock.advance(this.#ms);
  }

  toString(): string {
    return `wait ${this.#ms} ms`;
  }
}

class Configure implements Step {
  readonly #podCIDRs: readonly string[];

  constructor(podCIDRs: readonly string[]) {
    this.#podCIDRs = podCIDRs;
  }

  check(): boolean {
    return true;
  }

  async run(model: Model, real: Real): Promise<void> {
    real.podCIDRs = this.#podCIDRs;
    real.ipam.configure(this.#podCIDRs);
    model.families = new Set(this.#podCIDRs.map((cidr) => cidr.includes(':'))).size;
    expectSame(model, real);
  }

  toString(): string {
    return `configure ${this.#podCIDRs.join()}`;
  }
}

function forget(model: Model, real: Real, key: string): void {
  for (const address of model.held.get(key) ?? []) model.releasedAtMs.set(address, real.clock.monotonicMs());
  model.held.delete(key);
}

const numbers = fc.nat({ max: 7 });
const inUse = fc.subarray(['10.0.0.1', '10.0.0.2', '10.0.1.1', 'fd00::1', 'fd00::3']);
const steps = fc.commands(
  [
    fc.tuple(numbers, inUse).map(([n, used]) => new Allocate(n, used)),
    numbers.map((n) => new Allocate(n, [])),
    fc.uniqueArray(numbers, { maxLength: 3 }).map((list) => new Release(list)),
    fc.uniqueArray(numbers).map((list) => new Reconcile(list)),
    fc.tuple(numbers, fc.nat({ max: 6 })).map(([n, turns]) => new Crash(n, turns)),
    fc.integer({ min: 1, max: REST_MS + 1 }).map((ms) => new Wait(ms)),
    fc.constantFrom(...RANGES).map((cidrs) => new Configure(cidrs)),
  ],
  { maxCommands: 40 },
);

test('no address is given twice or before its rest, and nothing leaks, whatever happens in whatever order', async () => {
  await fc.assert(
    fc.asyncProperty(steps, async (commands) => {
      const folder = mkdtempSync(join(tmpdir(), 'sluice-ipam-'));
      const started = { folder, clock: new FakeClock(), podCIDRs: ['10.0.0.0/29', 'fd00::/126'] };
      const real: Real = { ...started, ipam: open(started) };
      const model: Model = { held: new Map(), releasedAtMs: new Map(), families: 2 };
      try {
        await fc.asyncModelRun(() => ({ model, real }), commands);
      } finally {
        await real.ipam.close();
        rmSync(folder, { recursive: true, force: true });
      }
    }),
    { numRuns: 150 },
  );
}, 30_000);
