/** The same property as test/property/datapath.test.ts, with packets through the programs between any two writes. */
import * as fc from 'fast-check';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { EndpointWiring, FlowQuery } from '../../src/datapath/datapath.ts';
import { KernelStore, tableMapsOf } from '../../src/datapath/ebpf/store.ts';
import { judge } from '../../src/datapath/judge.ts';
import type { TableWrite } from '../../src/datapath/store.ts';
import { TableKeeper } from '../../src/datapath/table-keeper.ts';
import { ABI_HASH } from '../../src/kernel/abi.gen.ts';
import { BpfObject } from '../../src/kernel/bpf-object.ts';
import { withNetns } from '../../src/kernel/namespace.ts';
import { progRun } from '../../src/kernel/prog-run.ts';
import { membarrierGlobal } from '../../src/kernel/system.ts';
import { parseAddress } from '../../src/net/address.ts';
import { OBJECT } from '../support/loaded-programs.ts';
import { makeNetns, type TestNetns } from '../support/netns.ts';
import { frame, icmp, SYN, tcp, udp } from '../support/packet.ts';
import { wire } from '../unit/datapath/contract.ts';
import { type World, WorldCompiler } from '../unit/datapath/table-world.ts';
import { fromScratch, LOCAL, passes, steps, versionedFlows } from '../unit/datapath/world-steps.ts';

const SHOT = 2;
const UPLINK = 90;
const FLOWS_SAMPLED = 24;
const SMALL = { flows_new: { maxEntries: 1024 }, flows_live: { maxEntries: 1024 }, event_limit: { maxEntries: 64 } };

/** Lets the test look after every single write. */
class ObservedKernelStore extends KernelStore {
  onWrite: (write: TableWrite) => void = () => undefined;

  override write(writes: readonly TableWrite[]): void {
    for (const write of writes) {
      super.write([write]);
      this.onWrite(write);
    }
  }
}

let netns: TestNetns;
let object: BpfObject;
let store: ObservedKernelStore;
let port = 1024;

beforeEach(() => {
  netns = makeNetns('transition');
  for (const ifindex of [UPLINK, 101, 102, 103]) {
    const name = `i${ifindex}`;
    netns.exec('ip', 'link', 'add', name, 'index', String(ifindex), 'type', 'veth', 'peer', 'name', `${name}p`);
  }
});

afterEach(() => netns.remove());

function load(): Disposable {
  object = BpfObject.load({ source: OBJECT, name: 'sluice', abiHash: ABI_HASH, maps: SMALL });
  store = new ObservedKernelStore(tableMapsOf((name) => object.map(name)));
  return {
    [Symbol.dispose]: () => {
      store[Symbol.dispose]();
      object.close();
    },
  };
}

/** Whether a first packet of a new flow passes; undefined when no endpoint would see it. */
function send(flow: FlowQuery, endpoints: ReadonlyMap<number, EndpointWiring>): boolean | undefined {
  const owner = (address: string): EndpointWiring | undefined =>
    [...endpoints.values()].find(({ addresses }) => addresses.includes(address));
  const sender = owner(flow.source);
  const receiver = owner(flow.destination);
  const hook = sender ?? receiver;
  if (hook === undefined || flow.source === flow.destination) return undefined;
  port = port === 65_535 ? 1024 : port + 1;
  const packet = frame({
    source: flow.source,
    destination: flow.destination,
    sourceMac: hook.mac,
    destinationMac: hook.hostMac,
    protocol: protocolOf(flow),
    payload: payloadOf(flow),
  });
  const program = object.program(sender === undefined ? 'to_pod' : 'from_pod');
  const ingressIfindex = sender === undefined ? UPLINK : hook.ifindex;
  const { retval } = withNetns(netns.fd, () => progRun(program, { packet, ifindex: hook.ifindex, ingressIfindex }));
  return retval !== SHOT;
}

function protocolOf(flow: FlowQuery): number {
  return flow.protocol === 1 && parseAddress(flow.source)?.family === 6 ? 58 : flow.protocol;
}

function payloadOf(flow: FlowQuery): Uint8Array {
  if (flow.protocol === 6) return tcp(port, flow.destinationPort, SYN);
  if (flow.protocol === 17) return udp(port, flow.destinationPort);
  return icmp(parseAddress(flow.source)?.family === 6 ? 128 : 8, 0, port);
}

test('between any two writes a packet meets its old or its new verdict, before the commit all old, after it all new', async () => {
  await fc.assert(
    fc.asyncProperty(steps, fc.nat(1_000_000), async (drawn, seed) => {
      using _loaded = load();
      const keeper = await TableKeeper.open(store, { grace: membarrierGlobal });
      const compiler = new WorldCompiler();
      let before: World | undefined;
      for (const { attached, world } of drawn) {
        for (const id of keeper.endpoints().keys()) {
          if (!attached.includes(id)) await keeper.detach(id, () => undefined);
        }
        for (const id of attached) await keeper.attach(wire(id, 100 + id, LOCAL[id]!), () => undefined);
        const tables = compiler.compile(world);
        const endpoints = keeper.endpoints();
        const possible = versionedFlows(before, world).filter((flow) => send(flow, endpoints) !== undefined);
        const flows = possible.filter((_, index) => (index * 31 + seed) % possible.length < FLOWS_SAMPLED);
        const target = await fromScratch(attached, tables);
        const old = flows.map((flow) => passes(judge(store, flow)));
        const fresh = flows.map((flow) => passes(judge(target, flow)));
        const sent = (): (boolean | undefined)[] => flows.map((flow) => send(flow, endpoints));
        expect(sent()).toEqual(old);
        const seen: (boolean | undefined)[][] = [];
        let commitAt = -1;
        store.onWrite = ({ table }) => {
          if (table === 'commit') commitAt = seen.length;
          seen.push(sent());
        };
        await keeper.apply(tables);
        store.onWrite = () => undefined;
        for (const [index, verdicts] of seen.entries()) {
          if (commitAt >= 0) expect(verdicts).toEqual(index < commitAt ? old : fresh);
          else verdicts.forEach((verdict, at) => expect([old[at], fresh[at]]).toContain(verdict));
        }
        expect(sent()).toEqual(fresh);
        compiler.release();
        before = world;
      }
    }),
    { numRuns: 20 },
  );
});
