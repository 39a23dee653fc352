/** As covers.ts, for peers and protocols of ClusterNetworkPolicies. Sound, not complete. */
import { parseCidr, containsCidr } from '../net/cidr.ts';
import { podsOf } from './cluster-steps.ts';
import { selectorCovers } from './covers.ts';
import type { ClusterNetworkPolicyPeer, ClusterNetworkPolicyProtocol, NamespacedPods } from './model.ts';

/** Every pod that `narrow` selects, `wide` selects too. */
export function namespacedCovers(wide: NamespacedPods, narrow: NamespacedPods): boolean {
  return (
    selectorCovers(wide.namespaceSelector, narrow.namespaceSelector) &&
    selectorCovers(wide.podSelector, narrow.podSelector)
  );
}

/** Peers that are not enforced cover nothing and are covered by nothing. */
export function clusterPeerCovers(wide: ClusterNetworkPolicyPeer, narrow: ClusterNetworkPolicyPeer): boolean {
  if (wide.networks !== undefined && narrow.networks !== undefined) {
    const outer = wide.networks;
    return narrow.networks.every((inner) => outer.some((network) => isInside(inner, network)));
  }
  const arePods = [wide, narrow].every(({ namespaces, pods }) => (namespaces ?? pods) !== undefined);
  return arePods && namespacedCovers(podsOf(wide), podsOf(narrow));
}

function isInside(inner: string, outer: string): boolean {
  const [narrow, wide] = [parseCidr(inner), parseCidr(outer)];
  return narrow !== undefined && wide !== undefined && containsCidr(wide, narrow);
}

/** CNP-5, CNP-7. */
export function protocolsCover(
  wide: readonly ClusterNetworkPolicyProtocol[],
  narrow: readonly ClusterNetworkPolicyProtocol[],
): boolean {
  if (wide.length === 0) return true;
  if (narrow.length === 0) return false;
  return narrow.every((inner) => wide.some((outer) => protocolCovers(outer, inner)));
}

function protocolCovers(wide: ClusterNetworkPolicyProtocol, narrow: ClusterNetworkPolicyProtocol): boolean {
  if (wide.protocol === undefined || narrow.protocol === undefined)
    return wide.destinationNamedPort !== undefined && wide.destinationNamedPort === narrow.destinationNamedPort;
  return (
    wide.protocol === narrow.protocol &&
    wide.port <= narrow.port &&
    (wide.endPort ?? wide.port) >= (narrow.endPort ?? narrow.port)
  );
}
