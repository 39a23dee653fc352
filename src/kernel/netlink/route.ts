/** Routes: over an interface, through a gateway, or to nowhere (`unreachable`). */
import { formatAddress, type Family } from '../../net/address.ts';
import { formatCidr } from '../../net/cidr.ts';
import { NLM_F, RTA, RTM, RTM_F_CLONED, RTNH_F_ONLINK, RTPROT_STATIC } from './constants.ts';
import { type AddressLike, type CidrLike, familyNumber, familyOf, optionalBytes, toCidr } from './ip.ts';
import { checkIndex } from './link.ts';
import { Attributes, fixedHeader, type Message } from './reader.ts';
import { command, type DumpRequest, type Request } from './request.ts';
import { SCOPES, type Scope, scopeName } from './scope.ts';
import { MessageWriter } from './writer.ts';

const ROUTE_MESSAGE_BYTES = 12;
const TYPES: readonly RouteType[] = [
  'unspecified',
  'unicast',
  'local',
  'broadcast',
  'anycast',
  'multicast',
  'blackhole',
  'unreachable',
  'prohibit',
  'throw',
];
const RTN_UNICAST = 1;
const RTN_UNREACHABLE = 7;

export const TABLE_MAIN = 254;

export type RouteType =
  | 'unspecified'
  | 'unicast'
  | 'local'
  | 'broadcast'
  | 'anycast'
  | 'multicast'
  | 'blackhole'
  | 'unreachable'
  | 'prohibit'
  | 'throw'
  | 'other';

export interface RouteSpec {
  /** `0.0.0.0/0` and `::/0` are the default routes. */
  readonly destination: CidrLike;
  /** @default 'unicast' */
  readonly type?: 'unicast' | 'unreachable';
  /** Index of the interface. */
  readonly index?: number;
  readonly gateway?: AddressLike;
  /** The gateway is a neighbour though no route says so. */
  readonly onlink?: boolean;
  /** Address that the node's own packets get as source. */
  readonly source?: AddressLike;
  /** IPv4. @default 'link' for an interface without gateway, else 'global' */
  readonly scope?: Scope;
  /** @default TABLE_MAIN */
  readonly table?: number;
  /** Smaller is preferred. IPv6 makes 1024 of 0. @default 0 */
  readonly metric?: number;
  /** Who made it. @default 4, static */
  readonly protocol?: number;
}

export interface Route {
  readonly family: Family;
  /** Canonical text. */
  readonly destination: string;
  readonly type: RouteType;
  readonly index: number | undefined;
  readonly gateway: string | undefined;
  readonly onlink: boolean;
  readonly source: string | undefined;
  readonly scope: Scope;
  readonly table: number;
  readonly metric: number;
  readonly protocol: number;
}

/** Fails with EEXIST when there is a route of the same destination, table and metric. */
export function addRoute(spec: RouteSpec): Request {
  return command({ call: 'RTM_NEWROUTE', type: RTM.NEWROUTE, flags: NLM_F.CREATE | NLM_F.EXCL, ...encodeNew(spec) });
}

/** Adds it, or puts it in the place of the one with the same destination, table and metric. */
export function replaceRoute(spec: RouteSpec): Request {
  return command({ call: 'RTM_NEWROUTE', type: RTM.NEWROUTE, flags: NLM_F.CREATE | NLM_F.REPLACE, ...encodeNew(spec) });
}

/** Removes the first that has all that is given. Fails with ESRCH when there is none. */
export function deleteRoute(spec: RouteSpec): Request {
  const type = spec.type === undefined ? 0 : typeNumber(spec.type);
  const scope = spec.scope === undefined ? SCOPES.nowhere : SCOPES[spec.scope];
  return command({
    call: 'RTM_DELROUTE',
    type: RTM.DELROUTE,
    ...encode(spec, { type, scope, protocol: spec.protocol ?? 0 }),
  });
}

function typeNumber(type: 'unicast' | 'unreachable'): number {
  return type === 'unicast' ? RTN_UNICAST : RTN_UNREACHABLE;
}

