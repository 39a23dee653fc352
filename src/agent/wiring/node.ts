/** The node's side of the network, whatever pods there are: forwarding, and no way out for addresses nobody has. */
import { isOwnNetns, ownNetns, withNetns } from '../../kernel/namespace.ts';
import type { CidrLike } from '../../kernel/netlink/ip.ts';
import { Netlink } from '../../kernel/netlink/netlink.ts';
import { tolerating } from '../../kernel/netlink/request.ts';
import { deleteRoute, replaceRoute, type RouteSpec } from '../../kernel/netlink/route.ts';
import { setSysctl, setSysctlIfPresent } from '../../kernel/netlink/sysctl.ts';

/** Marks the routes that Sluice makes (`ip route show proto 83`). */
export const ROUTE_PROTOCOL = 83;

/** Any route for the same prefix that somebody else makes is preferred to ours. */
const UNREACHABLE_METRIC = 1_000_000;

/** The namespace whose pods an agent wires. */
export interface NodeNetwork extends Disposable {
  readonly netnsFd: number;
  readonly netlink: Netlink;
  /** For what keeps the kernel busy for tens of milliseconds; `executeAside` only. */
  readonly slowNetlink: Netlink;
}

/** The node of the process's own namespace, or of the one given; its descriptor stays the caller's. @throws SysError */
export function openNodeNetwork(netnsFd: number = ownNetns()): NodeNetwork {
  return inNode({ netnsFd }, () => {
    using opened = new DisposableStack();
    const netlink = opened.use(Netlink.open());
    const slowNetlink = opened.use(Netlink.open());
    const handles = opened.move();
    return { netnsFd, netlink, slowNetlink, [Symbol.dispose]: () => handles.dispose() };
  });
}

/** Runs synchronous work in the node's namespace. */
export function inNode<T>(node: Pick<NodeNetwork, 'netnsFd'>, work: () => T): T {
  return isOwnNetns(node.netnsFd) ? work() : withNetns(node.netnsFd, work);
}

/**
 * Pods reach one another through the node only when it forwards. Returns the settings that were off and are on now. With
 * IPv6 forwarding the kernel ignores router advertisements on interfaces whose accept_ra is 1, so say what was changed.
 * @throws SysError
 */
export function ensureForwarding(node: NodeNetwork): string[] {
  return inNode(node, () => {
    const changed: string[] = [];
    if (setSysctl('net/ipv4/ip_forward', '1')) changed.push('net.ipv4.ip_forward');
    if (setSysctlIfPresent('net/ipv6/conf/all/forwarding', '1')) changed.push('net.ipv6.conf.all.forwarding');
    return changed;
  });
}

/** Packets to addresses of the node's podCIDRs that no pod has go nowhere, instead of out by the default route. */
export function ensureUnreachable(node: NodeNetwork, cidrs: readonly CidrLike[]): void {
  node.netlink.execute(cidrs.map((cidr) => replaceRoute(unreachable(cidr))));
}

/** Idempotent. */
export function removeUnreachable(node: NodeNetwork, cidrs: readonly CidrLike[]): void {
  node.netlink.execute(cidrs.map((cidr) => tolerating(deleteRoute(unreachable(cidr)), 'ESRCH')));
}

function unreachable(destination: CidrLike): RouteSpec {
  return { destination, type: 'unreachable', metric: UNREACHABLE_METRIC, protocol: ROUTE_PROTOCOL };
}
