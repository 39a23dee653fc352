/**
 * BPF programs on an interface by way of traffic control: the clsact qdisc and direct-action filters on its two hooks.
 * For kernels without tcx (before 6.6). A filter is ours by priority and handle; others' are left alone.
 */
import { CLSACT, ETH_P_ALL, NLM_F, RTM, TCA, TCA_BPF, TCA_BPF_FLAG_ACT_DIRECT } from './constants.ts';
import { checkIndex } from './link.ts';
import { Attributes, fixedHeader, type Message } from './reader.ts';
import { command, type DumpRequest, type Request } from './request.ts';
import { MessageWriter } from './writer.ts';

const TC_MESSAGE_BYTES = 20;

const KIND = 'bpf';

export type TcDirection = 'ingress' | 'egress';

export interface Qdisc {
  readonly index: number;
  readonly kind: string;
  readonly handle: number;
  readonly parent: number;
}

export interface BpfFilterRef {
  /** Index of the interface. */
  readonly index: number;
  /** As the interface sees it: `ingress` is what it receives. */
  readonly direction: TcDirection;
  /** 1 to 65535; smaller runs first. */
  readonly priority: number;
  readonly handle: number;
}

export interface BpfFilterSpec extends BpfFilterRef {
  /** Of a loaded program of type sched_cls; the kernel keeps its own reference. */
  readonly programFd: number;
  /** Shown by tc. */
  readonly name: string;
}

export interface BpfFilter extends BpfFilterRef {
  readonly name: string;
  readonly directAction: boolean;
  readonly programId: number;
  /** 16 hexadecimal digits. */
  readonly programTag: string;
}

/** Fails with EEXIST when there is one (or an ingress qdisc); it may be another's and is fine to use. */
export function addClsact(index: number): Request {
  return command({
    call: 'RTM_NEWQDISC',
    type: RTM.NEWQDISC,
    flags: NLM_F.CREATE | NLM_F.EXCL,
    ...encodeClsact(index),
  });
}

/** Takes every filter on it along, also those of others. Fails with EINVAL or ENOENT when there is none. */
export function deleteClsact(index: number): Request {
  return command({ call: 'RTM_DELQDISC', type: RTM.DELQDISC, ...encodeClsact(index) });
}

function encodeClsact(index: number): { object: string; body: Uint8Array } {
  const header = { index: checkIndex(index), handle: CLSACT.HANDLE, parent: CLSACT.PARENT, info: 0 };
  return {
    object: `clsact on interface ${index}`,
    body: writeTcMessage(header).attributeText(TCA.KIND, 'clsact').finish(),
  };
}

export function listQdiscs(index: number): DumpRequest<Qdisc> {
  return {
    call: 'RTM_GETQDISC',
    object: `qdiscs of interface ${index}`,
    type: RTM.GETQDISC,
    body: writeTcMessage({ index: checkIndex(index), handle: 0, parent: 0, info: 0 }).finish(),
    tolerated: ['ENODEV'],
    read: (message) => {
      const qdisc = decodeQdisc(message);
      return qdisc.index === index ? qdisc : undefined;
    },
  };
}

/** @throws NetlinkFormatError */
export function decodeQdisc(message: Message): Qdisc {
  const header = fixedHeader(message, TC_MESSAGE_BYTES);
  return {
    index: header.getUint32(4, true),
    kind: Attributes.parse(message.body, TC_MESSAGE_BYTES).text(TCA.KIND) ?? '',
    handle: header.getUint32(8, true),
    parent: header.getUint32(12, true),
  };
}

/** Needs a clsact. Fails with EEXIST when priority and handle are taken. */
export function addBpfFilter(spec: BpfFilterSpec): Request {
  return command({
    call: 'RTM_NEWTFILTER',
    type: RTM.NEWTFILTER,
    flags: NLM_F.CREATE | NLM_F.EXCL,
    ...encodeFilter(spec, spec),
  });
}

