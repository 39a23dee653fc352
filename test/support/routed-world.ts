/**
 * Three nodes on two segments that a router joins, and a host outside: what routing between nodes meets. node-a and
 * node-b are neighbours; node-c is behind the router. Nobody but the nodes knows a route to pods: the router drops what
 * it cannot place, and has the strict reverse path filter on, as the nodes have. Pods are plain: an address, a default
 * route, no programs. The NodeRouting of each node runs in this process.
 */
import { interfacePrefix } from '../../src/agent/wiring/name.ts';
import { type NodeNetwork, openNodeNetwork } from '../../src/agent/wiring/node.ts';
import { type CommandRunner, runCommand as runHere } from '../../src/agent/routing/iptables-command.ts';
import { NodeRouting } from '../../src/agent/routing/node-routing.ts';
import { ROUTING_DEFAULTS, type RoutingSettings } from '../../src/agent/routing/settings.ts';
import { systemClock } from '../../src/lib/clock.ts';
import type { Log } from '../../src/lib/log.ts';
import type { Family } from '../../src/net/address.ts';
import type { Node } from '../../src/policy/model.ts';
import type { AddressPair } from './address-plan.ts';
import { Ledger } from './ledger.ts';
import { NameServer, type ServedPort } from './name-server.ts';
import { type IptablesFlavour, loadNetfilterFixture } from './netfilter-fixture.ts';
import type { TestNetns } from './netns.ts';
import { ipBatch, setSysctls } from './run-command.ts';

export const UPLINK = 'eth0';
export const SERVED: readonly ServedPort[] = [
  { protocol: 'TCP', port: 80 },
  { protocol: 'UDP', port: 80 },
];
/** Number of the segment of each node; the host outside is on the third. */
const SEGMENTS = [1, 1, 2] as const;
const OUTSIDE_SEGMENT = 3;
const ROUTER_NUMBER = 254;

export interface WorldOptions {
  readonly settings?: Partial<RoutingSettings>;
  /** Families of the nodes' InternalIPs, and of their podCIDRs. @default both */
  readonly underlay?: readonly Family[];
  readonly pods?: readonly Family[];
  /** @default nft */
  readonly flavour?: IptablesFlavour;
}

export interface Host {
  readonly name: string;
  readonly netns: TestNetns;
  readonly addresses: AddressPair;
}

export interface RoutedNode extends Host {
  readonly instance: string;
  readonly network: NodeNetwork;
  readonly pod: Host;
  /** Runs programs in the node's namespace. */
  readonly run: CommandRunner;
}

export class RoutedWorld implements AsyncDisposable {
  readonly ledger: Ledger = new Ledger();
  readonly nodes: RoutedNode[] = [];
  /** Whether somebody was told that following the kernel is over. */
  readonly fatal: Error[] = [];
  readonly objects: Map<string, Node> = new Map();
  outside!: Host;
  router!: TestNetns;
  readonly #options: WorldOptions;
  /** By the name of the node. */
  readonly #routings = new Map<string, NodeRouting>();
  readonly #closing: (() => void)[] = [];

  private constructor(options: WorldOptions) {
    this.#options = options;
  }

  /** Returns when all nodes are routed. */
  static async start(options: WorldOptions = {}): Promise<RoutedWorld> {
    const world = new RoutedWorld(options);
    try {
      await world.#make();
      for (const node of world.nodes) world.open(node);
      await world.settle();
    } catch (error) {
      await world.close();
      throw error;
    }
    return world;
  }

  node(index: number): RoutedNode {
    const node = this.nodes[index];
    if (node === undefined) throw new Error(`there is no node ${index}`);
    return node;
  }

  routing(node: RoutedNode): NodeRouting {
    const routing = this.#routings.get(node.name);
    if (routing === undefined) throw new Error(`${node.name} has no routing`);
    return routing;
  }

  /** A new routing for the node; `close` the one before. */
  open(node: RoutedNode, settings: Partial<RoutingSettings> = {}): NodeRouting {
    const routing = NodeRouting.open({
      instance: node.instance,
      ownName: node.name,
      node: node.network,
      settings: { ...ROUTING_DEFAULTS, ...this.#options.settings, ...settings },
      run: node.run,
      log: SILENT,
      clock: systemClock,
      onProblems: () => undefined,
      onFatal: (error) => this.fatal.push(error),
    });
    this.#routings.set(node.name, routing);
    return routing;
  }

  /** Every node knows the Node objects as they are now, and is as they say. */
  async settle(): Promise<void> {
    await Promise.all(
      [...this.#routings.values()].map((routing) => {
        routing.setNodes(this.objects);
        return routing.check();
      }),
    );
  }

