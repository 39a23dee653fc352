/** What `sluice status` shows of the traffic between nodes, as JSON: stable names, additions only. */
import type { FirewallStatus } from './firewall.ts';
import type { NodeRoute, RoutingPlan } from './plan.ts';
import type { RoutingSettings } from './settings.ts';

export interface RoutingStatus {
  readonly mode: RoutingSettings['mode'];
  /** Of the interfaces of new pods. */
  readonly podMtu: number;
  readonly masquerade: boolean;
  readonly uplinks: readonly { readonly interface: string; readonly address: string; readonly mtu: number }[];
  readonly tunnels: readonly {
    readonly interface: string;
    readonly local: string;
    readonly mtu: number;
    readonly port: number;
    readonly vni: number;
  }[];
  /** How each podCIDR of each other node is reached. */
  readonly nodes: readonly NodeRoute[];
  readonly iptables: { readonly flavour: string; readonly by: string; readonly alsoIn: string };
  /** Why routes or rules are not as they should be; empty when they are. */
  readonly failure: string;
}

/** `yielded`: podCIDR -> why its route is left to others. */
export function routingStatus(
  settings: RoutingSettings,
  plan: RoutingPlan | undefined,
  podMtu: number,
  firewall: FirewallStatus,
  yielded: ReadonlyMap<string, string>,
  failure: string,
): RoutingStatus {
  return {
    mode: settings.mode,
    podMtu,
    masquerade: settings.masquerade,
    uplinks: (plan?.uplinks ?? []).map(({ name, address, mtu }) => ({ interface: name, address, mtu })),
    tunnels: (plan?.tunnels ?? []).map(({ name, local, mtu, port, vni }) => ({
      interface: name,
      local,
      mtu,
      port,
      vni,
    })),
    nodes: (plan?.nodes ?? []).map((route) => {
      const why = yielded.get(route.podCIDR);
      return why === undefined ? route : { ...route, kind: 'none', via: '', device: '', why };
    }),
    iptables: { flavour: firewall.flavour ?? '', by: firewall.by ?? '', alsoIn: firewall.alsoIn ?? '' },
    failure,
  };
}
