/** Makes one tunnel device be as planned: device, addresses, tunnel ends, neighbours. Writes the difference only. */
import { addAddress, deleteAddress, listAddresses } from '../../kernel/netlink/address.ts';
import {
  deleteForwardingEntry,
  listForwardingEntries,
  replaceForwardingEntry,
} from '../../kernel/netlink/forwarding-entry.ts';
import { deleteLink, getLink, setAddrGenMode, setLink } from '../../kernel/netlink/link.ts';
import { deleteNeighbour, listNeighbours, replaceNeighbour } from '../../kernel/netlink/neighbour.ts';
import { type Request, tolerating } from '../../kernel/netlink/request.ts';
import { setSysctlIfPresent } from '../../kernel/netlink/sysctl.ts';
import { createVxlan, type VxlanLink } from '../../kernel/netlink/vxlan.ts';
import { inNode, type NodeNetwork } from '../wiring/node.ts';
import { tunnelAlias } from './marks.ts';
import type { PlannedTunnel } from './plan.ts';

/** What is no longer wanted of a tunnel; removed after the routes that lead to it. */
export type Leftovers = readonly Request[];

/**
 * Returns the device's index and what to remove later.
 * @throws SysError, among others EEXIST when another device has this port and network identifier.
 */
export function syncTunnel(
  node: NodeNetwork,
  instance: string,
  tunnel: PlannedTunnel,
  present: VxlanLink | undefined,
): { readonly index: number; readonly leftovers: Leftovers } {
  const index = ensureDevice(node, instance, tunnel, present);
  const leftovers: Request[] = [];
  const writes: Request[] = [];

  const addresses = node.netlink.dump(listAddresses({ index }));
  const has = new Set(addresses.map(({ address }) => address));
  for (const address of tunnel.addresses) {
    if (!has.has(address)) writes.push(tolerating(addAddress({ index, address, noDad: true }), 'EEXIST'));
  }
  for (const { address, prefixLength } of addresses) {
    if (tunnel.addresses.includes(address)) continue;
    leftovers.push(tolerating(deleteAddress({ index, address, prefixLength }), 'EADDRNOTAVAIL'));
  }

  const ends = new Map(node.netlink.dump(listForwardingEntries(index)).map((entry) => [entry.mac, entry]));
  for (const [mac, remote] of tunnel.ends) {
    const now = ends.get(mac);
    if (now?.remote !== remote || !now.permanent) writes.push(replaceForwardingEntry({ index, mac }, remote));
  }
  for (const mac of ends.keys()) {
    if (!tunnel.ends.has(mac)) leftovers.push(tolerating(deleteForwardingEntry({ index, mac }), 'ENOENT'));
  }

  const neighbours = new Map(node.netlink.dump(listNeighbours({ index })).map((entry) => [entry.address, entry]));
  for (const [address, mac] of tunnel.neighbours) {
    const now = neighbours.get(address);
    if (now?.mac !== mac || now.state !== 'permanent') writes.push(replaceNeighbour({ index, address }, mac));
  }
  for (const { address, state } of neighbours.values()) {
    if (state !== 'permanent' || tunnel.neighbours.has(address)) continue;
    leftovers.push(tolerating(deleteNeighbour({ index, address }), 'ENOENT'));
  }
  node.netlink.execute(writes);
  return { index, leftovers };
}

function ensureDevice(
  node: NodeNetwork,
  instance: string,
  tunnel: PlannedTunnel,
  present: VxlanLink | undefined,
): number {
  if (present !== undefined && isSameDevice(tunnel, present)) {
    const mtu = present.mtu === tunnel.mtu ? {} : { mtu: tunnel.mtu };
    if (!present.up || present.mtu !== tunnel.mtu) node.netlink.run(setLink(present.index, { ...mtu, up: true }));
    return present.index;
  }
  // What cannot be changed in place is made anew; its routes follow within the same comparison.
  if (present !== undefined) node.netlink.run(tolerating(deleteLink(present.index), 'ENODEV'));
  const { name } = tunnel;
  const [, , , link] = node.netlink.execute([
    createVxlan(tunnel),
    setAddrGenMode(name, 'none'),
    setLink(name, { alias: tunnelAlias(instance) }),
    getLink(name),
  ]);
  inNode(node, () => {
    setSysctlIfPresent(`net/ipv6/conf/${name}/accept_ra`, '0');
    setSysctlIfPresent(`net/ipv6/conf/${name}/disable_ipv6`, '0');
    // The default of new interfaces may be another.
    setSysctlIfPresent(`net/ipv4/conf/${name}/forwarding`, '1');
  });
  node.netlink.run(setLink(link.index, { up: true }));
  return link.index;
}

function isSameDevice(tunnel: PlannedTunnel, present: VxlanLink): boolean {
  return (
    present.vni === tunnel.vni &&
    present.port === tunnel.port &&
    present.local === tunnel.local &&
    present.mac === tunnel.mac &&
    !present.learning
  );
}