  async close(): Promise<void> {
    try {
      await Promise.all([...this.#routings.values()].map((routing) => routing.close()));
    } finally {
      for (const end of this.#closing.splice(0).toReversed()) end();
      this.ledger.removeAll();
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #make(): Promise<void> {
    const wire = this.ledger.makeNetns('wires');
    this.router = this.ledger.makeNetns('router');
    await setSysctls(this.router, { ...STRICT, 'net.ipv6.conf.default.accept_dad': '0' });
    for (const segment of [1, 2, OUTSIDE_SEGMENT]) {
      await ipBatch(wire, [`link add seg${segment} type bridge`, `link set seg${segment} up`]);
      await this.#plug(wire, this.router, segment, ROUTER_NUMBER, `seg${segment}`);
    }
    // What is not on a segment is nowhere: above all, pods are.
    await ipBatch(this.router, ['route add blackhole 10.0.0.0/8', 'route add blackhole fd00::/16']);
    const netns = this.ledger.makeNetns('outside');
    this.outside = { name: 'outside', netns, addresses: await this.#plug(wire, netns, OUTSIDE_SEGMENT, 10) };
    await this.#serve(this.outside);
    for (const [index, segment] of SEGMENTS.entries()) await this.#makeNode(wire, index, segment);
  }

  async #makeNode(wire: TestNetns, index: number, segment: number): Promise<void> {
    const name = `node-${'abc'.charAt(index)}`;
    const netns = this.ledger.makeNetns(name);
    await setSysctls(netns, STRICT);
    await loadNetfilterFixture(netns, this.#options.flavour ?? 'nft');
    const addresses = await this.#plug(wire, netns, segment, index + 1);
    const network = openNodeNetwork(netns.fd);
    this.#closing.push(() => network[Symbol.dispose]());
    const instance = `t${process.pid.toString(36)}${name}`;
    const pod = await this.#makePod(netns, index, instance);
    const run: CommandRunner = (program, args, input) =>
      runHere('nsenter', [`--net=${netns.path}`, program, ...args], input);
    const node = { name, netns, addresses, instance, network, pod, run };
    this.nodes.push(node);
    this.objects.set(name, nodeObject(node, index, this.#options));
    await this.#serve(node);
  }

  async #makePod(node: TestNetns, index: number, instance: string): Promise<Host> {
    const netns = this.ledger.makeNetns(`pod-${index}`);
    const device = `${interfacePrefix(instance)}pod`;
    const addresses = podAddresses(index);
    await ipBatch(node, [
      `link add ${device} type veth peer name eth0 netns ${netns.name}`,
      `link set ${device} up`,
      `address add fe80::1/64 dev ${device} nodad`,
      `route add ${addresses.ipv4}/32 dev ${device} proto 83`,
      `route add ${addresses.ipv6}/128 dev ${device} proto 83`,
    ]);
    const [host] = node.ip('link', 'show', device);
    await ipBatch(netns, [
      'link set eth0 up',
      `address add ${addresses.ipv4}/32 dev eth0`,
      `address add ${addresses.ipv6}/128 dev eth0 nodad`,
      `neighbour add 169.254.1.1 lladdr ${String(host?.['address'])} dev eth0 nud permanent`,
      'route add default via 169.254.1.1 dev eth0 onlink',
      'route add default via fe80::1 dev eth0',
    ]);
    const [own] = netns.ip('link', 'show', 'eth0');
    const mac = String(own?.['address']);
    await ipBatch(node, [
      `neighbour add ${addresses.ipv4} lladdr ${mac} dev ${device} nud permanent`,
      `neighbour add ${addresses.ipv6} lladdr ${mac} dev ${device} nud permanent`,
    ]);
    const pod = { name: `pod-${'abc'.charAt(index)}`, netns, addresses };
    await this.#serve(pod);
    return pod;
  }

  async #serve({ netns, name }: Host): Promise<void> {
    const server = await NameServer.open(netns, name, SERVED);
    this.#closing.push(() => {
      server.close();
    });
  }

  async #plug(
    wire: TestNetns,
    netns: TestNetns,
    segment: number,
    number: number,
    device = UPLINK,
  ): Promise<AddressPair> {
    const addresses = segmentAddresses(segment, number);
    const gateway = segmentAddresses(segment, ROUTER_NUMBER);
    await setSysctls(netns, { 'net.ipv6.conf.default.accept_dad': '0', 'net.ipv6.conf.default.accept_ra': '0' });
    await ipBatch(wire, [
      `link add p${segment}-${number} type veth peer name ${device} netns ${netns.name}`,
      `link set p${segment}-${number} master seg${segment}`,
      `link set p${segment}-${number} up`,
    ]);
    await ipBatch(netns, [
      `link set ${device} up`,
      `address add ${addresses.ipv4}/24 dev ${device}`,
      `address add ${addresses.ipv6}/64 dev ${device} nodad`,
      ...(number === ROUTER_NUMBER
        ? []
        : [`route add default via ${gateway.ipv4}`, `route add default via ${gateway.ipv6}`]),
    ]);
    return addresses;
  }
}

const STRICT: Readonly<Record<string, string>> = {
  'net.ipv4.ip_forward': '1',
  'net.ipv4.conf.all.rp_filter': '1',
  'net.ipv4.conf.default.rp_filter': '1',
  'net.ipv6.conf.all.forwarding': '1',
  'net.ipv6.conf.default.forwarding': '1',
};

const nothing = (): void => undefined;
const SILENT: Log = { debug: nothing, info: nothing, warn: nothing, error: nothing };

export function segmentAddresses(segment: number, number: number): AddressPair {
  return { ipv4: `172.30.${segment}.${number}`, ipv6: `fd30:${segment}::${number}` };
}

export function podAddresses(index: number): AddressPair {
  return { ipv4: `10.244.${index + 1}.10`, ipv6: `fd00:10:244:${index + 1}::10` };
}

/** The podCIDRs of the node with that index, of the families that the options name. */
export function podRanges(index: number, families: readonly Family[] = [4, 6]): string[] {
  const cidrs = { 4: `10.244.${index + 1}.0/24`, 6: `fd00:10:244:${index + 1}::/64` };
  return families.map((family) => cidrs[family]);
}

function nodeObject({ name, addresses }: Host, index: number, options: WorldOptions): Node {
  const byFamily = { 4: addresses.ipv4, 6: addresses.ipv6 };
  return {
    name,
    podCIDRs: podRanges(index, options.pods),
    addresses: (options.underlay ?? [4, 6]).map((family) => byFamily[family]),
  };
}
