/** What went wrong with a request: the errno of the kernel's answer, and the text of its extended acknowledgement. */
import { SysError } from '../../lib/errors.ts';
import { errnoName } from '../native.ts';
import { NLM_F, NLMSGERR_ATTR } from './constants.ts';
import { Attributes, fixedHeader, HEADER_BYTES, type Message } from './reader.ts';

/** A request of a batch failed. The kernel goes on after a failure: later requests of the same send were tried too. */
export class NetlinkError extends SysError {
  /** Place of the (first) failed request in its batch, from 0. */
  readonly index: number;
  /** Places of all failed requests. */
  readonly failed: readonly number[];

  constructor(request: { readonly call: string; readonly object: string }, failures: readonly [Failure, ...Failure[]]) {
    const { errno, hint, index } = failures[0];
    super({ call: request.call, object: request.object, errno, code: errnoName(errno), hint });
    this.index = index;
    this.failed = failures.map((failure) => failure.index);
  }
}

export interface Failure {
  readonly index: number;
  /** Positive. */
  readonly errno: number;
  readonly hint: string;
}

export interface Acknowledgement {
  /** 0: done. */
  readonly errno: number;
  /** The kernel's words, and which byte of the request they are about. Often empty. */
  readonly hint: string;
}

/** Reads a message of type ERROR (which also says "done") or DONE. */
export function readAcknowledgement(message: Message, isError: boolean): Acknowledgement {
  const view = fixedHeader(message, 4);
  const errno = Math.abs(view.getInt32(0, true));
  if ((message.flags & NLM_F.ACK_TLVS) === 0) return { errno, hint: '' };
  let start = 4;
  if (isError) {
    fixedHeader(message, 4 + HEADER_BYTES);
    const quoted = (message.flags & NLM_F.CAPPED) === 0 ? view.getUint32(4, true) : HEADER_BYTES;
    start += (quoted + 3) & ~3;
  }
  return { errno, hint: describe(Attributes.parse(message.body, start)) };
}

function describe(attributes: Attributes): string {
  const parts: string[] = [];
  const text = attributes.text(NLMSGERR_ATTR.MSG);
  if (text !== undefined && text !== '') parts.push(text);
  const offset = attributes.u32(NLMSGERR_ATTR.OFFS);
  if (offset !== undefined) parts.push(`at byte ${offset} of the message`);
  const missing = attributes.u32(NLMSGERR_ATTR.MISS_TYPE);
  if (missing !== undefined) parts.push(`attribute ${missing} is missing`);
  return parts.join(', ');
}
