/**
 * Gives a pod its interface: one veth, one address a family, a default route through a gateway that exists only as a
 * permanent neighbour entry. Three steps, so that the pod never sends a packet before its programs are attached:
 *
 * 1. `wirePod` makes everything; the host end stays down, so nothing passes, whatever the pod does with its own end.
 * 2. The caller attaches programs to the host end and writes maps.
 * 3. `startPod` takes the host end up and makes the node's routes and neighbours, which need it up.
 *
 * A step that fails leaves nothing behind (CNI-23). A veth is recognized as the one that was made by its random MAC.
 */
import { isSameNetns, withNetns } from '../kernel/namespace.ts';
import { addAddress } from '../kernel/netlink/address.ts';
import { hostCidr, toAddress } from '../kernel/netlink/ip.ts';
import { deleteLink, getLink, type Link, listLinks, setAddrGenMode, setLink } from '../kernel/netlink/link.ts';
import { replaceNeighbour } from '../kernel/netlink/neighbour.ts';
import { Netlink } from '../kernel/netlink/netlink.ts';
import { type Request, tolerating } from '../kernel/netlink/request.ts';
import { addRoute } from '../kernel/netlink/route.ts';
import { setSysctl, setSysctlIfPresent } from '../kernel/netlink/sysctl.ts';
import { createVeth } from '../kernel/netlink/veth.ts';
import { ConfigError, errorMessage, isSysError } from '../lib/errors.ts';
import type { Address, Family } from '../net/address.ts';
import { WiringError } from './wiring/error.ts';
import { interfacePrefix } from './wiring/name.ts';
import { inNode, type NodeNetwork, ROUTE_PROTOCOL } from './wiring/node.ts';

/** What pods have as next hop; the host end answers for them. */
export const GATEWAYS: Readonly<Record<Family, string>> = { 4: '169.254.1.1', 6: 'fe80::1' };

export const DEFAULT_ROUTES: Readonly<Record<Family, string>> = { 4: '0.0.0.0/0', 6: '::/0' };

/** How often, and after which pause, the ends are looked at until both can send. Later they will, all the same. */
const READY_POLLS_MAX = 100;
const READY_POLL_MS = 1;

export interface PodWiring {
  /** `hostInterfaceName` */
  readonly hostName: string;
  /** CNI_IFNAME */
  readonly ifname: string;
  /** The pod's namespace; stays the caller's. */
  readonly netnsFd: number;
  /** One or two, at most one a family. */
  readonly addresses: readonly string[];
  /** `aa:bb:cc:dd:ee:ff` of the pod's end; `randomMac`. */
  readonly mac: string;
  /** Of the host's end. */
  readonly hostMac: string;
  readonly mtu: number;
  /** The node's own addresses, at most one a family: source of what the node itself sends to the pod. */
  readonly nodeAddresses?: readonly string[];
}

/** A pod whose interface is made. */
export interface WiredPod extends PodWiring {
  /** Index of the host end, in the node's namespace. */
  readonly hostIndex: number;
  /** Index of the pod's end, in the pod's namespace. */
  readonly podIndex: number;
}

/**
 * Makes the veth, and in the pod its addresses, routes and neighbours. The host end stays down.
 * @throws WiringError for what the runtime must hear, ConfigError for wrong input, SysError.
 */
export function wirePod(node: NodeNetwork, pod: PodWiring): WiredPod {
  const addresses = byFamily(pod.addresses, 'the pod');
  if (addresses.length === 0) throw new ConfigError(`${pod.hostName}: a pod needs an address`);
  byFamily(pod.nodeAddresses ?? [], 'the node');
  if (isSameNetns(pod.netnsFd, node.netnsFd)) {
    throw new WiringError('WIRING_OWN_NAMESPACE', `${pod.ifname}: the pod's network namespace is the node's own`);
  }
  const pair = createVeth({
    end: { name: pod.hostName, mac: pod.hostMac },
    peer: { name: pod.ifname, mac: pod.mac, netnsFd: pod.netnsFd },
    mtu: pod.mtu,
  });
  return undoing(node, pod, () => {
    const host = createPair(node, pod, pair);
    if (host.peerIndex === undefined) throw new Error(`veth ${pod.hostName} has no other end`);
    configureHostEnd(node, pod.hostName, addresses);
    configurePodEnd(pod, host.peerIndex, addresses);
    return { ...pod, hostIndex: host.index, podIndex: host.peerIndex };
  });
}

/**
 * From here on packets pass, in both directions. Fails, among others, when the node has a route to one of the pod's
 * addresses already. @throws SysError; nothing of the pod is left then.
 */
export function startPod(node: NodeNetwork, pod: WiredPod): void {
  undoing(node, pod, () => {
    const [, host] = node.netlink.execute([
      setAddrGenMode(pod.hostIndex, 'none'),
      getLink(pod.hostIndex),
      setLink(pod.hostIndex, { up: true }),
      ...hostRequests(pod),
    ]);
    if (host.peerNetnsId === undefined) throw new Error(`the other end of ${pod.hostName} is not in a pod's namespace`);
    awaitCarrier(node, pod, host.peerNetnsId);
  });
}

/**
 * Removes the pod's interface, and with it addresses, routes, neighbours. Idempotent: a namespace or interface that is
 * gone is fine (CNI-30). Returns whether it was there.
 * @throws WiringError when the name is not one of this instance's.
 */
