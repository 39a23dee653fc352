/**
 * The real programs with the tables of whole clusters: endpoints on interfaces of a namespace of their own, verdict tables
 * written as the agent writes them, and the first packet of a flow pushed through each hook that has to judge it.
 */
import { KernelStore, tableMapsOf } from '../../src/datapath/ebpf/store.ts';
import { CONFIG_JUDGE_OWN_NODE } from '../../src/datapath/elements.ts';
import { TableKeeper } from '../../src/datapath/table-keeper.ts';
import * as abi from '../../src/kernel/abi.gen.ts';
import type { BpfMap } from '../../src/kernel/bpf-map.ts';
import { BpfObject } from '../../src/kernel/bpf-object.ts';
import { withNetns } from '../../src/kernel/namespace.ts';
import { progRun } from '../../src/kernel/prog-run.ts';
import { Compiler } from '../../src/policy/compiler.ts';
import type { LocalEndpoint } from '../../src/policy/model.ts';
import type { OracleFlow } from '../../src/policy/oracle.ts';
import type { VerdictTables } from '../../src/policy/tables.ts';
import { wire } from '../unit/datapath/contract.ts';
import { OBJECT } from './loaded-programs.ts';
import { makeNetns, type TestNetns } from './netns.ts';
import { frame, icmp, SYN, tcp, udp } from './packet.ts';

/** Endpoints at a time. */
const INTERFACES = 24;
/** Flows of each table: a stretch has fewer. */
const FLOWS = { maxEntries: 4_096 };
const SMALL = { flows_new: FLOWS, flows_live: FLOWS, event_limit: FLOWS, fragments: FLOWS, slots: FLOWS } as const;
const TC_ACT_SHOT = 2;
const SCTP_INIT = 1;
const IANA = { TCP: 6, UDP: 17, SCTP: 132, ICMP: 1, ICMPv6: 58 } as const;
const ECHO_REQUEST = { 4: 8, 6: 128 } as const;

/** What the programs do with the first packet of a flow. */
export interface ProgramVerdict {
  /** `from_pod` judges both ends where both are local. */
  readonly hook: 'from_pod' | 'to_pod';
  readonly verdict: 'allow' | 'deny';
}

export class PolicyPrograms implements Disposable {
  readonly #resources: DisposableStack;
  readonly #object: BpfObject;
  readonly #netns: TestNetns;
  readonly #keeper: TableKeeper;
  readonly #free: number[];
  readonly #uplink: number;
  /** By address. */
  readonly #endpoints = new Map<string, { readonly id: number; readonly ifindex: number }>();
  readonly #ifindexOf = new Map<number, number>();
  /** Tells flows apart; an identifier or source port that was used is free again once the flows are forgotten. */
  #nextSource = 1;

  private constructor(
    resources: DisposableStack,
    parts: { object: BpfObject; netns: TestNetns; keeper: TableKeeper; interfaces: number[] },
  ) {
    this.#resources = resources;
    this.#object = parts.object;
    this.#netns = parts.netns;
    this.#keeper = parts.keeper;
    const [uplink = 0, ...free] = parts.interfaces;
    this.#uplink = uplink;
    this.#free = free;
  }

  static async open(): Promise<PolicyPrograms> {
    const resources = new DisposableStack();
    try {
      const netns = resources.use(makeNetns('policy'));
      const interfaces = Array.from({ length: INTERFACES + 1 }, (_, i) => makeInterface(netns, `pod${i}`));
      const object = BpfObject.load({ source: OBJECT, name: 'sluice', abiHash: abi.ABI_HASH, maps: SMALL });
      resources.defer(() => object.close());
      const store = resources.use(new KernelStore(tableMapsOf((name) => object.map(name))));
      // No packet is on its way while tables are written.
      const keeper = await TableKeeper.open(store, { grace: async () => undefined });
      // What a pod may say to its own node is the tables' business, too.
      store.setConfigFlags(CONFIG_JUDGE_OWN_NODE);
      return new PolicyPrograms(resources, { object, netns, keeper, interfaces });
    } catch (error) {
      resources.dispose();
      throw error;
    }
  }

