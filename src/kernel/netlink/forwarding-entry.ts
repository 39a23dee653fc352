/** A tunnel device's own forwarding entries: at which address of the underlay a hardware address is found. */
import { formatAddress } from '../../net/address.ts';
import { AF, NDA, NLM_F, NTF_SELF, RTM } from './constants.ts';
import { type AddressLike, formatMac, parseMac, toAddress } from './ip.ts';
import { checkIndex } from './link.ts';
import { Attributes, fixedHeader, type Message } from './reader.ts';
import { command, type DumpRequest, type Request } from './request.ts';
import { MessageWriter } from './writer.ts';

const NEIGHBOUR_MESSAGE_BYTES = 12;
const NUD_NOARP = 0x40;
const NUD_PERMANENT = 0x80;

export interface ForwardingEntryRef {
  /** Index of the tunnel device. */
  readonly index: number;
  /** `aa:bb:cc:dd:ee:ff` of the other end. */
  readonly mac: string;
}

export interface ForwardingEntry extends ForwardingEntryRef {
  /** Canonical text; undefined for entries without one, as those of a bridge. */
  readonly remote: string | undefined;
  /** Neither learned nor aging. */
  readonly permanent: boolean;
}

/** A permanent entry, in the place of the one of this hardware address. */
export function replaceForwardingEntry(ref: ForwardingEntryRef, remote: AddressLike): Request {
  const { bytes } = toAddress(remote);
  return command({
    call: 'RTM_NEWNEIGH',
    object: `forwarding entry ${ref.mac} to ${formatAddress(bytes)} on interface ${ref.index}`,
    type: RTM.NEWNEIGH,
    flags: NLM_F.CREATE | NLM_F.REPLACE,
    body: header(ref.index, NUD_NOARP | NUD_PERMANENT, NTF_SELF)
      .attribute(NDA.LLADDR, parseMac(ref.mac))
      .attribute(NDA.DST, bytes)
      .finish(),
  });
}

/** Fails with ENOENT when there is none. */
export function deleteForwardingEntry(ref: ForwardingEntryRef): Request {
  return command({
    call: 'RTM_DELNEIGH',
    object: `forwarding entry ${ref.mac} on interface ${ref.index}`,
    type: RTM.DELNEIGH,
    body: header(ref.index, 0, NTF_SELF).attribute(NDA.LLADDR, parseMac(ref.mac)).finish(),
  });
}

/** Those of one device. */
export function listForwardingEntries(index: number): DumpRequest<ForwardingEntry> {
  return {
    call: 'RTM_GETNEIGH',
    object: `forwarding entries of interface ${index}`,
    type: RTM.GETNEIGH,
    body: header(checkIndex(index), 0, 0).finish(),
    tolerated: ['ENODEV'],
    read: (message) => {
      const entry = decodeForwardingEntry(message);
      return entry?.index === index ? entry : undefined;
    },
  };
}

/** struct ndmsg. */
function header(index: number, state: number, flags: number): MessageWriter {
  return new MessageWriter().u8(AF.BRIDGE).u8(0).u16(0).u32(checkIndex(index)).u16(state).u8(flags).u8(0);
}

/** Undefined for neighbours of IP. @throws NetlinkFormatError */
export function decodeForwardingEntry(message: Message): ForwardingEntry | undefined {
  const fixed = fixedHeader(message, NEIGHBOUR_MESSAGE_BYTES);
  if (fixed.getUint8(0) !== AF.BRIDGE) return undefined;
  const attributes = Attributes.parse(message.body, NEIGHBOUR_MESSAGE_BYTES);
  const remote = attributes.bytes(NDA.DST);
  return {
    index: fixed.getUint32(4, true),
    mac: formatMac(attributes.bytes(NDA.LLADDR) ?? new Uint8Array()),
    remote: remote && formatAddress(remote),
    permanent: (fixed.getUint16(8, true) & NUD_PERMANENT) !== 0,
  };
}
