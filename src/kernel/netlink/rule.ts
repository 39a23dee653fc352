/** Routing rules: which packets look into which table. */
import type { Family } from '../../net/address.ts';
import { formatCidr } from '../../net/cidr.ts';
import { ConfigError } from '../../lib/errors.ts';
import { FR_ACT_TO_TBL, FRA, NLM_F, RTM } from './constants.ts';
import { type CidrLike, checkInterfaceName, familyNumber, familyOf, toCidr } from './ip.ts';
import { Attributes, fixedHeader, type Message } from './reader.ts';
import { command, type DumpRequest, type Request } from './request.ts';
import { MessageWriter } from './writer.ts';

const RULE_MESSAGE_BYTES = 12;

export interface RuleSpec {
  readonly family: Family;
  /** Smaller comes first. */
  readonly priority: number;
  readonly table: number;
  readonly source?: CidrLike;
  readonly destination?: CidrLike;
  readonly mark?: number;
  /** All bits when absent. */
  readonly markMask?: number;
  readonly inputInterface?: string;
  readonly outputInterface?: string;
  /** Who made it (since Linux 4.17). @default 0 */
  readonly protocol?: number;
}

export interface Rule {
  readonly family: Family;
  readonly priority: number;
  /** Undefined for rules that do something else than look into a table. */
  readonly table: number | undefined;
  readonly source: string | undefined;
  readonly destination: string | undefined;
  readonly mark: number | undefined;
  readonly markMask: number | undefined;
  readonly inputInterface: string | undefined;
  readonly outputInterface: string | undefined;
  /** 0 when the kernel does not say. */
  readonly protocol: number;
}

/** Fails with EEXIST when there is the very same. */
export function addRule(spec: RuleSpec): Request {
  return command({ call: 'RTM_NEWRULE', type: RTM.NEWRULE, flags: NLM_F.CREATE | NLM_F.EXCL, ...encode(spec) });
}

/** Fails with ENOENT when there is none that has all of it. */
export function deleteRule(spec: RuleSpec): Request {
  return command({ call: 'RTM_DELRULE', type: RTM.DELRULE, ...encode(spec) });
}

function encode(spec: RuleSpec): { object: string; body: Uint8Array } {
  const source = optionalCidr(spec.source, spec.family);
  const destination = optionalCidr(spec.destination, spec.family);
  const body = new MessageWriter()
    .u8(familyNumber(spec.family))
    .u8(destination?.length ?? 0)
    .u8(source?.length ?? 0)
    .u8(0)
    .u8(spec.table > 255 ? 0 : spec.table)
    .u16(0)
    .u8(FR_ACT_TO_TBL)
    .u32(0)
    .attribute(FRA.DST, destination?.bytes)
    .attribute(FRA.SRC, source?.bytes)
    .attributeU32(FRA.PRIORITY, spec.priority)
    .attributeU32(FRA.TABLE, spec.table)
    .attributeU32(FRA.FWMARK, spec.mark)
    .attributeU32(FRA.FWMASK, spec.mark === undefined ? undefined : (spec.markMask ?? 0xffffffff))
    .attributeText(FRA.IIFNAME, spec.inputInterface && checkInterfaceName(spec.inputInterface))
    .attributeText(FRA.OIFNAME, spec.outputInterface && checkInterfaceName(spec.outputInterface))
    .attributeU8(FRA.PROTOCOL, spec.protocol)
    .finish();
  return { object: `IPv${spec.family} rule ${spec.priority}`, body };
}

function optionalCidr(value: CidrLike | undefined, family: Family): ReturnType<typeof toCidr> | undefined {
  if (value === undefined) return undefined;
  const cidr = toCidr(value);
  if (cidr.family !== family) throw new ConfigError(`${formatCidr(cidr)} is not of family IPv${family} as the rule is`);
  return cidr;
}

export function listRules(family?: Family): DumpRequest<Rule> {
  return {
    call: 'RTM_GETRULE',
    object: 'routing rules',
    type: RTM.GETRULE,
    body: new MessageWriter()
      .u8(familyNumber(family))
      .bytes(new Uint8Array(RULE_MESSAGE_BYTES - 1))
      .finish(),
    tolerated: [],
    read: decodeRule,
  };
}

/** Undefined for families that are not IP. @throws NetlinkFormatError */
export function decodeRule(message: Message): Rule | undefined {
  const header = fixedHeader(message, RULE_MESSAGE_BYTES);
  const family = familyOf(header.getUint8(0));
  if (family === undefined) return undefined;
  const attributes = Attributes.parse(message.body, RULE_MESSAGE_BYTES);
  const cidr = (type: number, length: number): string | undefined => {
    const bytes = attributes.bytes(type);
    return bytes && formatCidr({ family, bytes, length });
  };
  const mark = attributes.u32(FRA.FWMARK);
  return {
    family,
    priority: attributes.u32(FRA.PRIORITY) ?? 0,
    table: header.getUint8(7) === FR_ACT_TO_TBL ? (attributes.u32(FRA.TABLE) ?? header.getUint8(4)) : undefined,
    source: cidr(FRA.SRC, header.getUint8(2)),
    destination: cidr(FRA.DST, header.getUint8(1)),
    mark,
    markMask: mark === undefined ? undefined : attributes.u32(FRA.FWMASK),
    inputInterface: attributes.text(FRA.IIFNAME),
    outputInterface: attributes.text(FRA.OIFNAME),
    protocol: attributes.u8(FRA.PROTOCOL) ?? 0,
  };
}
