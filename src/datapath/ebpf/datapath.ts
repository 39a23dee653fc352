/**
 * The datapath of the kernel: one load of the programs an instance, tables in pinned maps, two attachments an endpoint.
 * What is enforced does not need this process; a new one takes over what the last left, and goes on from there.
 */
import { hasTcx } from '../../kernel/bpf-link.ts';
import { ABI_HASH, MAPS } from '../../kernel/abi.gen.ts';
import { BpfObject, type MapOptions } from '../../kernel/bpf-object.ts';
import { Netlink } from '../../kernel/netlink/netlink.ts';
import { RingBuffer } from '../../kernel/ring-buffer.ts';
import { membarrierGlobal, monotonicNs } from '../../kernel/system.ts';
import type { Log } from '../../lib/log.ts';
import type { TableDelta } from '../../policy/table-delta.ts';
import type { VerdictTables } from '../../policy/tables.ts';
import type { ServiceDelta } from '../../service/delta.ts';
import type { ServiceTables } from '../../service/tables.ts';
import { DEFAULT_LIMITS, type TableLimits, type TableFill } from '../capacity.ts';
import type {
  AttachPace,
  Counter,
  Datapath,
  DropEvent,
  EndpointWiring,
  FlowQuery,
  FlowVerdict,
  Realized,
  RealizedServices,
} from '../datapath.ts';
import { CONFIG_JUDGE_OWN_NODE, CONFIG_SERVICES, ENDPOINT_ADDRESSES_MAX } from '../elements.ts';
import type { IdsInUse } from '../image.ts';
import { judge } from '../judge.ts';
import { missingElements } from '../missing.ts';
import { type FrontendInForce, type ServiceIdsInUse, ServiceKeeper } from '../service-keeper.ts';
import { TableKeeper } from '../table-keeper.ts';
import { ClsactHooks } from './clsact-hooks.ts';
import { LayoutError } from './field-copy.ts';
import type { SwiftHooks } from './hooks.ts';
import { type FlowTimes, readFlowUsage } from './flow-usage.ts';
import { readCounters, readDropEvent } from './observations.ts';
import { Predecessors } from './predecessors.ts';
import { type MapSizes, Pins, SERVICE_MAPS } from './pins.ts';
import { ModeHooks } from './mode-hooks.ts';
import { SettlingHooks } from './settling-hooks.ts';
import { KernelServiceStore } from './service-store.ts';
import { KernelStore, tableMapsOf } from './store.ts';
import { Switchover } from './switchover.ts';
import { TcxHooks } from './tcx-hooks.ts';

export interface EbpfOptions {
  /** Path of sluice.bpf.o, or its bytes. */
  readonly object: string | Uint8Array;
  /** A mounted BPF file system; the instance has a directory of its own in it. */
  readonly pinRoot: string;
  readonly instance: string;
  /** @default 'auto': tcx where the kernel has it. */
  readonly attach?: 'tcx' | 'clsact' | 'auto';
  /** NP-81: judge a pod's traffic to its own node. @default false */
  readonly judgeOwnNode?: boolean;
  /** Elements that the tables may hold; also the size of their maps. */
  readonly limits?: TableLimits;
  /** Flows of each of the two tables. */
  readonly flows?: { readonly new?: number; readonly live?: number };
  /**
   * Constants of the programs (bpf/maps.h), by name: timeouts in nanoseconds, `endpoint_flows_max`, and `vxlan_port`, the UDP
   * port of the nodes' tunnel, to which pods may send only what another pod gets (0: there is none).
   */
  readonly constants?: Readonly<Record<string, bigint>>;
  /** Runs `work` in the network namespace of the node. @default as it is */
  readonly inNamespace?: <T>(work: () => T) => T;
  /** Writes of one call of the store. */
  readonly batchWrites?: number;
  /** Learns what is taken over from another build, and what could not be. */
  readonly log?: Pick<Log, 'info' | 'warn'>;
}

