/** Reads what the node's kernel has: its own interfaces and addresses, and what the routing made before. */
import { listAddresses } from '../../kernel/netlink/address.ts';
import { type Link, listLinks } from '../../kernel/netlink/link.ts';
import type { Netlink } from '../../kernel/netlink/netlink.ts';
import { listRoutes, type Route, TABLE_MAIN } from '../../kernel/netlink/route.ts';
import { listRules, type Rule } from '../../kernel/netlink/rule.ts';
import { listVxlans, type VxlanLink } from '../../kernel/netlink/vxlan.ts';
import type { Family } from '../../net/address.ts';
import { interfacePrefix } from '../wiring/name.ts';
import { NODE_ROUTE_PROTOCOL, POD_RULE_PRIORITY, POD_TABLE } from './marks.ts';
import { tunnelName } from './tunnel-name.ts';
import { FAMILIES, type UnderlayView } from './underlay.ts';

export interface KernelView {
  readonly underlay: UnderlayView;
  readonly links: readonly Link[];
  /** VXLAN devices with names of this instance's tunnels. */
  readonly tunnels: readonly VxlanLink[];
  /** Of the main table: made by the node routing, and by others. */
  readonly ownRoutes: readonly Route[];
  readonly foreignRoutes: readonly Route[];
  /** Of the table for what pods send. */
  readonly ownPodRoutes: readonly Route[];
  readonly ownRules: readonly Rule[];
}

const DEFAULT_DESTINATIONS: Readonly<Record<Family, string>> = { 4: '0.0.0.0/0', 6: '::/0' };

/** @throws SysError */
export function readKernel(netlink: Netlink, instance: string): KernelView {
  const names = FAMILIES.map((family) => tunnelName(instance, family));
  const links = netlink.dump(listLinks());
  const tunnels = netlink.dump(listVxlans()).filter(({ name }) => names.includes(name));
  const podPrefix = interfacePrefix(instance);
  const isOthers = ({ name }: Link): boolean => !names.includes(name) && !name.startsWith(podPrefix);
  const others = links.filter(isOthers);
  const indexes = new Set(others.map(({ index }) => index));
  const routes = netlink.dump(listRoutes({ table: TABLE_MAIN }));
  const isOwn = ({ protocol }: Route | Rule): boolean => protocol === NODE_ROUTE_PROTOCOL;
  return {
    underlay: {
      links: others,
      addresses: netlink.dump(listAddresses()).filter(({ index }) => indexes.has(index)),
      defaultRoutes: defaultRoutes(routes),
    },
    links,
    tunnels,
    ownRoutes: routes.filter(isOwn),
    foreignRoutes: routes.filter((route) => !isOwn(route)),
    ownPodRoutes: netlink.dump(listRoutes({ table: POD_TABLE })).filter(isOwn),
    ownRules: netlink.dump(listRules()).filter((rule) => isOwn(rule) && rule.priority === POD_RULE_PRIORITY),
  };
}

function defaultRoutes(routes: readonly Route[]): Partial<Record<Family, number>> {
  const found: Partial<Record<Family, number>> = {};
  for (const family of FAMILIES) {
    const best = routes
      .filter(({ destination, type }) => destination === DEFAULT_DESTINATIONS[family] && type === 'unicast')
      .toSorted((a, b) => a.metric - b.metric)[0];
    if (best?.index !== undefined) found[family] = best.index;
  }
  return found;
}