export async function unwirePod(node: NodeNetwork, instance: string, hostName: string): Promise<boolean> {
  if (!hostName.startsWith(interfacePrefix(instance))) {
    throw new WiringError('WIRING_FOREIGN_INTERFACE', `${hostName} is no interface of instance "${instance}"`);
  }
  const host = findLink(node.netlink, hostName);
  if (host === undefined) return false;
  await node.slowNetlink.executeAside([tolerating(deleteLink(host.index), 'ENODEV')]);
  return true;
}

/** The host ends of this instance's pods that the node has now. */
export function listWiredInterfaces(node: NodeNetwork, instance: string): Link[] {
  const prefix = interfacePrefix(instance);
  return node.netlink.dump(listLinks()).filter((link) => link.name.startsWith(prefix));
}

function createPair(node: NodeNetwork, pod: PodWiring, pair: Request): Link {
  try {
    return node.netlink.execute([pair, getLink(pod.hostName)])[1];
  } catch (error) {
    if (!isSysError(error, 'EEXIST')) throw error;
    if (findLink(node.netlink, pod.hostName) !== undefined) {
      throw new WiringError('WIRING_HOST_INTERFACE_EXISTS', `${pod.hostName} exists: the pod has this attachment`, {
        cause: error,
      });
    }
    throw new WiringError('WIRING_POD_INTERFACE_EXISTS', `the pod has an interface ${pod.ifname} already`, {
      cause: error,
    });
  }
}

function configureHostEnd(node: NodeNetwork, name: string, addresses: readonly Address[]): void {
  inNode(node, () => {
    setSysctlIfPresent(`net/ipv6/conf/${name}/accept_ra`, '0');
    if (addresses.some(({ family }) => family === 6)) setSysctl(`net/ipv6/conf/${name}/disable_ipv6`, '0');
  });
}

function configurePodEnd(pod: PodWiring, index: number, addresses: readonly Address[]): void {
  using netlink = withNetns(pod.netnsFd, () => {
    if (addresses.some(({ family }) => family === 6)) {
      // Some runtimes switch IPv6 off in every new namespace; what the pod sends to itself goes over lo.
      for (const name of ['lo', pod.ifname]) setSysctl(`net/ipv6/conf/${name}/disable_ipv6`, '0');
    }
    return Netlink.open();
  });
  netlink.execute([
    setLink('lo', { up: true }),
    setLink(index, { up: true }),
    ...addresses.flatMap((address) => podRequests(pod, index, address)),
  ]);
}

function podRequests(pod: PodWiring, index: number, address: Address): Request[] {
  const gateway = GATEWAYS[address.family];
  return [
    addAddress({ index, address, noDad: true }),
    replaceNeighbour({ index, address: gateway }, pod.hostMac),
    addRoute({ destination: DEFAULT_ROUTES[address.family], index, gateway, onlink: true }),
  ];
}

function hostRequests(pod: WiredPod): Request[] {
  const index = pod.hostIndex;
  const sources = byFamily(pod.nodeAddresses ?? [], 'the node');
  return byFamily(pod.addresses, 'the pod').flatMap((address) => {
    const source = sources.find(({ family }) => family === address.family);
    const destination = hostCidr(address);
    const requests = [
      replaceNeighbour({ index, address }, pod.mac),
      addRoute({ destination, index, protocol: ROUTE_PROTOCOL, ...(source && { source }) }),
    ];
    // With the address on its host end the kernel answers neighbour solicitations for the gateway.
    const gateway = { index, address: GATEWAYS[6], prefixLength: 64, scope: 'link', noDad: true } as const;
    return address.family === 6 ? [addAddress(gateway), ...requests] : requests;
  });
}

/**
 * A veth has its carrier at once, but a kernel thread gives the end that was up before its queue; until then that end
 * drops what it sends. Looking makes the kernel do it now (since 6.8); before, it is a matter of milliseconds.
 */
function awaitCarrier(node: NodeNetwork, pod: WiredPod, netnsId: number): void {
  const nap = new Int32Array(new SharedArrayBuffer(4));
  for (let poll = 0; poll < READY_POLLS_MAX; poll++) {
    const ends = node.netlink.execute([getLink(pod.hostIndex), getLink(pod.podIndex, netnsId)]);
    if (ends.every(({ operState }) => operState === 'up')) return;
    Atomics.wait(nap, 0, 0, READY_POLL_MS);
  }
}

/** Takes back what was made when `work` fails; says so when that fails too. A WiringError means nothing was made. */
function undoing<T>(node: NodeNetwork, pod: PodWiring, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof WiringError) throw error;
    try {
      const host = findLink(node.netlink, pod.hostName);
      // Only the veth with this MAC was made here: one of the same name and another MAC belongs to an earlier ADD.
      if (host?.mac === pod.hostMac) node.netlink.run(tolerating(deleteLink(host.index), 'ENODEV'));
    } catch (undo) {
      const message = `${errorMessage(error)}; and ${pod.hostName} could not be removed: ${errorMessage(undo)}`;
      throw new AggregateError([error, undo], message, { cause: undo });
    }
    throw error;
  }
}

/** Undefined when there is none; an alternative name does not count. */
function findLink(netlink: Netlink, name: string): Link | undefined {
  try {
    const link = netlink.run(getLink(name));
    return link.name === name ? link : undefined;
  } catch (error) {
    if (isSysError(error, 'ENODEV')) return undefined;
    throw error;
  }
}

/** @throws ConfigError when a family comes twice. */
function byFamily(texts: readonly string[], owner: string): Address[] {
  const addresses = texts.map(toAddress);
  if (new Set(addresses.map(({ family }) => family)).size < addresses.length) {
    throw new ConfigError(`${owner} may have one address a family, but has ${texts.join(', ')}`);
  }
  return addresses;
}
