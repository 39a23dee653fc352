/** Neighbours: which hardware address an IP address has behind an interface. Sluice writes permanent ones only. */
import { formatAddress, type Family } from '../../net/address.ts';
import { NDA, NLM_F, RTM } from './constants.ts';
import { type AddressLike, familyNumber, familyOf, formatMac, parseMac, toAddress } from './ip.ts';
import { checkIndex } from './link.ts';
import { Attributes, fixedHeader, type Message } from './reader.ts';
import { command, type DumpRequest, type Request } from './request.ts';
import { MessageWriter } from './writer.ts';

const NEIGHBOUR_MESSAGE_BYTES = 12;
const NUD_PERMANENT = 0x80;
const RTN_UNICAST = 1;
const STATES: ReadonlyMap<number, NeighbourState> = new Map([
  [0x01, 'incomplete'],
  [0x02, 'reachable'],
  [0x04, 'stale'],
  [0x08, 'delay'],
  [0x10, 'probe'],
  [0x20, 'failed'],
  [0x40, 'noarp'],
  [NUD_PERMANENT, 'permanent'],
]);

export type NeighbourState =
  'none' | 'incomplete' | 'reachable' | 'stale' | 'delay' | 'probe' | 'failed' | 'noarp' | 'permanent';

export interface NeighbourRef {
  /** Index of the interface. */
  readonly index: number;
  readonly address: AddressLike;
}

export interface Neighbour {
  readonly index: number;
  readonly family: Family;
  /** Canonical text. */
  readonly address: string;
  /** Empty while it is not known. */
  readonly mac: string;
  readonly state: NeighbourState;
}

/** A permanent entry. Fails with EEXIST when there is one, learned or not. */
export function addNeighbour(ref: NeighbourRef, mac: string): Request {
  return command({ call: 'RTM_NEWNEIGH', type: RTM.NEWNEIGH, flags: NLM_F.CREATE | NLM_F.EXCL, ...encode(ref, mac) });
}

/** A permanent entry, in the place of one that may be there. */
export function replaceNeighbour(ref: NeighbourRef, mac: string): Request {
  return command({
    call: 'RTM_NEWNEIGH',
    type: RTM.NEWNEIGH,
    flags: NLM_F.CREATE | NLM_F.REPLACE,
    ...encode(ref, mac),
  });
}

/** Fails with ENOENT when there is none. */
export function deleteNeighbour(ref: NeighbourRef): Request {
  return command({ call: 'RTM_DELNEIGH', type: RTM.DELNEIGH, ...encode(ref, undefined) });
}

function encode(ref: NeighbourRef, mac: string | undefined): { object: string; body: Uint8Array } {
  const { family, bytes } = toAddress(ref.address);
  const body = new MessageWriter()
    .u8(familyNumber(family))
    .u8(0)
    .u16(0)
    .u32(checkIndex(ref.index))
    .u16(NUD_PERMANENT)
    .u8(0)
    .u8(RTN_UNICAST)
    .attribute(NDA.DST, bytes)
    .attribute(NDA.LLADDR, mac === undefined ? undefined : parseMac(mac))
    .finish();
  return { object: `neighbour ${formatAddress(bytes)} on interface ${ref.index}`, body };
}

/** Of one interface, or of all. */
export function listNeighbours(
  filter: { readonly index?: number; readonly family?: Family } = {},
): DumpRequest<Neighbour> {
  return {
    call: 'RTM_GETNEIGH',
    object: filter.index === undefined ? 'all neighbours' : `neighbours of interface ${filter.index}`,
    type: RTM.GETNEIGH,
    body: new MessageWriter()
      .u8(familyNumber(filter.family))
      .bytes(new Uint8Array(NEIGHBOUR_MESSAGE_BYTES - 1))
      .attributeU32(NDA.IFINDEX, filter.index === undefined ? undefined : checkIndex(filter.index))
      .finish(),
    tolerated: ['ENODEV'],
    read: decodeNeighbour,
  };
}

/** Undefined for bridge entries and the like. @throws NetlinkFormatError */
export function decodeNeighbour(message: Message): Neighbour | undefined {
  const header = fixedHeader(message, NEIGHBOUR_MESSAGE_BYTES);
  const family = familyOf(header.getUint8(0));
  const attributes = Attributes.parse(message.body, NEIGHBOUR_MESSAGE_BYTES);
  const bytes = attributes.bytes(NDA.DST);
  if (family === undefined || bytes === undefined) return undefined;
  return {
    index: header.getUint32(4, true),
    family,
    address: formatAddress(bytes),
    mac: formatMac(attributes.bytes(NDA.LLADDR) ?? new Uint8Array()),
    state: STATES.get(header.getUint16(8, true)) ?? 'none',
  };
}
