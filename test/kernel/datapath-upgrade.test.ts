/** Maps of other sizes, and so of other pins: what they enforce goes on until this datapath's tables are complete. */
import { execFileSync } from 'node:child_process';
import { readdirSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { EndpointWiring } from '../../src/datapath/datapath.ts';
import { viewOf } from '../../src/datapath/ebpf/codecs.ts';
import type { EbpfDatapath, EbpfOptions } from '../../src/datapath/ebpf/datapath.ts';
import * as abi from '../../src/kernel/abi.gen.ts';
import { TcxLink } from '../../src/kernel/bpf-link.ts';
import { BpfMap } from '../../src/kernel/bpf-map.ts';
import { setFaultHook } from '../../src/kernel/fault.ts';
import { withNetns } from '../../src/kernel/namespace.ts';
import { listBpfFilters } from '../../src/kernel/netlink/filter.ts';
import { Netlink } from '../../src/kernel/netlink/netlink.ts';
import { monotonicNs } from '../../src/kernel/system.ts';
import { wire } from '../unit/datapath/contract.ts';
import { type World, WorldCompiler } from '../unit/datapath/table-world.ts';
import { DatapathHost } from './datapath-host.ts';

const WORLD: World = {
  addresses: { '10.0.0.1': 1, '10.0.0.2': 2 },
  prefixes: { '10.0.0.0/16': 'unknown' },
  portTerms: [{ protocol: 0, first: 80, last: 80 }],
  endpoints: { 7: { ingress: [[0, 0]], egress: [[0, 0]] } },
};

let host: DatapathHost;
let datapath: EbpfDatapath;
let wiring: EndpointWiring;
let other: Partial<EbpfOptions>;

beforeEach(async () => {
  host = new DatapathHost();
  other = { limits: { ...host.options.limits!, rows: 8192 }, flows: { new: 2048, live: 2048 } };
  datapath = await host.open();
  wiring = wire(7, host.makeInterface(), ['10.0.0.7']);
  await datapath.attachEndpoint(wiring);
});
afterEach(async () => {
  setFaultHook(undefined);
  await host.cleanUp();
});

function pins(): string[] {
  return readdirSync(join(host.pinRoot.path, 'test')).sort();
}

function programs(): number[] {
  return ['in', 'out'].map((side) => {
    using link = TcxLink.openPinned(join(host.pinRoot.path, 'test', `link-7-${side}`));
    expect(link.info().ifindex).toBe(wiring.ifindex);
    return link.info().programId;
  });
}

/** The one map pinned under that name, or, of two, the one that is not among `not`. */
function openMap(name: string, not: readonly string[] = []): BpfMap {
  const [pin, ...more] = pins().filter((path) => path.startsWith(`${name}-`) && !not.includes(path));
  expect(more).toEqual([]);
  return BpfMap.openPinned(join(host.pinRoot.path, 'test', pin!));
}

const KEY = abi.decodeFlowKey(new DataView(new ArrayBuffer(abi.FLOW_KEY_SIZE)), 0);
const FLOW: abi.FlowValue = {
  ...abi.decodeFlowValue(new DataView(new ArrayBuffer(abi.FLOW_VALUE_SIZE)), 0),
  lastSeenNs: 5_000_000_000n,
  openedNs: 4_000_000_000n,
  openerEndpoint: 7,
  flags: abi.FlowFlag.FLOW_ANSWERED,
};

function putFlow(map: BpfMap, port: number, value: Partial<abi.FlowValue>): void {
  const key = new Uint8Array(abi.FLOW_KEY_SIZE);
  abi.encodeFlowKey(new DataView(key.buffer), 0, { ...KEY, protocol: 6, portLo: port });
  const bytes = new Uint8Array(abi.FLOW_VALUE_SIZE);
  abi.encodeFlowValue(new DataView(bytes.buffer), 0, { ...FLOW, ...value });
  map.update(key, bytes);
}

function flowsOf(map: BpfMap): Record<number, abi.FlowValue> {
  return Object.fromEntries(
    [...map.entries()].map(({ key, value }) => [
      abi.decodeFlowKey(new DataView(key.buffer, key.byteOffset), 0).portLo,
      abi.decodeFlowValue(new DataView(value.buffer, value.byteOffset), 0),
    ]),
  );
}

function graceUntilNs(): bigint {
  using config = openMap('config');
  const [entry] = [...config.entries()];
  return abi.decodeConfig(new DataView(entry!.value.buffer, entry!.value.byteOffset), 0).graceUntilNs;
}

test('programs stay as they are until the first tables are complete; then they and their maps are exchanged', async () => {
  await datapath.apply(new WorldCompiler().compile(WORLD));
  const before = { programs: programs(), pins: pins() };
  await datapath.close();
  datapath = await host.open(other);
  expect([...datapath.endpoints().values()]).toEqual([wiring]);
  await datapath.attachEndpoint(wiring);
  expect(programs()).toEqual(before.programs);
  await datapath.apply(new WorldCompiler().compile(WORLD));
  expect(programs()).not.toEqual(before.programs);
  expect(pins()).toHaveLength(before.pins.length);
  expect(pins()).not.toEqual(before.pins);
});

test('another way of attaching takes the place of the first, also beside tables of another size', async () => {
  const clsact = (): number => {
    using netlink = withNetns(host.netns.fd, () => Netlink.open());
    return (['ingress', 'egress'] as const).flatMap((side) => netlink.dump(listBpfFilters(wiring.ifindex, side)))
      .length;
  };
  const links = (): number => pins().filter((pin) => pin.startsWith('link-')).length;
  await datapath.close();
  datapath = await host.open({ ...other, attach: 'clsact' });
  await datapath.attachEndpoint(wiring);
  expect([clsact(), links()]).toEqual([0, 2]);
  await datapath.apply(new WorldCompiler().compile(WORLD));
  expect([clsact(), links()]).toEqual([2, 0]);
  await datapath.close();
  datapath = await host.open({ ...other, attach: 'tcx' });
  expect([clsact(), links()]).toEqual([0, 2]);
});

test('an endpoint that lost its programs gets them at once', async () => {
  using link = TcxLink.openPinned(join(host.pinRoot.path, 'test', 'link-7-in'));
  link.detach();
  await datapath.close();
  datapath = await host.open(other);
  await datapath.attachEndpoint(wiring);
  programs();
});

test('a datapath that ends before its first tables leaves what was in force, and the one before goes on', async () => {
  await datapath.apply(new WorldCompiler().compile(WORLD));
  const before = { programs: programs(), pins: pins() };
  await datapath.close();
  await (await host.open(other)).close();
  expect(programs()).toEqual(before.programs);
  datapath = await host.open();
  expect(programs()).toEqual(before.programs);
  await datapath.apply(new WorldCompiler().compile(WORLD));
  expect(programs()).not.toEqual(before.programs);
  expect(pins()).toEqual(before.pins);
});

test('a build that had no table of local addresses: they are known from the endpoints before any program is exchanged', async () => {
  await datapath.apply(new WorldCompiler().compile(WORLD));
  const before = programs();
  await datapath.close();
  unlinkSync(
    join(
      host.pinRoot.path,
      'test',
      pins().find((pin) => pin.startsWith('locals-'))!,
    ),
  );
  datapath = await host.open(other);
  expect(programs()).toEqual(before);
  using locals = openMap('locals');
  expect([...locals.entries()].map(({ value }) => abi.decodeLocalValue(viewOf(value), 0))).toMatchObject([
    { endpointId: 7, ifindex: wiring.ifindex },
  ]);
  await datapath.apply(new WorldCompiler().compile(WORLD));
  expect(programs()).not.toEqual(before);
  const flow = { source: '10.0.0.7', destination: '10.0.0.1', protocol: 6, destinationPort: 80 };
  expect(datapath.judge(flow).egress).toBeDefined();
});

test('flows keep what they know and are judged again; the generation goes on behind the old one', async () => {
  const { generation } = await datapath.apply(new WorldCompiler().compile(WORLD));
  using live = openMap('flows_live');
  using fresh = openMap('flows_new');
  putFlow(live, 1, { egressEpoch: generation, egressVerdict: abi.Verdict.ALLOW });
  putFlow(live, 2, { ingressEpoch: generation + 1, path: abi.FlowPath.PEER });
  putFlow(fresh, 3, { egressEpoch: 0xffff_ffff, flags: 0 });
  await datapath.close();
  datapath = await host.open(other);
  const after = await datapath.apply(new WorldCompiler().compile(WORLD));
  expect(after.generation).toBeGreaterThan(generation);
  const stale = after.generation - 1;
  using newLive = openMap('flows_live');
  using newFresh = openMap('flows_new');
  expect(flowsOf(newLive)).toEqual({
    1: { ...FLOW, egressEpoch: stale, egressVerdict: abi.Verdict.ALLOW },
    2: { ...FLOW, ingressEpoch: stale, path: abi.FlowPath.PEER },
  });
  expect(flowsOf(newFresh)).toEqual({ 3: { ...FLOW, egressEpoch: stale, flags: 0 } });
  expect(graceUntilNs()).toBe(0n);
});

test('flows of larger tables than there are now: those seen last are kept', async () => {
  await datapath.close();
  datapath = await host.open({ flows: { new: 1024, live: 2048 } });
  using live = openMap('flows_live');
  for (let port = 1; port <= 1500; port += 1) putFlow(live, port, { lastSeenNs: BigInt(port) * 1_000_000n });
  await datapath.close();
  datapath = await host.open();
  using smaller = openMap('flows_live');
  const kept = Object.keys(flowsOf(smaller)).map(Number);
  expect(kept.length).toBeGreaterThan(512);
  expect(Math.min(...kept)).toBeGreaterThan(1500 - 1024);
  expect(kept).toContain(1500);
});

test('flows that cannot be converted: a warning that says why, and replies are admitted for a while', async () => {
  await datapath.close();
  const foreign = join(host.pinRoot.path, 'test', 'flows_live-00000000');
  const shape = ['type', 'lru_hash', 'key', '8', 'value', '8', 'entries', '16', 'name', 'flows_live'];
  execFileSync('bpftool', ['map', 'create', foreign, ...shape]);
  const warnings: object[] = [];
  const log = { info: () => undefined, warn: (fields: object) => warnings.push(fields) };
  datapath = await host.open({ log });
  expect(warnings).toEqual([
    { reason: expect.stringContaining(`map ${foreign} has no type information`), grace_seconds: 60 },
  ]);
  expect(graceUntilNs()).toBeGreaterThan(monotonicNs() + 50_000_000_000n);
  expect(pins()).not.toContain('flows_live-00000000');
});

describe('a process that dies at any native call', () => {
  test.each(['the same', 'the other'] as const)(
    'is followed by one of %s size that ends as a fresh one',
    async (next) => {
      const sizes: readonly Partial<EbpfOptions>[] = [{}, other];
      const run = async (options: Partial<EbpfOptions>): Promise<void> => {
        datapath = await host.open(options);
        await datapath.attachEndpoint(wiring);
        await datapath.apply(new WorldCompiler().compile(WORLD));
      };
      await run(sizes[0]!);
      const fresh = [pins()];
      await run(sizes[1]!);
      fresh.push(pins());
      let current = 1;
      let died = 0;
      for (let call = 1, step = 1; ; call += step) {
        const to = 1 - current;
        let left = call;
        setFaultHook(({ call: name }) => {
          // A thread that cannot come back to its namespace ends its process, as it must: here that would be the test's.
          if (name === 'setns') return;
          left -= 1;
          if (left === 0) throw new Error('the agent dies here');
        });
        const outcome: unknown = await run(sizes[to]!).catch((error: unknown) => error);
        setFaultHook(undefined);
        if (!(outcome instanceof Error)) break;
        died += 1;
        programs();
        if (next === 'the same') current = to;
        await run(sizes[current]!);
        expect(pins()).toEqual(fresh[current]);
        expect(
          datapath.judge({ source: '10.0.0.1', destination: '10.0.0.7', protocol: 6, destinationPort: 80 }),
        ).toEqual({
          egress: undefined,
          ingress: 'allow',
        });
        await datapath.close();
        // Opening and pinning fourteen maps is alike for each of them.
        step = call < 150 ? 7 : 1;
      }
      expect(died).toBeGreaterThan(30);
    },
  );
});
