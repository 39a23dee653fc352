/** The node's own place in the network below: the interface that carries its node address, and who is beside it. */
import { type Family, parseAddress } from '../../net/address.ts';
import { type Cidr, containsAddress, maskCidr } from '../../net/cidr.ts';
import type { Node } from '../../policy/model.ts';

/** What the kernel says, as far as it matters here. Interfaces of Sluice's own are left out. */
export interface UnderlayView {
  readonly links: readonly { readonly index: number; readonly name: string; readonly mtu: number }[];
  readonly addresses: readonly {
    readonly index: number;
    readonly family: Family;
    readonly address: string;
    readonly prefixLength: number;
  }[];
  /** Index of the interface of the (best) default route of a family. */
  readonly defaultRoutes: Readonly<Partial<Record<Family, number>>>;
}

export interface Uplink {
  readonly family: Family;
  readonly index: number;
  readonly name: string;
  readonly mtu: number;
  /** The node's InternalIP of this family, canonical text. */
  readonly address: string;
  /** Networks that the interface is connected to. */
  readonly networks: readonly Cidr[];
}

export const FAMILIES: readonly Family[] = [4, 6];

/** How other nodes reach the node: its InternalIPs, in their order. */
export function internalAddresses(node: Node): readonly string[] {
  return node.internalAddresses ?? node.addresses;
}

/** The InternalIP that stands for the node in a family; every node takes the same: the first. */
export function nodeAddress(node: Node, family: Family): string | undefined {
  return internalAddresses(node).find((text) => parseAddress(text)?.family === family);
}

/** The interface that carries this address; undefined when none does. */
export function findUplink(view: UnderlayView, address: string, family: Family): Uplink | undefined {
  const own = view.addresses.find((entry) => entry.address === address);
  const link = own && view.links.find(({ index }) => index === own.index);
  if (link === undefined) return undefined;
  const networks = view.addresses.flatMap((entry) => {
    const parsed = entry.index === link.index && entry.family === family ? parseAddress(entry.address) : undefined;
    return parsed === undefined || isHostPrefix(entry.prefixLength, family) || isLinkLocal(parsed.bytes)
      ? []
      : [maskCidr(parsed, entry.prefixLength)];
  });
  return { family, index: link.index, name: link.name, mtu: link.mtu, address, networks };
}

/** Whether a packet to that address needs no router. */
export function isNeighbour(uplink: Uplink, address: string): boolean {
  const parsed = parseAddress(address);
  return parsed !== undefined && uplink.networks.some((network) => containsAddress(network, parsed));
}

function isHostPrefix(length: number, family: Family): boolean {
  return length === (family === 4 ? 32 : 128);
}

/** fe80::/10: every link has it, so it says nothing about this one. */
function isLinkLocal(bytes: Uint8Array): boolean {
  return bytes.length === 16 && bytes[0] === 0xfe && (bytes[1]! & 0xc0) === 0x80;
}
