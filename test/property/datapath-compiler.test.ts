/** Real clusters, real compiles: what is in force between any two writes, and that what is realized is what was compiled. */
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import type { FlowQuery, FlowVerdict } from '../../src/datapath/datapath.ts';
import { judge } from '../../src/datapath/judge.ts';
import { MemoryDatapath } from '../../src/datapath/memory/datapath.ts';
import { MemoryStore } from '../../src/datapath/memory/store.ts';
import { readAddressKey } from '../../src/policy/address-key.ts';
import { Compiler } from '../../src/policy/compiler.ts';
import { ADDRESS_OWN_NODE } from '../../src/policy/ids.ts';
import type { ClusterChange, LocalEndpoint } from '../../src/policy/model.ts';
import { changeCluster, emptyCluster } from '../../src/policy/oracle.ts';
import { TableReader } from '../../src/policy/simulate.ts';
import type { VerdictTables } from '../../src/policy/tables.ts';
import { type FlowSeed, flowOf, flowSeedArb, flowSpace, LOCAL_NODE, scenarioArb } from '../support/generators.ts';
import { wire } from '../unit/datapath/contract.ts';
import { ObservedStore } from '../unit/datapath/observed-store.ts';
import { contentsOf } from '../unit/datapath/store-contents.ts';
import { passes } from '../unit/datapath/world-steps.ts';

const IANA = { TCP: 6, UDP: 17, SCTP: 132, ICMP: 1, ICMPv6: 58 };
const flowsArb = fc.array(flowSeedArb, { minLength: 40, maxLength: 40 });

/** One stretch a change, after the beginning. */
function stretchesOf(
  initial: readonly ClusterChange[],
  changes: readonly ClusterChange[],
): (readonly ClusterChange[])[] {
  return [initial, ...changes.map((change) => [change])];
}

/** Attaches what can be: an address belongs to one endpoint at a time. */
async function attachAll(datapath: MemoryDatapath, wanted: ReadonlyMap<number, LocalEndpoint>): Promise<void> {
  for (const id of datapath.endpoints().keys()) if (!wanted.has(id)) await datapath.detachEndpoint(id);
  const taken = new Set([...datapath.endpoints().values()].flatMap(({ addresses }) => addresses));
  for (const { id, addresses } of wanted.values()) {
    if (datapath.endpoints().has(id) || addresses.some((address) => taken.has(address))) continue;
    await datapath.attachEndpoint(wire(id, 100 + id, addresses));
    for (const address of addresses) taken.add(address);
  }
}

function keyOf(text: string): Uint8Array {
  return Uint8Array.from(readAddressKey(text) ?? '', (character) => character.charCodeAt(0));
}

function isOwn(tables: TableReader | undefined, address: string): boolean {
  return ((tables?.flagsOf(keyOf(address)) ?? 0) & ADDRESS_OWN_NODE) !== 0;
}

function queriesOf(seeds: readonly FlowSeed[], space: ReturnType<typeof flowSpace>): FlowQuery[] {
  return seeds.map((seed) => {
    const flow = flowOf(space, seed);
    return { ...flow, protocol: typeof flow.protocol === 'number' ? flow.protocol : IANA[flow.protocol] };
  });
}

/** What the tables say, without a store: the same at each end that is attached. */
function expectRealized(datapath: MemoryDatapath, tables: TableReader, flows: readonly FlowQuery[]): void {
  const owners = new Map([...datapath.endpoints()].flatMap(([id, { addresses }]) => addresses.map((a) => [a, id])));
  for (const flow of flows) {
    const { source, destination, protocol, destinationPort } = flow;
    const at = (end: string, peer: string, direction: 'egress' | 'ingress'): string | undefined => {
      const id = owners.get(end);
      if (id === undefined) return undefined;
      if (source === destination || (direction === 'egress' && isOwn(tables, peer))) return 'allow';
      return tables.judge(id, direction, peer, protocol, destinationPort) ?? 'deny';
    };
    const told = { egress: at(source, destination, 'egress'), ingress: at(destination, source, 'ingress') };
    expect({ flow, ...datapath.judge(flow) }).toEqual({ flow, ...told });
  }
}

