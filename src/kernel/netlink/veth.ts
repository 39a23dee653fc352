/** Makes a veth pair with its other end in another namespace from the first moment on: one message, nothing is moved. */
import { ConfigError } from '../../lib/errors.ts';
import { IFLA, IFLA_INFO, NLM_F, RTM, VETH_INFO_PEER } from './constants.ts';
import { checkInterfaceName, parseMac } from './ip.ts';
import { writeInfoMessage } from './link.ts';
import { command, type Request } from './request.ts';
import { MessageWriter } from './writer.ts';

export interface VethEnd {
  readonly name: string;
  readonly mac: string;
}

export interface VethPair {
  /** Comes into the namespace of the netlink handle. */
  readonly end: VethEnd;
  readonly peer: VethEnd & { readonly netnsFd: number };
  /** Of both ends. */
  readonly mtu: number;
}

/**
 * Both ends are down. Both MACs are part of the message: an address that the kernel made up would be changed by udev.
 * Fails with EEXIST when either name is taken.
 */
export function createVeth(pair: VethPair): Request {
  const { end, peer, mtu } = pair;
  if (!Number.isInteger(peer.netnsFd) || peer.netnsFd < 0) {
    throw new ConfigError(`${peer.netnsFd} is no descriptor of the namespace of ${peer.name}`);
  }
  return command({
    call: 'RTM_NEWLINK',
    object: `veth ${end.name}`,
    type: RTM.NEWLINK,
    flags: NLM_F.CREATE | NLM_F.EXCL,
    body: writeEnd(new MessageWriter(), end, mtu)
      .nest(IFLA.LINKINFO)
      .attributeText(IFLA_INFO.KIND, 'veth')
      .nest(IFLA_INFO.DATA)
      .attribute(
        VETH_INFO_PEER,
        writeEnd(new MessageWriter(), peer, mtu).attributeU32(IFLA.NET_NS_FD, peer.netnsFd).finish(),
      )
      .end()
      .end()
      .finish(),
  });
}

function writeEnd(writer: MessageWriter, end: VethEnd, mtu: number): MessageWriter {
  return writeInfoMessage(writer)
    .attributeText(IFLA.IFNAME, checkInterfaceName(end.name))
    .attribute(IFLA.ADDRESS, parseMac(end.mac))
    .attributeU32(IFLA.MTU, mtu);
}