/** Puts the program in the place of the one there, or adds it; no packet passes without one or the other. */
export function replaceBpfFilter(spec: BpfFilterSpec): Request {
  return command({ call: 'RTM_NEWTFILTER', type: RTM.NEWTFILTER, flags: NLM_F.CREATE, ...encodeFilter(spec, spec) });
}

/** Fails with ENOENT when there is none, EINVAL when there is no clsact. */
export function deleteBpfFilter(ref: BpfFilterRef): Request {
  return command({ call: 'RTM_DELTFILTER', type: RTM.DELTFILTER, ...encodeFilter(ref) });
}

function encodeFilter(
  ref: BpfFilterRef,
  program?: { readonly programFd: number; readonly name: string },
): { object: string; body: Uint8Array } {
  const writer = writeTcMessage({
    index: checkIndex(ref.index),
    handle: ref.handle,
    parent: parentOf(ref.direction),
    info: (ref.priority << 16) | networkOrder(ETH_P_ALL),
  }).attributeText(TCA.KIND, KIND);
  if (program !== undefined) {
    writer
      .nest(TCA.OPTIONS)
      .attributeU32(TCA_BPF.FD, program.programFd)
      .attributeText(TCA_BPF.NAME, program.name)
      .attributeU32(TCA_BPF.FLAGS, TCA_BPF_FLAG_ACT_DIRECT)
      .end();
  }
  return {
    object: `filter ${ref.priority}/${ref.handle} on ${ref.direction} of interface ${ref.index}`,
    body: writer.finish(),
  };
}

/** BPF filters of one hook, in the order in which they run; none when there is no clsact. */
export function listBpfFilters(index: number, direction: TcDirection): DumpRequest<BpfFilter> {
  return {
    call: 'RTM_GETTFILTER',
    object: `filters on ${direction} of interface ${index}`,
    type: RTM.GETTFILTER,
    body: writeTcMessage({ index: checkIndex(index), handle: 0, parent: parentOf(direction), info: 0 }).finish(),
    tolerated: ['EINVAL', 'ENODEV'],
    read: decodeBpfFilter,
  };
}

/** Undefined for other classifiers, for the head of a priority, and outside clsact. @throws NetlinkFormatError */
export function decodeBpfFilter(message: Message): BpfFilter | undefined {
  const header = fixedHeader(message, TC_MESSAGE_BYTES);
  const attributes = Attributes.parse(message.body, TC_MESSAGE_BYTES);
  const handle = header.getUint32(8, true);
  const direction = directionOf(header.getUint32(12, true));
  const options = attributes.nested(TCA.OPTIONS);
  if (attributes.text(TCA.KIND) !== KIND || handle === 0 || direction === undefined || options === undefined) {
    return undefined;
  }
  return {
    index: header.getUint32(4, true),
    direction,
    priority: header.getUint32(16, true) >>> 16,
    handle,
    name: options.text(TCA_BPF.NAME) ?? '',
    directAction: ((options.u32(TCA_BPF.FLAGS) ?? 0) & TCA_BPF_FLAG_ACT_DIRECT) !== 0,
    programId: options.u32(TCA_BPF.ID) ?? 0,
    programTag: formatTag(options.bytes(TCA_BPF.TAG)),
  };
}

/** struct tcmsg. */
function writeTcMessage(fields: {
  readonly index: number;
  readonly handle: number;
  readonly parent: number;
  readonly info: number;
}): MessageWriter {
  const { index, handle, parent, info } = fields;
  return new MessageWriter().u32(0).u32(index).u32(handle).u32(parent).u32(info);
}

function parentOf(direction: TcDirection): number {
  return direction === 'ingress' ? CLSACT.INGRESS : CLSACT.EGRESS;
}

function directionOf(parent: number): TcDirection | undefined {
  if (parent === CLSACT.INGRESS) return 'ingress';
  return parent === CLSACT.EGRESS ? 'egress' : undefined;
}

function networkOrder(value: number): number {
  return ((value & 0xff) << 8) | (value >> 8);
}

function formatTag(bytes: Uint8Array | undefined): string {
  return Array.from(bytes ?? [], (octet) => octet.toString(16).padStart(2, '0')).join('');
}
