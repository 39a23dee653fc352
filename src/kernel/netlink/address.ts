/** Addresses of interfaces. */
import { formatAddress, type Family } from '../../net/address.ts';
import { ConfigError } from '../../lib/errors.ts';
import { IFA, IFA_F, NLM_F, RTM } from './constants.ts';
import { type AddressLike, familyNumber, familyOf, toAddress } from './ip.ts';
import { checkIndex } from './link.ts';
import { Attributes, fixedHeader, type Message } from './reader.ts';
import { command, type DumpRequest, type Request } from './request.ts';
import { SCOPES, type Scope, scopeName } from './scope.ts';
import { MessageWriter } from './writer.ts';

const ADDRESS_MESSAGE_BYTES = 8;

export interface AddressSpec {
  /** Index of the interface. */
  readonly index: number;
  readonly address: AddressLike;
  /** All bits when absent. */
  readonly prefixLength?: number;
  /** @default 'global' */
  readonly scope?: Scope;
  /** IPv6: usable at once, no duplicate address detection. */
  readonly noDad?: boolean;
}

export interface InterfaceAddress {
  readonly index: number;
  readonly family: Family;
  /** Canonical text. */
  readonly address: string;
  readonly prefixLength: number;
  readonly scope: Scope;
  readonly noDad: boolean;
  /** IPv6: duplicate address detection has not ended; it can't be used yet. */
  readonly tentative: boolean;
}

/** Fails with EEXIST when the interface has it. */
export function addAddress(spec: AddressSpec): Request {
  return command({ call: 'RTM_NEWADDR', type: RTM.NEWADDR, flags: NLM_F.CREATE | NLM_F.EXCL, ...encode(spec) });
}

/** Fails with EADDRNOTAVAIL when the interface does not have it. */
export function deleteAddress(spec: AddressSpec): Request {
  return command({ call: 'RTM_DELADDR', type: RTM.DELADDR, ...encode(spec) });
}

function encode(spec: AddressSpec): { object: string; body: Uint8Array } {
  const { family, bytes } = toAddress(spec.address);
  const length = spec.prefixLength ?? bytes.length * 8;
  const object = `${formatAddress(bytes)}/${length} on interface ${spec.index}`;
  if (!Number.isInteger(length) || length < 0 || length > bytes.length * 8) {
    throw new ConfigError(`${object}: the prefix length is not 0 to ${bytes.length * 8}`);
  }
  const body = new MessageWriter()
    .u8(familyNumber(family))
    .u8(length)
    .u8(0)
    .u8(SCOPES[spec.scope ?? 'global'])
    .u32(checkIndex(spec.index))
    .attribute(IFA.LOCAL, bytes)
    .attribute(IFA.ADDRESS, bytes)
    .attributeU32(IFA.FLAGS, spec.noDad === true ? IFA_F.NODAD : undefined)
    .finish();
  return { object, body };
}

/** Of one interface, or of all. Chosen here: the kernel does not notice changes in a dump that it filters itself. */
export function listAddresses(
  filter: { readonly index?: number; readonly family?: Family } = {},
): DumpRequest<InterfaceAddress> {
  return {
    call: 'RTM_GETADDR',
    object: filter.index === undefined ? 'all addresses' : `addresses of interface ${filter.index}`,
    type: RTM.GETADDR,
    body: new MessageWriter()
      .u8(familyNumber(filter.family))
      .bytes(new Uint8Array(ADDRESS_MESSAGE_BYTES - 1))
      .finish(),
    tolerated: [],
    read: (message) => {
      const address = decodeInterfaceAddress(message);
      return filter.index === undefined || address?.index === filter.index ? address : undefined;
    },
  };
}

/** Undefined for families that are not IP. @throws NetlinkFormatError */
export function decodeInterfaceAddress(message: Message): InterfaceAddress | undefined {
  const header = fixedHeader(message, ADDRESS_MESSAGE_BYTES);
  const family = familyOf(header.getUint8(0));
  const attributes = Attributes.parse(message.body, ADDRESS_MESSAGE_BYTES);
  const bytes = attributes.bytes(IFA.LOCAL) ?? attributes.bytes(IFA.ADDRESS);
  if (family === undefined || bytes === undefined) return undefined;
  const flags = attributes.u32(IFA.FLAGS) ?? header.getUint8(2);
  return {
    index: header.getUint32(4, true),
    family,
    address: formatAddress(bytes),
    prefixLength: header.getUint8(1),
    scope: scopeName(header.getUint8(3)),
    noDad: (flags & IFA_F.NODAD) !== 0,
    tentative: (flags & IFA_F.TENTATIVE) !== 0,
  };
}
