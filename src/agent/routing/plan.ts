/**
 * What the node's kernel should hold so that pods reach pods and nodes of the whole cluster: a pure function of the Node
 * objects, the settings and what the kernel says of its own interfaces. Rules, for each podCIDR of each other node:
 *
 * 1. The other node's address is in a network of the interface that carries our own: a direct route (`direct`, `auto`).
 * 2. Otherwise a tunnel (`vxlan`, `auto`), over IPv4 when both nodes have it, else over IPv6, whatever the podCIDR's
 *    family. Both nodes come to the same answer, each by itself.
 * 3. Otherwise none, and a problem says why.
 *
 * What pods send to the address of a node behind a tunnel goes through it too (its own table): routers below need not
 * know pods, and the way back is the way there, as strict reverse path filters want it.
 */
import type { ObjectProblem } from '../../cluster/source.ts';
import { type Family, parseAddress } from '../../net/address.ts';
import { formatCidr } from '../../net/cidr.ts';
import type { Node } from '../../policy/model.ts';
import { NODES_MAX } from './limits.ts';
import { tunnelMtu } from './mtu.ts';
import { assignRanges, type PodRange } from './pod-range.ts';
import { nodeProblem } from './problem.ts';
import type { RoutingSettings } from './settings.ts';
import { tunnelMac, tunnelName, tunnelNextHop } from './tunnel-name.ts';
import { FAMILIES, findUplink, internalAddresses, isNeighbour, nodeAddress } from './underlay.ts';
import type { UnderlayView, Uplink } from './underlay.ts';

export interface PlanInput {
  readonly instance: string;
  readonly ownName: string;
  readonly nodes: ReadonlyMap<string, Node>;
  readonly view: UnderlayView;
  readonly settings: RoutingSettings;
}

/** How the pods of one podCIDR of another node are reached. */
export interface NodeRoute {
  readonly node: string;
  readonly podCIDR: string;
  readonly kind: 'direct' | 'vxlan' | 'none';
  /** The other node's address on the underlay; empty for `none`. */
  readonly via: string;
  /** Interface; empty for `none`. */
  readonly device: string;
  readonly why: string;
}

export interface PlannedRoute {
  readonly destination: string;
  readonly gateway: string;
  /** Name of the interface. */
  readonly device: string;
  /** What the node's own packets get as source. */
  readonly source: string | undefined;
}

export interface PlannedTunnel {
  readonly underlay: Family;
  readonly name: string;
  readonly mac: string;
  readonly local: string;
  readonly mtu: number;
  readonly vni: number;
  readonly port: number;
  /** The node's own: what netfilter takes for masqueraded packets, and the kernel for its own. */
  readonly addresses: readonly string[];
  /** Tunnel end (hardware address) -> where it is on the underlay. */
  readonly ends: ReadonlyMap<string, string>;
  /** Next hop of routes -> tunnel end. Of IPv4 routes the first address of the podCIDR, of IPv6 routes `tunnelNextHop`. */
  readonly neighbours: ReadonlyMap<string, string>;
}

export interface RoutingPlan {
  /** Whether the own Node object is there: without it nothing can be said, and what the kernel has should stay. */
  readonly isKnown: boolean;
  readonly uplinks: readonly Uplink[];
  readonly ownRanges: readonly PodRange[];
  /** Of every node, in the order of their addresses. */
  readonly clusterRanges: readonly PodRange[];
  /** InternalIPs of every node, the own included. */
  readonly nodeAddresses: readonly string[];
  readonly tunnels: readonly PlannedTunnel[];
  readonly routes: readonly PlannedRoute[];
  /** For packets from `podSources` alone: to the addresses of nodes behind a tunnel. */
  readonly podRoutes: readonly PlannedRoute[];
  readonly podSources: readonly string[];
  readonly nodes: readonly NodeRoute[];
  readonly problems: readonly ObjectProblem[];
}

export function planRouting(input: PlanInput): RoutingPlan {
  return new Planner(input).run();
}

