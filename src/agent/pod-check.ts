/**
 * CHECK: whether a pod still has what its ADD gave it (CNI-41, CNI-42). Everything is looked up where it works: in the
 * kernel, in the pod's namespace, in the maps. What others have added since is none of its business.
 */
import type { CheckRequest } from '../cni/pod-network.ts';
import type { PrevResult } from '../cni/prev-result.ts';
import { withNetns } from '../kernel/namespace.ts';
import { listAddresses } from '../kernel/netlink/address.ts';
import { getLink, type Link } from '../kernel/netlink/link.ts';
import { listNeighbours } from '../kernel/netlink/neighbour.ts';
import { Netlink } from '../kernel/netlink/netlink.ts';
import { listRoutes } from '../kernel/netlink/route.ts';
import { isSysError } from '../lib/errors.ts';
import type { EndpointRecord } from './endpoint-record.ts';
import { DEFAULT_ROUTES, GATEWAYS } from './wiring.ts';
import type { NodeNetwork } from './wiring/node.ts';

/** Every difference, in words; empty when there is none. @throws SysError when the kernel cannot be asked. */
export function differencesOf(node: NodeNetwork, record: EndpointRecord, request: CheckRequest): string[] {
  return [
    ...resultDifferences(record, request),
    ...hostDifferences(node.netlink, record),
    ...podDifferences(record, request.netnsHandle.fd),
  ];
}

/** What the runtime has kept is what ADD answered, whatever others have added. */
function resultDifferences(record: EndpointRecord, { netns, prevResult }: CheckRequest): string[] {
  const { ifname, mac, hostInterface, hostMac, addresses } = record;
  const differences = [
    ...interfaceDifferences(prevResult, { name: ifname, mac, sandbox: netns }),
    ...interfaceDifferences(prevResult, { name: hostInterface, mac: hostMac, sandbox: '' }),
  ];
  const known = new Set(prevResult.ips.map(({ address }) => address));
  for (const address of addresses.map(hostPrefix)) {
    if (!known.has(address)) differences.push(`prevResult has no address ${address}`);
  }
  return differences;
}

function interfaceDifferences(
  { interfaces }: PrevResult,
  expected: { readonly name: string; readonly mac: string; readonly sandbox: string },
): string[] {
  const { name, mac, sandbox } = expected;
  const where = sandbox === '' ? `host interface ${name}` : `interface ${name} in ${sandbox}`;
  const found = interfaces.find((entry) => entry.name === name && (entry.sandbox ?? '') === sandbox);
  if (found === undefined) return [`prevResult has no ${where}`];
  if (found.mac === undefined || found.mac === mac) return [];
  return [`prevResult: ${where} has MAC ${found.mac}, not ${mac}`];
}

function hostDifferences(netlink: Netlink, record: EndpointRecord): string[] {
  const { hostInterface, ifindex, hostMac, mac, addresses } = record;
  const what = `host interface ${hostInterface}`;
  const link = find(netlink, hostInterface);
  if (link === undefined) return [`${what} is gone`];
  if (link.index !== ifindex) return [`${what} is another one: index ${link.index}, not ${ifindex}`];
  const differences = linkDifferences(what, link, hostMac);
  const routes = new Set(netlink.dump(listRoutes({ index: ifindex })).map(({ destination }) => destination));
  for (const address of addresses.map(hostPrefix)) {
    if (!routes.has(address)) differences.push(`the node has no route to ${address} over ${hostInterface}`);
  }
  return [...differences, ...neighbourDifferences(netlink, what, ifindex, addresses, mac)];
}

function podDifferences(record: EndpointRecord, netnsFd: number): string[] {
  const { ifname, ifindex, mac, hostMac, addresses } = record;
  const what = `interface ${ifname}`;
  using netlink = withNetns(netnsFd, () => Netlink.open());
  const link = find(netlink, ifname);
  if (link === undefined) return [`the pod has no ${what}`];
  if (link.kind !== 'veth' || link.peerIndex !== ifindex) return [`${what} is not the one that ADD made`];
  const differences = linkDifferences(what, link, mac);
  const has = new Set(
    netlink.dump(listAddresses({ index: link.index })).map(({ address, prefixLength }) => `${address}/${prefixLength}`),
  );
  const routes = netlink.dump(listRoutes({ index: link.index }));
  for (const address of addresses) {
    if (!has.has(hostPrefix(address))) differences.push(`${what} has no address ${hostPrefix(address)}`);
    const destination = DEFAULT_ROUTES[familyOf(address)];
    const gateway = GATEWAYS[familyOf(address)];
    const isRouted = routes.some((route) => route.destination === destination && route.gateway === gateway);
    if (!isRouted) differences.push(`the pod has no route ${destination} by ${gateway} over ${ifname}`);
  }
  const gateways = addresses.map((address) => GATEWAYS[familyOf(address)]);
  return [...differences, ...neighbourDifferences(netlink, what, link.index, gateways, hostMac)];
}

function linkDifferences(what: string, link: Link, mac: string): string[] {
  const differences: string[] = [];
  if (!link.up) differences.push(`${what} is down`);
  if (link.mac !== mac) differences.push(`${what} has MAC ${link.mac}, not ${mac}`);
  return differences;
}

/** The addresses must be permanently known as that MAC: nothing is asked or learned on this wire. */
function neighbourDifferences(
  netlink: Netlink,
  what: string,
  index: number,
  addresses: readonly string[],
  mac: string,
): string[] {
  const known = netlink.dump(listNeighbours({ index })).filter(({ state }) => state === 'permanent');
  return addresses
    .filter((address) => !known.some((neighbour) => neighbour.address === address && neighbour.mac === mac))
    .map((address) => `${what} does not know ${address} as ${mac}`);
}

function find(netlink: Netlink, name: string): Link | undefined {
  try {
    return netlink.run(getLink(name));
  } catch (error) {
    if (isSysError(error, 'ENODEV')) return undefined;
    throw error;
  }
}

function familyOf(address: string): 4 | 6 {
  return address.includes(':') ? 6 : 4;
}

function hostPrefix(address: string): string {
  return `${address}/${familyOf(address) === 4 ? 32 : 128}`;
}