/** Defaults of bpf/maps.h. */
const TCP_LIVE_NS = 86_400_000_000_000n;
const OTHER_LIVE_NS = 180_000_000_000n;

export class EbpfDatapath implements Datapath {
  readonly #resources: DisposableStack;
  readonly #object: BpfObject;
  readonly #store: KernelStore;
  readonly #keeper: TableKeeper;
  readonly #services: ServiceKeeper;
  readonly #hooks: SwiftHooks;
  /** The pods' interfaces are in another namespace than this process. */
  readonly #isElsewhere: boolean;
  readonly #inNamespace: <T>(work: () => T) => T;
  /** What another build enforces goes on until the tables of this one are complete. */
  #switchover: Switchover | undefined;
  readonly #flowTimes: FlowTimes;
  /** By endpoint id. */
  readonly #settling = new Map<number, Promise<void>>();
  #listener: ((event: DropEvent) => void) | undefined;

  private constructor(
    resources: DisposableStack,
    parts: {
      object: BpfObject;
      store: KernelStore;
      keeper: TableKeeper;
      services: ServiceKeeper;
      hooks: SwiftHooks;
      switchover: Switchover;
    },
    options: EbpfOptions,
  ) {
    this.#resources = resources;
    this.#object = parts.object;
    this.#store = parts.store;
    this.#keeper = parts.keeper;
    this.#services = parts.services;
    this.#hooks = parts.hooks;
    this.#switchover = parts.switchover;
    this.#isElsewhere = options.inNamespace !== undefined;
    this.#inNamespace = options.inNamespace ?? ((work) => work());
    this.#flowTimes = {
      tcpLiveNs: options.constants?.['tcp_live_timeout_ns'] ?? TCP_LIVE_NS,
      otherLiveNs: options.constants?.['other_live_timeout_ns'] ?? OTHER_LIVE_NS,
    };
    resources.use(
      new RingBuffer(parts.object.map('events'), (record) => {
        this.#listener?.(readDropEvent(record));
      }),
    );
  }

  /**
   * Loads the programs and takes over what the instance's pins hold: endpoints go on without a gap. Where tables of
   * another build are in force they stay in force, with their programs, until the first `apply` has brought the complete
   * tables into this build's maps; its end is the switch (switchover.ts). Tables that do not fit switch nothing.
   * @throws ConfigError for a pin root or object that cannot be used, SysError when the kernel refuses something.
   */
  static async open(options: EbpfOptions): Promise<EbpfDatapath> {
    const sizes = sizesOf(options);
    const pins = Pins.open(options.pinRoot, options.instance, sizes);
    const resources = new DisposableStack();
    try {
      const old = resources.use(Predecessors.open(pins));
      const object = resources.use(load(options, pins, sizes));
      const store = resources.use(new KernelStore(tableMapsOf((name) => object.map(name))));
      const keeper = await TableKeeper.open(store, {
        grace: membarrierGlobal,
        after: old.generation(object.map('config')),
        ...(options.limits === undefined ? {} : { limits: options.limits }),
        ...(options.batchWrites === undefined ? {} : { batchWrites: options.batchWrites }),
      });
      const services = openServices(resources, object, store, options);
      const hooks = makeHooks(options, pins, object, resources);
      const { inNamespace = (work) => work(), log } = options;
      const switchover = new Switchover({ old, pins, object, store, hooks, inNamespace, log });
      const datapath = new EbpfDatapath(resources, { object, store, keeper, services, hooks, switchover }, options);
      await datapath.#takeOver(options, old);
      return datapath;
    } catch (error) {
      resources.dispose();
      throw error;
    }
  }

  /** How programs are attached. */
  get attachMode(): 'tcx' | 'clsact' {
    return this.#hooks.mode;
  }

  async attachEndpoint(wiring: EndpointWiring, pace: AttachPace = 'lasting'): Promise<void> {
    let isAttached = false;
    try {
      await this.#keeper.attach(wiring, () => {
        isAttached = this.#inNamespace(() => this.#attachHooks(wiring, pace));
      });
    } catch (error) {
      if (isAttached && !this.#keeper.image.endpoints.has(wiring.id)) {
        this.#inNamespace(() => this.#hooks.detach(wiring.id, wiring));
      }
      throw error;
    }
  }

  async settleEndpoint(id: number): Promise<void> {
    const underWay = this.#settling.get(id);
    if (underWay !== undefined) return underWay;
    const wiring = this.#keeper.image.endpoints.get(id)?.wiring;
    if (wiring === undefined) return;
    const settling = this.#settle(wiring).finally(() => this.#settling.delete(id));
    this.#settling.set(id, settling);
    return settling;
  }

  async closeEndpoint(id: number): Promise<void> {
    await this.#keeper.detach(id, () => undefined);
  }

  async detachEndpoint(id: number): Promise<void> {
    const wiring = this.#keeper.image.endpoints.get(id)?.wiring;
    const settling = this.#settling.get(id);
    if (settling !== undefined) {
      // It stops when the endpoint is gone; what it has made until then is to be removed too.
      await this.closeEndpoint(id);
      await settling.catch(() => undefined);
    }
    await this.#keeper.detach(id, () => this.#inNamespace(() => this.#hooks.detach(id, wiring)));
  }

  missingOf(wiring: EndpointWiring): readonly string[] {
    const missing = missingElements(this.#store, wiring);
    const isAttached = this.#inNamespace(() => this.#hooks.has(wiring));
    return isAttached ? missing : [...missing, `programs on interface ${wiring.ifindex}`];
  }

  endpoints(): ReadonlyMap<number, EndpointWiring> {
    return this.#keeper.endpoints();
  }

  /** What the kernel still refers to: for a compiler that starts over. */
  idsInUse(): IdsInUse {
    return this.#keeper.idsInUse();
  }

  async apply(tables: VerdictTables | TableDelta, inForce?: (realized: Realized) => void): Promise<Realized> {
    if (this.#switchover === undefined) return this.#keeper.apply(tables, inForce);
    const realized = await this.#keeper.apply(tables);
    this.#switch();
    inForce?.(realized);
    return realized;
  }

  async applyServices(tables: ServiceTables | ServiceDelta): Promise<RealizedServices> {
    return this.#services.apply(tables);
  }

  /** Whether packets to the frontend are handled just so. */
  isServiceInForce(frontend: FrontendInForce): boolean {
    return this.#services.isInForce(frontend);
  }

  /** What the kernel still refers to: for a resolver that starts over. */
  serviceIdsInUse(): ServiceIdsInUse {
    return this.#services.idsInUse();
  }

  judge(flow: FlowQuery): FlowVerdict {
    return judge(this.#store, flow);
  }

  counters(): readonly Counter[] {
    return readCounters(this.#object.map('counters'));
  }

  /** How full the tables of policy are. */
  tableFill(): readonly TableFill[] {
    return this.#keeper.fill();
  }

  /** Flows seen both ways, by the endpoint that is counted for them: upper bounds. */
  flowUsage(): ReadonlyMap<number, number> {
    return readFlowUsage(this.#object.map('endpoint_usage'), this.#flowTimes, monotonicNs());
  }

  onDrop(listener: (event: DropEvent) => void): void {
    this.#listener = listener;
  }

  async close(): Promise<void> {
    await this.#keeper.idle();
    await this.#services.idle();
    this.#listener = undefined;
    this.#resources.dispose();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #takeOver(options: EbpfOptions, old: Predecessors): Promise<void> {
    const before = this.#store.configFlags();
    const flags = (before & CONFIG_SERVICES) | (options.judgeOwnNode === true ? CONFIG_JUDGE_OWN_NODE : 0);
    if (before !== flags) {
      await this.#keeper.judgeAgain(() => this.#store.setConfigFlags(flags));
    }
    for (const wiring of this.#endpointsOf(old, options.log)) await this.#adopt(wiring);
    if (!old.hasTables) this.#switch();
  }

  #endpointsOf(old: Predecessors, log: EbpfOptions['log']): readonly EndpointWiring[] {
    try {
      return [...old.endpoints(this.#object.map('endpoints'))];
    } catch (error) {
      if (!(error instanceof LayoutError)) throw error;
      log?.warn({ reason: error.message }, 'endpoints of another build are known by their records only');
      return [];
    }
  }

  /** An endpoint that another build enforces; ids only grow, so of two that contradict one another the higher is newer. */
  async #adopt(wiring: EndpointWiring): Promise<void> {
    const isRival = ({ ifindex, addresses }: EndpointWiring): boolean =>
      ifindex === wiring.ifindex || addresses.some((address) => wiring.addresses.includes(address));
    const rivals = [...this.#keeper.endpoints().values()].filter(isRival);
    if (rivals.some(({ id }) => id >= wiring.id)) return;
    for (const { id } of rivals) await this.#keeper.detach(id, () => undefined);
    await this.#keeper.attach(wiring, () => undefined);
  }

  /** What hangs on the interface stays until the switch. Returns whether anything was attached. */
  #attachHooks(wiring: EndpointWiring, pace: AttachPace): boolean {
    if (this.#switchover !== undefined && this.#hooks.has(wiring)) return false;
    if (pace === 'at-once') this.#hooks.attachAtOnce(wiring);
    else this.#hooks.attach(wiring);
    return true;
  }

  async #settle(wiring: EndpointWiring): Promise<void> {
    // Other threads do not come along into another namespace.
    if (this.#isElsewhere) this.#inNamespace(() => this.#hooks.attach(wiring));
    else await this.#hooks.settle(wiring, () => this.#keeper.image.endpoints.get(wiring.id)?.wiring === wiring);
  }

  #switch(): void {
    this.#switchover?.run(this.#keeper.image);
    this.#switchover = undefined;
  }
}

function openServices(
  resources: DisposableStack,
  object: BpfObject,
  config: KernelStore,
  { batchWrites }: EbpfOptions,
): ServiceKeeper {
  const [frontends, slots, backends, ranges] = SERVICE_MAPS.map((name) => object.map(name));
  const maps = { frontends: frontends!, slots: slots!, backends: backends!, ranges: ranges! };
  return new ServiceKeeper(resources.use(new KernelServiceStore(maps, config)), {
    grace: membarrierGlobal,
    ...(batchWrites === undefined ? {} : { batchWrites }),
  });
}

function sizesOf({ limits = DEFAULT_LIMITS, flows = {} }: EbpfOptions): MapSizes {
  const { endpoints, addresses, prefixes, rows } = limits;
  const locals = endpoints * ENDPOINT_ADDRESSES_MAX;
  return { endpoints, locals, addresses, prefixes, rows, flows_new: flows.new, flows_live: flows.live };
}

function load(options: EbpfOptions, pins: Pins, sizes: MapSizes): BpfObject {
  const maps: Record<string, MapOptions> = {};
  for (const { name } of Object.values(MAPS)) {
    const maxEntries = sizes[name];
    maps[name] = { pin: pins.maps.get(name)!, ...(maxEntries === undefined ? {} : { maxEntries }) };
  }
  return BpfObject.load({
    source: options.object,
    name: 'sluice',
    abiHash: ABI_HASH,
    maps,
    constants: options.constants ?? {},
  });
}

function makeHooks(options: EbpfOptions, pins: Pins, object: BpfObject, resources: DisposableStack): SwiftHooks {
  const programs = { fromPod: object.program('from_pod'), toPod: object.program('to_pod') };
  const { attach = 'auto', inNamespace = (work) => work() } = options;
  const tcx = new TcxHooks(pins, programs);
  const clsact = new ClsactHooks(resources.use(inNamespace(() => Netlink.open())), programs);
  const isTcx = attach === 'tcx' || (attach === 'auto' && hasTcx());
  return isTcx ? new SettlingHooks(tcx, clsact) : new ModeHooks(clsact, tcx);
}