class Planner {
  readonly #input: PlanInput;
  readonly #own: Node | undefined;
  /** There is somebody to reach. */
  readonly #hasOthers: boolean;
  readonly #uplinks = new Map<Family, Uplink>();
  readonly #tunnels = new Map<Family, { ends: Map<string, string>; neighbours: Map<string, string> }>();
  readonly #routes: PlannedRoute[] = [];
  readonly #podRoutes: PlannedRoute[] = [];
  readonly #reached: NodeRoute[] = [];
  readonly #problems: ObjectProblem[] = [];

  constructor(input: PlanInput) {
    this.#input = input;
    this.#own = input.nodes.get(input.ownName);
    const { nodes, ownName, settings } = input;
    this.#hasOthers =
      settings.mode !== 'none' && nodes.values().some(({ name, podCIDRs }) => name !== ownName && podCIDRs.length > 0);
  }

  run(): RoutingPlan {
    const { nodes, ownName, settings } = this.#input;
    const known = [...nodes.values()].toSorted((a, b) => (a.name < b.name ? -1 : 1));
    const within = known.filter(({ name }, at) => at < NODES_MAX || name === ownName);
    for (const { name } of known.slice(NODES_MAX)) {
      if (name !== ownName)
        this.#problem('error', name, '', `no routes: there are more than NODES_MAX, ${NODES_MAX}, nodes`);
    }
    this.#findUplinks();
    const { ranges, conflicts } = assignRanges(within);
    for (const { refused, other } of conflicts) {
      // Of its own the node tells elsewhere: no pod gets an address of it.
      if (refused.node === ownName || other.node === ownName) continue;
      const message = `${refused.text} overlaps ${other.text} of node ${other.node} and gets no route`;
      this.#problem('error', refused.node, 'spec.podCIDRs', message);
    }
    const isRouting = settings.mode !== 'none' && this.#own !== undefined;
    if (isRouting) for (const range of ranges) this.#reach(range, nodes.get(range.node)!);
    return this.#finish(ranges, within);
  }

