/** What can be set about traffic between nodes and out of the cluster, with the defaults. */
import type { Cidr } from '../../net/cidr.ts';

export const ROUTING_MODES = ['auto', 'direct', 'vxlan', 'none'] as const;
/**
 * `direct`: routes over the shared network, to neighbours only. `vxlan`: everything between nodes in tunnels. `auto`:
 * direct to neighbours, tunnels to others. `none`: somebody else makes the pods of other nodes reachable.
 */
export type RoutingMode = (typeof ROUTING_MODES)[number];

export interface RoutingSettings {
  readonly mode: RoutingMode;
  /** UDP port of the tunnels, the same on every node. */
  readonly vxlanPort: number;
  /** VXLAN network identifier, the same on every node. */
  readonly vni: number;
  /** Of the pods' interfaces; `auto`: what the uplink leaves. */
  readonly mtu: number | 'auto';
  /** Whether what pods send out of the cluster gets the node's address as source. */
  readonly masquerade: boolean;
  /** Destinations outside of the cluster that see the pods' own addresses. */
  readonly nonMasqueradeCidrs: readonly Cidr[];
  /** Addresses of Services: inside of the cluster. */
  readonly serviceRanges: readonly Cidr[];
}

/**
 * Unassigned by IANA, below the ports that kernels give to clients, and nobody's default: 4789 is that of Docker's
 * overlay and of Calico, 8472 that of flannel and Cilium, and what is not from a node is dropped on this port.
 */
export const VXLAN_PORT = 8483;
export const VXLAN_VNI = 83;

export const ROUTING_DEFAULTS: RoutingSettings = {
  mode: 'auto',
  vxlanPort: VXLAN_PORT,
  vni: VXLAN_VNI,
  mtu: 'auto',
  masquerade: true,
  nonMasqueradeCidrs: [],
  serviceRanges: [],
};