async function expectFromScratch(
  store: MemoryStore,
  endpoints: ReadonlyMap<number, LocalEndpoint>,
  attached: ReadonlySet<number>,
  tables: VerdictTables,
): Promise<void> {
  const fresh = new MemoryStore();
  await using datapath = await MemoryDatapath.open({ store: fresh });
  for (const id of attached) await datapath.attachEndpoint(wire(id, 100 + id, endpoints.get(id)!.addresses));
  await datapath.apply(tables);
  expect(contentsOf(store)).toEqual(contentsOf(fresh));
}

test('NP-107: a cluster changes: between any two writes a flow has its old or its new verdict, and the end is what was compiled', async () => {
  await fc.assert(
    fc.asyncProperty(scenarioArb, flowsArb, async ({ initial, changes }, seeds) => {
      const store = new ObservedStore();
      await using datapath = await MemoryDatapath.open({ store });
      const compiler = new Compiler({ node: LOCAL_NODE });
      const endpoints = new Map<number, LocalEndpoint>();
      let cluster = emptyCluster(LOCAL_NODE);
      let before: TableReader | undefined;
      for (const stretch of stretchesOf(initial, changes)) {
        for (const change of stretch) {
          compiler.update(change);
          cluster = changeCluster(cluster, change);
          if (change.kind !== 'LocalEndpoint') continue;
          if (change.op === 'set') endpoints.set(change.object.id, change.object);
          else endpoints.delete(change.id);
        }
        await attachAll(datapath, endpoints);
        const { tables, retired } = compiler.compile();
        const reader = new TableReader(tables);
        const flows = queriesOf(seeds, flowSpace(cluster)).filter(
          ({ source, destination }) =>
            source !== '' && destination !== '' && isOwn(before, destination) === isOwn(reader, destination),
        );
        const verdicts = (): FlowVerdict[] => flows.map((flow) => judge(store, flow));
        const old = verdicts();
        const seen: FlowVerdict[][] = [];
        let commitAt = -1;
        store.onWrite = ({ table }) => {
          if (table === 'commit') commitAt = seen.length;
          seen.push(verdicts());
        };
        await datapath.apply(tables);
        store.onWrite = () => undefined;
        const fresh = verdicts();
        for (const [index, now] of seen.entries()) {
          if (commitAt >= 0) expect(now).toEqual(index < commitAt ? old : fresh);
          else now.forEach((verdict, at) => expect([passes(old[at]!), passes(fresh[at]!)]).toContain(passes(verdict)));
        }
        expectRealized(datapath, reader, flows);
        await expectFromScratch(store, endpoints, new Set(datapath.endpoints().keys()), tables);
        compiler.release(retired);
        before = reader;
      }
    }),
    { numRuns: 40 },
  );
}, 60_000);

test('a new agent whose compiler numbers from the start takes over without a wrong verdict', async () => {
  await fc.assert(
    fc.asyncProperty(scenarioArb, flowsArb, async ({ initial, changes }, seeds) => {
      const store = new ObservedStore();
      const endpoints = new Map<number, LocalEndpoint>();
      let cluster = emptyCluster(LOCAL_NODE);
      for (const run of [initial, changes]) {
        await using datapath = await MemoryDatapath.open({ store });
        const compiler = new Compiler({ node: LOCAL_NODE, reserved: datapath.idsInUse() });
        for (const change of run) {
          cluster = changeCluster(cluster, change);
          if (change.kind !== 'LocalEndpoint') continue;
          if (change.op === 'set') endpoints.set(change.object.id, change.object);
          else endpoints.delete(change.id);
        }
        for (const change of run === initial ? run : [...initial, ...changes]) compiler.update(change);
        await attachAll(datapath, endpoints);
        const { tables } = compiler.compile();
        const flows = queriesOf(seeds, flowSpace(cluster)).filter(
          ({ source, destination }) => source !== '' && destination !== '',
        );
        const old = flows.map((flow) => passes(judge(store, flow)));
        const seen: boolean[][] = [];
        store.onWrite = () => seen.push(flows.map((flow) => passes(judge(store, flow))));
        await datapath.apply(tables);
        store.onWrite = () => undefined;
        const fresh = flows.map((flow) => passes(judge(store, flow)));
        for (const now of seen) now.forEach((verdict, at) => expect([old[at], fresh[at]]).toContain(verdict));
        expectRealized(datapath, new TableReader(tables), flows);
        await expectFromScratch(store, endpoints, new Set(datapath.endpoints().keys()), tables);
      }
    }),
    { numRuns: 40 },
  );
}, 60_000);
