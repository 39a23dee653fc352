/**
 * An agent that dies at any native call while it brings Services in force: what the kernel holds then leads somewhere, and
 * the next agent takes it over with its ids and ends where a fresh one would.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import * as abi from '../../src/kernel/abi.gen.ts';
import { BpfMap } from '../../src/kernel/bpf-map.ts';
import { setFaultHook } from '../../src/kernel/fault.ts';
import type { EbpfDatapath } from '../../src/datapath/ebpf/datapath.ts';
import { Pins } from '../../src/datapath/ebpf/pins.ts';
import { parseCidr } from '../../src/net/cidr.ts';
import type { Frontend } from '../../src/service/frontend.ts';
import type { ServiceChange } from '../../src/service/model.ts';
import { ServiceResolver } from '../../src/service/resolve.ts';
import { frontendFlags, makeServiceTables } from '../../src/service/tables.ts';
import { DatapathHost } from './datapath-host.ts';
import { endpoint, HERE, makeService, makeSlice, setService, setSlice } from '../support/service-builders.ts';

const RANGES = [parseCidr('10.96.0.0/16')!];

let host: DatapathHost;

beforeAll(() => {
  host = new DatapathHost();
});
afterAll(() => host.cleanUp());

/** endpoints: last parts of addresses, by Service. */
function world(endpoints: Readonly<Record<string, readonly number[]>>): readonly ServiceChange[] {
  return Object.entries(endpoints).flatMap(([name, list], i) => [
    setService(makeService(`shop/${name}`, { clusterIPs: [`10.96.0.${i + 1}`], affinityTimeoutSeconds: i * 60 })),
    setSlice(makeSlice(`shop/${name}-1`, name, { endpoints: list.map((last) => endpoint(`10.244.0.${last}`)) })),
  ]);
}

const BEFORE = world({ web: [1, 2, 3], api: [4], empty: [], gone: [9] });
const AFTER = world({ web: [1, 3, 5], api: [4, 6, 7, 8], empty: [1] });

/** What a fresh agent makes of the Services, over what the kernel holds. */
async function bringInForce(datapath: EbpfDatapath, changes: readonly ServiceChange[]): Promise<readonly Frontend[]> {
  const resolver = new ServiceResolver({ location: HERE, given: datapath.serviceIdsInUse() });
  for (const change of changes) resolver.update(change);
  const resolution = resolver.resolve();
  await datapath.applyServices(makeServiceTables(resolution, RANGES));
  return resolution.frontends;
}

interface Held {
  /** Addresses of the frontends, `address-bytes:port`. */
  readonly frontends: ReadonlySet<string>;
  /** Slots that lead to no backend, or to another frontend's. */
  readonly astray: number;
}

function readKernel(): Held {
  const pins = Pins.open(host.pinRoot.path, 'test', {}).maps;
  using opened = new DisposableStack();
  const map = (name: string): BpfMap => opened.use(BpfMap.openPinned(pins.get(name)!));
  const view = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset);
  const behind = new Map<number, number>();
  for (const { key, value } of map('backends').entries()) {
    behind.set(view(key).getUint32(0, true), abi.decodeBackendValue(view(value), 0).frontend);
  }
  using memory = map('slots').mmap();
  const slots = new Uint32Array(memory.buffer);
  const frontends = new Set<string>();
  let astray = 0;
  for (const { key, value } of map('frontends').entries()) {
    const { address, port } = abi.decodeFrontendKey(view(key), 0);
    const { id, firstSlot, slotCount } = abi.decodeFrontendValue(view(value), 0);
    if (id > 0) frontends.add(`${Buffer.from(address).toString('hex', 0, 4)}:${port}`);
    for (const backend of slots.subarray(firstSlot, firstSlot + slotCount)) if (behind.get(backend) !== id) astray += 1;
  }
  return { frontends, astray };
}

test('nothing leads astray in between, and the next agent brings the rest in force', { timeout: 60_000 }, async () => {
  const lasting = ['0a600001:80', '0a600002:80', '0a600003:80'];
  let died = 0;
  for (let call = 1; ; call += 1) {
    const first = await host.open();
    const before = await bringInForce(first, BEFORE);
    let left = call;
    setFaultHook(({ call: name }) => {
      if (name === 'setns' || (left -= 1) > 0) return;
      throw new Error('the agent dies here');
    });
    const outcome: unknown = await bringInForce(first, AFTER).catch((error: unknown) => error);
    setFaultHook(undefined);
    const { frontends, astray } = readKernel();
    expect(astray).toBe(0);
    expect([...frontends]).toEqual(expect.arrayContaining(lasting));
    await first.close();
    const next = await host.open();
    const after = await bringInForce(next, AFTER);
    for (const frontend of after) {
      expect(next.isServiceInForce({ ...frontend, flags: frontendFlags(frontend) })).toBe(true);
      const old = before.find(({ key }) => key === frontend.key);
      expect(old?.id ?? frontend.id).toBe(frontend.id);
    }
    expect(readKernel().frontends.size).toBe(after.length);
    await next.close();
    if (!(outcome instanceof Error)) break;
    died += 1;
  }
  expect(died).toBeGreaterThan(10);
});
