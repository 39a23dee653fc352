/** VXLAN devices (RFC 7348) with static forwarding entries: nothing is learned, nothing is flooded. */
import { formatAddress } from '../../net/address.ts';
import { ConfigError } from '../../lib/errors.ts';
import { IFLA, IFLA_INFO, IFLA_VXLAN, NLM_F, RTM } from './constants.ts';
import { type AddressLike, checkInterfaceName, parseMac, toAddress } from './ip.ts';
import { decodeLink, type Link, listLinks, writeInfoMessage } from './link.ts';
import { Attributes, type Message, viewOf } from './reader.ts';
import { command, type DumpRequest, type Request } from './request.ts';
import { MessageWriter } from './writer.ts';

const INFOMSG_BYTES = 16;
const VNI_MAX = 0xffffff;
const PORT_MAX = 0xffff;

export interface VxlanSpec {
  readonly name: string;
  readonly mac: string;
  readonly mtu: number;
  /** Network identifier, 1 to 2^24 - 1. */
  readonly vni: number;
  /** UDP port of both ends. */
  readonly port: number;
  /** Address of the underlay that it sends from; its family is that of the tunnel. */
  readonly local: AddressLike;
}

export interface VxlanLink extends Link {
  readonly vni: number;
  readonly port: number;
  /** Canonical text. */
  readonly local: string | undefined;
  readonly learning: boolean;
}

/**
 * It is down, and not bound to an interface: the underlay's routes choose. Over IPv4 the outer checksum is zero
 * (RFC 7348 section 5). Fails with EEXIST when the name is taken, or another device has this identifier and port.
 */
export function createVxlan(spec: VxlanSpec): Request {
  const local = toAddress(spec.local);
  checkRange('network identifier', spec.vni, VNI_MAX);
  checkRange('port', spec.port, PORT_MAX);
  return command({
    call: 'RTM_NEWLINK',
    object: `vxlan ${spec.name}`,
    type: RTM.NEWLINK,
    flags: NLM_F.CREATE | NLM_F.EXCL,
    body: writeInfoMessage(new MessageWriter())
      .attributeText(IFLA.IFNAME, checkInterfaceName(spec.name))
      .attribute(IFLA.ADDRESS, parseMac(spec.mac))
      .attributeU32(IFLA.MTU, spec.mtu)
      .nest(IFLA.LINKINFO)
      .attributeText(IFLA_INFO.KIND, 'vxlan')
      .nest(IFLA_INFO.DATA)
      .attributeU32(IFLA_VXLAN.ID, spec.vni)
      .attribute(local.family === 4 ? IFLA_VXLAN.LOCAL : IFLA_VXLAN.LOCAL6, local.bytes)
      .attributeU8(IFLA_VXLAN.LEARNING, 0)
      .attribute(IFLA_VXLAN.PORT, Uint8Array.of(spec.port >> 8, spec.port & 0xff))
      .attributeU8(IFLA_VXLAN.UDP_CSUM, local.family === 4 ? 0 : 1)
      .end()
      .end()
      .finish(),
  });
}

function checkRange(what: string, value: number, max: number): void {
  if (!Number.isInteger(value) || value < 1 || value > max) {
    throw new ConfigError(`vxlan ${what} ${value}: use 1 to ${max}`);
  }
}

/** The VXLAN devices of the namespace. */
export function listVxlans(): DumpRequest<VxlanLink> {
  return { ...listLinks(), object: 'vxlan devices', read: decodeVxlan };
}

/** Undefined for other kinds. @throws NetlinkFormatError */
export function decodeVxlan(message: Message): VxlanLink | undefined {
  const link = decodeLink(message);
  if (link.kind !== 'vxlan') return undefined;
  const data = Attributes.parse(message.body, INFOMSG_BYTES).nested(IFLA.LINKINFO)?.nested(IFLA_INFO.DATA);
  const local = data?.bytes(IFLA_VXLAN.LOCAL) ?? data?.bytes(IFLA_VXLAN.LOCAL6);
  const port = data?.bytes(IFLA_VXLAN.PORT);
  return {
    ...link,
    vni: data?.u32(IFLA_VXLAN.ID) ?? 0,
    port: port?.length === 2 ? viewOf(port).getUint16(0) : 0,
    local: local && formatAddress(local),
    learning: data?.u8(IFLA_VXLAN.LEARNING) !== 0,
  };
}
