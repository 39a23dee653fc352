/** Every address of the test hosts, in both families, by number. */

export interface AddressPair {
  readonly ipv4: string;
  readonly ipv6: string;
}

/** The outside host's number on the wire; the nodes' numbers are their index + 1. */
export const EXTERNAL_NUMBER = 100;
/** Documentation prefixes that every node routes to the outside host. */
export const EXTERNAL_PREFIXES: AddressPair = { ipv4: '192.0.2.0/24', ipv6: '2001:db8:2::/64' };

/** On the wire: 172.30.0.0/24 and fd30::/64. number: 1 to 254. */
export function wireAddresses(number: number): AddressPair {
  return { ipv4: `172.30.0.${number}`, ipv6: `fd30::${number}` };
}

/** Of the outside host, in EXTERNAL_PREFIXES. number: 1 to 254. */
export function externalAddresses(number: number): AddressPair {
  return { ipv4: `192.0.2.${number}`, ipv6: `2001:db8:2::${number}` };
}

/** The podCIDRs of the node with that index. */
export function podCidrs(nodeIndex: number): AddressPair {
  return { ipv4: `10.244.${nodeIndex + 1}.0/24`, ipv6: `fd00:10:244:${nodeIndex + 1}::/64` };
}

/** Lines for `ip -batch`: routes to the pods of that node by way of the node. */
export function routesToPods(nodeIndex: number): string[] {
  const gateway = wireAddresses(nodeIndex + 1);
  const cidrs = podCidrs(nodeIndex);
  return [`route add ${cidrs.ipv4} via ${gateway.ipv4}`, `route add ${cidrs.ipv6} via ${gateway.ipv6}`];
}