  #findUplinks(): void {
    const { ownName, view } = this.#input;
    if (this.#own === undefined) return;
    for (const family of FAMILIES) {
      const address = nodeAddress(this.#own, family);
      const uplink = address === undefined ? undefined : findUplink(view, address, family);
      if (uplink !== undefined) this.#uplinks.set(family, uplink);
      else if (address !== undefined && this.#hasOthers) {
        this.#problem('error', ownName, 'status.addresses', `no interface of this node has its InternalIP ${address}`);
      }
    }
    if (internalAddresses(this.#own).length > 0 || !this.#hasOthers) return;
    this.#problem('error', ownName, 'status.addresses', 'there is no InternalIP: no route to other nodes can be made');
  }

  #reach(range: PodRange, node: Node): void {
    if (node.name === this.#input.ownName) return;
    const { mode } = this.#input.settings;
    const { family } = range;
    const uplink = this.#uplinks.get(family);
    const address = nodeAddress(node, family);
    const isBeside = uplink !== undefined && address !== undefined && isNeighbour(uplink, address);
    if (mode !== 'vxlan' && isBeside) {
      this.#reachDirectly(range, uplink, address);
      return;
    }
    if (mode === 'direct') {
      this.#giveUp(range, whyNotDirect(family, uplink, address));
      return;
    }
    const underlay = FAMILIES.find((each) => this.#uplinks.has(each) && nodeAddress(node, each) !== undefined);
    if (underlay === undefined) this.#giveUp(range, 'this node and that one have no InternalIP of a common family');
    else this.#reachByTunnel(range, node, underlay);
  }

  #reachDirectly(range: PodRange, uplink: Uplink, gateway: string): void {
    const device = uplink.name;
    this.#routes.push({ destination: range.text, gateway, device, source: uplink.address });
    const why = `${gateway} is in a network of ${device}`;
    this.#reached.push({ node: range.node, podCIDR: range.text, kind: 'direct', via: gateway, device, why });
  }

  #reachByTunnel(range: PodRange, node: Node, underlay: Family): void {
    const { instance, settings } = this.#input;
    const remote = nodeAddress(node, underlay)!;
    const device = tunnelName(instance, underlay);
    const mac = tunnelMac(remote);
    const tunnel = this.#tunnels.get(underlay) ?? { ends: new Map(), neighbours: new Map() };
    this.#tunnels.set(underlay, tunnel);
    const taken = tunnel.ends.get(mac) ?? remote;
    if (remote === this.#uplinks.get(underlay)?.address || taken !== remote) {
      this.#giveUp(range, `${remote} cannot be told from ${taken === remote ? 'this node' : taken}`);
      return;
    }
    tunnel.ends.set(mac, remote);
    const gateway = range.family === 4 ? range.first : tunnelNextHop(mac);
    tunnel.neighbours.set(gateway, mac);
    const source = this.#uplinks.get(range.family)?.address;
    this.#routes.push({ destination: range.text, gateway, device, source });
    for (const address of internalAddresses(node)) {
      const parsed = parseAddress(address);
      if (parsed?.family !== range.family) continue;
      const destination = formatCidr({ ...parsed, length: parsed.bytes.length * 8 });
      this.#podRoutes.push({ destination, gateway, device, source: undefined });
    }
    const why = settings.mode === 'vxlan' ? 'every node by vxlan' : `${remote} is in no network of this node`;
    this.#reached.push({ node: range.node, podCIDR: range.text, kind: 'vxlan', via: remote, device, why });
  }

  #giveUp(range: PodRange, why: string): void {
    this.#reached.push({ node: range.node, podCIDR: range.text, kind: 'none', via: '', device: '', why });
    this.#problem('error', range.node, 'spec.podCIDRs', `no route to ${range.text}: ${why}`);
  }

  #finish(ranges: readonly PodRange[], nodes: readonly Node[]): RoutingPlan {
    const { ownName, instance, settings } = this.#input;
    const ownRanges = ranges.filter(({ node }) => node === ownName);
    const uplinks = [...this.#uplinks.values()];
    const podRoutes = uniqueByDestination(this.#podRoutes);
    const tunnels = [...this.#tunnels].flatMap(([underlay, { ends, neighbours }]): PlannedTunnel[] => {
      const uplink = this.#uplinks.get(underlay);
      if (uplink === undefined || ends.size === 0) return [];
      return [
        {
          underlay,
          name: tunnelName(instance, underlay),
          mac: tunnelMac(uplink.address),
          local: uplink.address,
          mtu: tunnelMtu(uplink),
          vni: settings.vni,
          port: settings.vxlanPort,
          addresses: uplinks.map(({ address }) => address),
          ends,
          neighbours,
        },
      ];
    });
    return {
      isKnown: this.#own !== undefined,
      uplinks,
      ownRanges,
      clusterRanges: ranges,
      nodeAddresses: [...new Set(nodes.flatMap((node) => [...internalAddresses(node)]))],
      tunnels,
      routes: this.#routes,
      podRoutes,
      podSources: ownRanges
        .filter(({ family }) => podRoutes.some((route) => familyOf(route) === family))
        .map(({ text }) => text),
      nodes: this.#reached,
      problems: this.#problems,
    };
  }

  #problem(severity: ObjectProblem['severity'], node: string, path: string, message: string): void {
    this.#problems.push(nodeProblem(severity, node, path, message));
  }
}

function whyNotDirect(family: Family, uplink: Uplink | undefined, address: string | undefined): string {
  const cure = 'only vxlan leads there (routing vxlan or auto)';
  if (address === undefined) return `that node has no IPv${family} InternalIP: ${cure}`;
  if (uplink === undefined) return `this node has no IPv${family} InternalIP on an interface: ${cure}`;
  return `${address} is in no network of ${uplink.name}: ${cure}`;
}

function familyOf({ destination }: PlannedRoute): Family {
  return destination.includes(':') ? 6 : 4;
}

/** Of two ways to one node (it has several podCIDRs) the first: any does. */
function uniqueByDestination(routes: readonly PlannedRoute[]): PlannedRoute[] {
  const byDestination = new Map<string, PlannedRoute>();
  for (const route of routes) if (!byDestination.has(route.destination)) byDestination.set(route.destination, route);
  return [...byDestination.values()];
}