function encodeNew(spec: RouteSpec): { object: string; body: Uint8Array } {
  const direct = spec.index !== undefined && spec.gateway === undefined;
  return encode(spec, {
    type: typeNumber(spec.type ?? 'unicast'),
    scope: SCOPES[spec.scope ?? (direct ? 'link' : 'global')],
    protocol: spec.protocol ?? RTPROT_STATIC,
  });
}

function encode(
  spec: RouteSpec,
  numbers: { readonly type: number; readonly scope: number; readonly protocol: number },
): { object: string; body: Uint8Array } {
  const { family, bytes, length } = toCidr(spec.destination);
  const table = spec.table ?? TABLE_MAIN;
  const via = spec.index === undefined ? '' : ` over interface ${spec.index}`;
  const body = new MessageWriter()
    .u8(familyNumber(family))
    .u8(length)
    .u8(0)
    .u8(0)
    .u8(table > 255 ? 0 : table)
    .u8(numbers.protocol)
    .u8(numbers.scope)
    .u8(numbers.type)
    .u32(spec.onlink === true ? RTNH_F_ONLINK : 0)
    .attribute(RTA.DST, length === 0 ? undefined : bytes)
    .attributeU32(RTA.OIF, spec.index === undefined ? undefined : checkIndex(spec.index))
    .attribute(RTA.GATEWAY, optionalBytes(spec.gateway, family))
    .attribute(RTA.PREFSRC, optionalBytes(spec.source, family))
    .attributeU32(RTA.PRIORITY, spec.metric)
    .attributeU32(RTA.TABLE, table)
    .finish();
  return { object: `route ${formatCidr({ family, bytes, length })}${via}`, body };
}

export interface RouteFilter {
  readonly family?: Family;
  /** @default TABLE_MAIN */
  readonly table?: number;
  readonly index?: number;
}

/** Routes of one table. */
export function listRoutes(filter: RouteFilter = {}): DumpRequest<Route> {
  const table = filter.table ?? TABLE_MAIN;
  return {
    call: 'RTM_GETROUTE',
    object: `routes of table ${table}`,
    type: RTM.GETROUTE,
    body: new MessageWriter()
      .u8(familyNumber(filter.family))
      .bytes(new Uint8Array(ROUTE_MESSAGE_BYTES - 1))
      .attributeU32(RTA.TABLE, table)
      .attributeU32(RTA.OIF, filter.index)
      .finish(),
    // The table or the interface does not exist: it has no routes.
    tolerated: ['ENOENT', 'ENODEV'],
    read: (message) => {
      const route = decodeRoute(message);
      if (route === undefined || route.table !== table) return undefined;
      return filter.index === undefined || route.index === filter.index ? route : undefined;
    },
  };
}

/** Undefined for families that are not IP and for routes that the kernel cloned. @throws NetlinkFormatError */
export function decodeRoute(message: Message): Route | undefined {
  const header = fixedHeader(message, ROUTE_MESSAGE_BYTES);
  const family = familyOf(header.getUint8(0));
  const flags = header.getUint32(8, true);
  if (family === undefined || (flags & RTM_F_CLONED) !== 0) return undefined;
  const attributes = Attributes.parse(message.body, ROUTE_MESSAGE_BYTES);
  const text = (type: number): string | undefined => {
    const bytes = attributes.bytes(type);
    return bytes && formatAddress(bytes);
  };
  const bytes = attributes.bytes(RTA.DST) ?? new Uint8Array(family === 4 ? 4 : 16);
  return {
    family,
    destination: formatCidr({ family, bytes, length: header.getUint8(1) }),
    type: TYPES[header.getUint8(7)] ?? 'other',
    index: attributes.u32(RTA.OIF),
    gateway: text(RTA.GATEWAY),
    onlink: (flags & RTNH_F_ONLINK) !== 0,
    source: text(RTA.PREFSRC),
    scope: scopeName(header.getUint8(6)),
    table: attributes.u32(RTA.TABLE) ?? header.getUint8(4),
    metric: attributes.u32(RTA.PRIORITY) ?? 0,
    protocol: header.getUint8(5),
  };
}
