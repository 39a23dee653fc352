/** How large packets may be: what the uplink carries, less what a tunnel adds. */
import type { Family } from '../../net/address.ts';
import type { RoutingPlan } from './plan.ts';
import type { RoutingSettings } from './settings.ts';
import type { UnderlayView, Uplink } from './underlay.ts';

/** Outer IP header, UDP (8), VXLAN (8) and inner Ethernet header (14), in bytes. */
export const TUNNEL_OVERHEAD_BYTES: Readonly<Record<Family, number>> = { 4: 50, 6: 70 };

/** Where nothing is known of the network below. */
const ETHERNET_MTU = 1500;

export function tunnelMtu(uplink: Uplink): number {
  return uplink.mtu - TUNNEL_OVERHEAD_BYTES[uplink.family];
}

/**
 * Of the interfaces of new pods: a set one, or what the narrowest uplink carries, less a tunnel's overhead wherever the
 * mode may make one, now or when a further node joins. The node's own uplinks count; without a known node address the
 * interfaces of the default routes.
 */
export function podMtuOf(
  plan: Pick<RoutingPlan, 'uplinks' | 'tunnels'>,
  view: UnderlayView,
  settings: RoutingSettings,
): number {
  if (settings.mtu !== 'auto') return settings.mtu;
  const known = plan.uplinks.map(({ mtu }) => mtu);
  const uplinks = known.length > 0 ? known : defaultRouteMtus(view);
  const base = uplinks.length > 0 ? Math.min(...uplinks) : ETHERNET_MTU;
  if (settings.mode === 'none' || settings.mode === 'direct') return base;
  const hasIpv4 = plan.uplinks.length === 0 || plan.uplinks.some(({ family }) => family === 4);
  const families = [hasIpv4 ? 4 : 6, ...plan.tunnels.map(({ underlay }) => underlay)] as const;
  return base - Math.max(...families.map((family) => TUNNEL_OVERHEAD_BYTES[family]));
}

function defaultRouteMtus(view: UnderlayView): number[] {
  const indexes = Object.values(view.defaultRoutes);
  return view.links.filter(({ index }) => indexes.includes(index)).map(({ mtu }) => mtu);
}
