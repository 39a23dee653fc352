/**
 * The node's iptables rules as they should be (pure). All are in chains of the instance's own, SLUICE-<prefix>...:
 *
 * - filter FORWARD, at its end: pods' packets are accepted. A policy of DROP would drop what the programs have judged;
 *   what an administrator denies before stays denied.
 * - filter INPUT, at its beginning: the tunnels' port takes packets of nodes only. Not of pods: they could speak in any
 *   pod's name.
 * - nat POSTROUTING, at its end: what this node's pods send out of the cluster gets the node's address. All else is left
 *   to the rules of others, those of kube-proxy among them.
 */
import { type Family, parseAddress } from '../../net/address.ts';
import { type Cidr, parseCidr } from '../../net/cidr.ts';
import { type Chain, prefixChains } from './chain-tree.ts';
import type { RoutingPlan } from './plan.ts';
import type { RoutingSettings } from './settings.ts';

/** A rule in a chain of the kernel's that leads into one of ours. */
export interface Jump {
  readonly chain: 'FORWARD' | 'INPUT' | 'POSTROUTING';
  readonly rule: string;
  readonly place: 'first' | 'last';
}

export interface TableRules {
  readonly chains: readonly Chain[];
  readonly jumps: readonly Jump[];
}

export interface FirewallRules {
  readonly filter: TableRules;
  readonly nat: TableRules;
}

/** Never out of the cluster: link-local, multicast, broadcast. */
const NEVER_OUTSIDE: Readonly<Record<Family, readonly string[]>> = {
  4: ['169.254.0.0/16', '224.0.0.0/4', '255.255.255.255/32'],
  6: ['fe80::/10', 'ff00::/8'],
};

/** What the names of all chains of that instance begin with; at most 12 characters. */
export function ownChain(interfacePrefix: string): string {
  return `SLUICE-${interfacePrefix}`;
}

export function isOwnChain(interfacePrefix: string, chain: string): boolean {
  const own = ownChain(interfacePrefix);
  return chain === own || chain.startsWith(`${own}-`);
}

/** Pods' packets are accepted in FORWARD: all that a node needs in a flavour that it does not use itself. */
export function acceptRules(interfacePrefix: string): TableRules {
  const name = ownChain(interfacePrefix);
  return {
    chains: [{ name, rules: [`-i ${interfacePrefix}+ -j ACCEPT`, `-o ${interfacePrefix}+ -j ACCEPT`] }],
    jumps: [{ chain: 'FORWARD', rule: `-j ${name}`, place: 'last' }],
  };
}

export const NO_RULES: TableRules = { chains: [], jumps: [] };

/** `fullyRandom`: the kernel chooses source ports at random, so that flows made at one time do not collide. */
export function firewallRules(
  interfacePrefix: string,
  family: Family,
  plan: RoutingPlan,
  settings: RoutingSettings,
  fullyRandom: boolean,
): FirewallRules {
  const accept = acceptRules(interfacePrefix);
  const guard = guardRules(interfacePrefix, family, plan);
  return {
    filter: { chains: [...accept.chains, ...guard.chains], jumps: [...accept.jumps, ...guard.jumps] },
    nat: settings.masquerade ? masqueradeRules(interfacePrefix, family, plan, settings, fullyRandom) : NO_RULES,
  };
}

function guardRules(interfacePrefix: string, family: Family, plan: RoutingPlan): TableRules {
  const tunnel = plan.tunnels.find(({ underlay }) => underlay === family);
  if (tunnel === undefined) return NO_RULES;
  const name = `${ownChain(interfacePrefix)}-VX`;
  const senders = `${name}-S`;
  const trusted = hostPrefixes(plan.nodeAddresses, family);
  const inside = [interfacePrefix, tunnel.name.slice(0, -1)];
  return {
    chains: [
      { name, rules: [...inside.map((each) => `-i ${each}+ -j DROP`), `-g ${senders}`] },
      ...prefixChains(senders, trusted, { side: '-s', target: '-j ACCEPT', otherwise: '-j DROP' }),
    ],
    jumps: [{ chain: 'INPUT', rule: `-p udp -m udp --dport ${tunnel.port} -j ${name}`, place: 'first' }],
  };
}

function masqueradeRules(
  interfacePrefix: string,
  family: Family,
  plan: RoutingPlan,
  settings: RoutingSettings,
  fullyRandom: boolean,
): TableRules {
  const isOfFamily = (cidr: Cidr): boolean => cidr.family === family;
  const own = plan.ownRanges.map(({ cidr }) => cidr).filter(isOfFamily);
  if (own.length === 0) return NO_RULES;
  const inside = [
    ...plan.clusterRanges.map(({ cidr }) => cidr).filter(isOfFamily),
    ...hostPrefixes(plan.nodeAddresses, family),
    ...settings.nonMasqueradeCidrs.filter(isOfFamily),
    ...settings.serviceRanges.filter(isOfFamily),
    ...NEVER_OUTSIDE[family].flatMap((text) => parseCidr(text) ?? []),
  ];
  const name = `${ownChain(interfacePrefix)}-MASQ`;
  const destinations = `${name}-D`;
  const masquerade = `-j MASQUERADE${fullyRandom ? ' --random-fully' : ''}`;
  return {
    chains: [
      ...prefixChains(name, own, { side: '-s', target: `-g ${destinations}`, otherwise: '-j RETURN' }),
      ...prefixChains(destinations, inside, { side: '-d', target: '-j RETURN', otherwise: masquerade }),
    ],
    jumps: [{ chain: 'POSTROUTING', rule: `-j ${name}`, place: 'last' }],
  };
}

function hostPrefixes(addresses: readonly string[], family: Family): Cidr[] {
  return addresses.flatMap((text) => {
    const address = parseAddress(text);
    return address?.family === family ? [{ ...address, length: address.bytes.length * 8 }] : [];
  });
}
