/** Which of the kernel's notifications may mean that something is no longer as planned (pure): most are about pods. */
import type { NetlinkEvent } from '../../kernel/netlink/monitor.ts';
import { NODE_ROUTE_PROTOCOL } from './marks.ts';

/** What the node routing cares for, by the last comparison. */
export interface Concerns {
  /** Names of tunnel devices that there may be. */
  readonly tunnels: ReadonlySet<string>;
  /** Indexes of tunnels and uplinks. */
  readonly interfaces: ReadonlySet<number>;
  /** Destinations that have, or should have, a route of ours. */
  readonly destinations: ReadonlySet<string>;
  /** Addresses that have a permanent neighbour entry on a tunnel. */
  readonly neighbours: ReadonlySet<string>;
  /** InternalIPs of the own node. */
  readonly ownAddresses: ReadonlySet<string>;
}

export function isRelevant(event: NetlinkEvent, concerns: Concerns): boolean {
  switch (event.kind) {
    case 'link':
      return concerns.interfaces.has(event.link.index) || concerns.tunnels.has(event.link.name);
    case 'address':
      return concerns.interfaces.has(event.address.index) || concerns.ownAddresses.has(event.address.address);
    case 'route':
      if (event.route.protocol === NODE_ROUTE_PROTOCOL) return event.deleted;
      return concerns.destinations.has(event.route.destination);
    case 'neighbour':
      if (!concerns.interfaces.has(event.neighbour.index)) return false;
      return (
        concerns.neighbours.has(event.neighbour.address) && (event.deleted || event.neighbour.state !== 'permanent')
      );
    case 'forwarding':
      return event.deleted && concerns.interfaces.has(event.entry.index);
    case 'rule':
      return event.deleted && event.rule.protocol === NODE_ROUTE_PROTOCOL;
    case 'qdisc':
    case 'filter':
      return false;
  }
}
