/** Interfaces: change, remove, look up, list. veth.ts makes pairs. */
import { ConfigError } from '../../lib/errors.ts';
import {
  AF,
  IFF_LOWER_UP,
  IFF_UP,
  IFLA,
  IFLA_INET6_ADDR_GEN_MODE,
  IFLA_INFO,
  NLM_F,
  RTEXT_FILTER_SKIP_STATS,
  RTM,
} from './constants.ts';
import { checkInterfaceName, formatMac, parseMac } from './ip.ts';
import { Attributes, fixedHeader, type Message, NetlinkFormatError } from './reader.ts';
import { command, type DumpRequest, type Request } from './request.ts';
import { MessageWriter } from './writer.ts';

const OPER_STATES: readonly OperState[] = [
  'unknown',
  'notpresent',
  'down',
  'lowerlayerdown',
  'testing',
  'dormant',
  'up',
];
const ADDR_GEN_MODES: Readonly<Record<AddrGenMode, number>> = { eui64: 0, none: 1 };
const INFOMSG_BYTES = 16;

/** `eui64`: made of the MAC. */
export type AddrGenMode = 'eui64' | 'none';

/** RFC 2863's state. */
export type OperState = 'unknown' | 'notpresent' | 'down' | 'lowerlayerdown' | 'testing' | 'dormant' | 'up';

/** An interface by its index (exact) or by its name. */
export type LinkRef = number | string;

export interface Link {
  readonly index: number;
  readonly name: string;
  /** `veth`, `bridge`; undefined for hardware and loopback. */
  readonly kind: string | undefined;
  /** Administratively. */
  readonly up: boolean;
  readonly carrier: boolean;
  readonly operState: OperState;
  readonly mtu: number;
  /** Empty for kinds without hardware address. */
  readonly mac: string;
  /** Name of the root qdisc: `noqueue`, `noop` before the first start. */
  readonly qdisc: string;
  /** Of a veth: index of the other end, in the other end's namespace. */
  readonly peerIndex: number | undefined;
  /** How this namespace numbers the one that the other end is in; undefined when it is the same. */
  readonly peerNetnsId: number | undefined;
  /** Index of the bridge or bond that it belongs to. */
  readonly masterIndex: number | undefined;
  /** Free text (`ip link set alias`); undefined when there is none. */
  readonly alias: string | undefined;
}

export interface LinkChanges {
  readonly up?: boolean;
  readonly mac?: string;
  readonly mtu?: number;
  /** Free text, at most 255 bytes. */
  readonly alias?: string;
  /** New name; needs the index as reference. */
  readonly name?: string;
  /** Moves it into that namespace, under `name` when one is given. */
  readonly netnsFd?: number;
}

/** struct ifinfomsg. */
export function writeInfoMessage(writer: MessageWriter, index = 0, flags = 0, change = 0): MessageWriter {
  return writer.u8(AF.UNSPEC).u8(0).u16(0).u32(index).u32(flags).u32(change);
}

function writeReference(ref: LinkRef, flags = 0, change = 0): MessageWriter {
  if (typeof ref === 'number') return writeInfoMessage(new MessageWriter(), checkIndex(ref), flags, change);
  return writeInfoMessage(new MessageWriter(), 0, flags, change).attributeText(IFLA.IFNAME, checkInterfaceName(ref));
}

/** Index 0 means "any" to the kernel; here it can only be a mistake. */
export function checkIndex(index: number): number {
  if (!Number.isInteger(index) || index <= 0) throw new ConfigError(`${index} is no interface index`);
  return index;
}

export function describeLink(ref: LinkRef): string {
  return typeof ref === 'number' ? `interface ${ref}` : ref;
}

/** An interface of a kind that needs no parameters: `dummy`, `bridge`. Fails with EEXIST when the name is taken. */
export function createLink(link: { readonly name: string; readonly kind: string; readonly mtu?: number }): Request {
  return command({
    call: 'RTM_NEWLINK',
    object: `${link.kind} ${link.name}`,
    type: RTM.NEWLINK,
    flags: NLM_F.CREATE | NLM_F.EXCL,
    body: writeInfoMessage(new MessageWriter())
      .attributeText(IFLA.IFNAME, checkInterfaceName(link.name))
      .attributeU32(IFLA.MTU, link.mtu)
      .nest(IFLA.LINKINFO)
      .attributeText(IFLA_INFO.KIND, link.kind)
      .end()
      .finish(),
  });
}