  /** Brings the tables in force for these endpoints. Flows so far are forgotten. */
  async apply(tables: VerdictTables, wanted: ReadonlyMap<number, LocalEndpoint>): Promise<void> {
    for (const id of this.#keeper.endpoints().keys()) if (!wanted.has(id)) await this.#detach(id);
    for (const { id, addresses } of wanted.values()) if (!this.#ifindexOf.has(id)) await this.#attach(id, addresses);
    await this.#keeper.apply(tables);
    this.#forgetFlows();
  }

  /** Back to nothing: another compiler's ids may mean anything. */
  async clear(): Promise<void> {
    await this.apply(new Compiler({ node: '' }).compile().tables, new Map());
  }

  /**
   * What the programs say of the first packet of each flow; undefined where no end is local. Flows without ports, of the same
   * pair and protocol, are one flow: only the first may be asked for.
   */
  judge(flows: readonly OracleFlow[]): readonly (ProgramVerdict | undefined)[] {
    return withNetns(this.#netns.fd, () => flows.map((flow) => this.#judge(flow)));
  }

  /** Packets dropped so far because policies say so, or because an end is closed. */
  policyDrops(): number {
    const { POLICY, CLOSED } = abi.Reason;
    return [POLICY, CLOSED].reduce((sum, reason) => sum + this.#counted(reason, 0) + this.#counted(reason, 1), 0);
  }

  [Symbol.dispose](): void {
    this.#resources.dispose();
  }

  #judge(flow: OracleFlow): ProgramVerdict | undefined {
    const source = this.#endpoints.get(flow.source);
    const destination = this.#endpoints.get(flow.destination);
    const end = source ?? destination;
    if (end === undefined) return undefined;
    const hook = source === undefined ? 'to_pod' : 'from_pod';
    const { retval } = progRun(this.#object.program(hook), {
      packet: this.#firstPacket(flow, end.id),
      ifindex: end.ifindex,
      ingressIfindex: source === undefined ? this.#uplink : 0,
    });
    return { hook, verdict: retval === TC_ACT_SHOT ? 'deny' : 'allow' };
  }

  #firstPacket({ source, destination, protocol, destinationPort }: OracleFlow, endpoint: number): Uint8Array {
    const { mac, hostMac } = wire(endpoint, 0, []);
    const number = typeof protocol === 'number' ? protocol : IANA[protocol];
    const payload = this.#payload(number, destinationPort, source.includes(':') ? 6 : 4);
    return frame({ source, destination, sourceMac: mac, destinationMac: hostMac, protocol: number, payload });
  }

  #payload(protocol: number, port: number, family: 4 | 6): Uint8Array {
    const own = this.#nextSource;
    this.#nextSource = (own % 65_535) + 1;
    switch (protocol) {
      case IANA.TCP:
        return tcp(own, port, SYN);
      case IANA.UDP:
        return udp(own, port);
      case IANA.SCTP: {
        const packet = udp(own, port, 24);
        packet.fill(0, 4);
        packet[12] = SCTP_INIT;
        packet[15] = 20;
        return packet;
      }
      case IANA.ICMP:
      case IANA.ICMPv6:
        return icmp(ECHO_REQUEST[family], 0, own);
      default:
        return new Uint8Array(16);
    }
  }

  async #attach(id: number, addresses: readonly string[]): Promise<void> {
    const ifindex = this.#free.pop();
    if (ifindex === undefined) throw new Error(`more than ${INTERFACES} endpoints at a time`);
    await this.#keeper.attach(wire(id, ifindex, addresses), () => undefined);
    this.#ifindexOf.set(id, ifindex);
    for (const address of addresses) this.#endpoints.set(address, { id, ifindex });
  }

  async #detach(id: number): Promise<void> {
    await this.#keeper.detach(id, (wiring) => {
      if (wiring === undefined) return;
      this.#free.push(wiring.ifindex);
      this.#ifindexOf.delete(id);
      for (const address of wiring.addresses) this.#endpoints.delete(address);
    });
  }

  #forgetFlows(): void {
    for (const name of ['flows_new', 'flows_live', 'endpoint_usage']) forget(this.#object.map(name));
  }

  #counted(reason: abi.Reason, direction: number): number {
    const key = new Uint8Array(4);
    new DataView(key.buffer).setUint32(0, reason * 2 + direction, true);
    const perCpu = this.#object.map('counters').lookupPerCpu(key) ?? [];
    return perCpu.reduce(
      (sum, bytes) => sum + Number(abi.decodeCounterValue(new DataView(bytes.buffer, bytes.byteOffset), 0).packets),
      0,
    );
  }
}

function makeInterface(netns: TestNetns, name: string): number {
  netns.exec('ip', 'link', 'add', name, 'type', 'veth', 'peer', 'name', `${name}-peer`);
  return Number(netns.ip('link', 'show', name)[0]?.['ifindex']);
}

function forget(map: BpfMap): void {
  for (const { key } of map.entries()) map.delete(key);
}