/** The kernel applies them in this order: namespace and name, MAC, MTU, up or down. */
export function setLink(ref: LinkRef, changes: LinkChanges): Request {
  const { up, mac, mtu, name, netnsFd, alias } = changes;
  if (name !== undefined && typeof ref === 'string') {
    throw new ConfigError(`renaming ${ref} to ${name} needs its index: a message has room for one name`);
  }
  return command({
    call: 'RTM_SETLINK',
    object: describeLink(ref),
    type: RTM.SETLINK,
    body: writeReference(ref, up === true ? IFF_UP : 0, up === undefined ? 0 : IFF_UP)
      .attributeText(IFLA.IFNAME, name && checkInterfaceName(name))
      .attribute(IFLA.ADDRESS, mac === undefined ? undefined : parseMac(mac))
      .attributeU32(IFLA.MTU, mtu)
      .attribute(IFLA.IFALIAS, alias === undefined ? undefined : new TextEncoder().encode(alias))
      .attributeU32(IFLA.NET_NS_FD, netnsFd)
      .finish(),
  });
}

/**
 * Whether the kernel gives the interface a link-local IPv6 address by itself when it comes up: send it before that. It
 * can't be part of the creating message: the kernel refuses it there with EAFNOSUPPORT.
 */
export function setAddrGenMode(ref: LinkRef, mode: AddrGenMode): Request {
  return command({
    call: 'RTM_SETLINK',
    object: `${describeLink(ref)} addr_gen_mode`,
    type: RTM.SETLINK,
    body: writeReference(ref)
      .nest(IFLA.AF_SPEC)
      .nest(AF.INET6)
      .attributeU8(IFLA_INET6_ADDR_GEN_MODE, ADDR_GEN_MODES[mode])
      .end()
      .end()
      .finish(),
  });
}

/** A veth goes with its other end; addresses, routes, neighbours and filters go too. Fails with ENODEV when absent. */
export function deleteLink(ref: LinkRef): Request {
  return command({
    call: 'RTM_DELLINK',
    object: describeLink(ref),
    type: RTM.DELLINK,
    body: writeReference(ref).finish(),
  });
}

/**
 * Fails with ENODEV when absent. Looking also makes the kernel finish what a change of carrier began (since 6.8).
 * `netnsId`: look in the namespace that this one numbers so (`Link.peerNetnsId`).
 */
export function getLink(ref: LinkRef, netnsId?: number): Request<Link> {
  return {
    call: 'RTM_GETLINK',
    object: describeLink(ref),
    type: RTM.GETLINK,
    flags: 0,
    body: writeReference(ref)
      .attributeU32(IFLA.EXT_MASK, RTEXT_FILTER_SKIP_STATS)
      .attributeU32(IFLA.TARGET_NETNSID, netnsId)
      .finish(),
    tolerated: [],
    read: ([answer]) => {
      if (answer === undefined) throw new NetlinkFormatError(`RTM_GETLINK ${describeLink(ref)}: no answer`);
      return decodeLink(answer);
    },
  };
}

export function listLinks(): DumpRequest<Link> {
  return {
    call: 'RTM_GETLINK',
    object: 'all interfaces',
    type: RTM.GETLINK,
    body: writeInfoMessage(new MessageWriter()).attributeU32(IFLA.EXT_MASK, RTEXT_FILTER_SKIP_STATS).finish(),
    tolerated: [],
    read: decodeLink,
  };
}

/** @throws NetlinkFormatError */
export function decodeLink(message: Message): Link {
  const header = fixedHeader(message, INFOMSG_BYTES);
  const flags = header.getUint32(8, true);
  const attributes = Attributes.parse(message.body, INFOMSG_BYTES);
  const peerNetnsId = attributes.u32(IFLA.LINK_NETNSID);
  return {
    index: header.getUint32(4, true),
    name: attributes.text(IFLA.IFNAME) ?? '',
    kind: attributes.nested(IFLA.LINKINFO)?.text(IFLA_INFO.KIND),
    up: (flags & IFF_UP) !== 0,
    carrier: (flags & IFF_LOWER_UP) !== 0,
    operState: OPER_STATES[attributes.u8(IFLA.OPERSTATE) ?? 0] ?? 'unknown',
    mtu: attributes.u32(IFLA.MTU) ?? 0,
    mac: formatMac(attributes.bytes(IFLA.ADDRESS) ?? new Uint8Array()),
    qdisc: attributes.text(IFLA.QDISC) ?? '',
    peerIndex: attributes.u32(IFLA.LINK),
    peerNetnsId,
    masterIndex: attributes.u32(IFLA.MASTER),
    alias: attributes.text(IFLA.IFALIAS),
  };
}
