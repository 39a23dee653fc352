/**
 * What can be asked of the kernel, as data: link.ts, address.ts, route.ts and the others make these, netlink.ts sends
 * them. A request is complete when it is made; wrong input is refused then, before anything is sent.
 */
import type { Message } from './reader.ts';

export interface Request<T = void> {
  /** What it is called in errors: `RTM_NEWLINK`. */
  readonly call: string;
  /** What it is about, in errors: `veth sl1a2b`. */
  readonly object: string;
  readonly type: number;
  /** NLM_F_CREATE and the like; REQUEST and ACK are added. */
  readonly flags: number;
  readonly body: Uint8Array;
  /** Error codes that are no failure: `ENODEV` where the absence is what was wanted. */
  readonly tolerated: readonly string[];
  /** Makes the result from the kernel's answers; a tolerated error gives it none. */
  readonly read: (answers: readonly Message[]) => T;
}

/** A question with any number of answers. */
export interface DumpRequest<T> {
  readonly call: string;
  readonly object: string;
  readonly type: number;
  readonly body: Uint8Array;
  /** Error codes that mean an empty table. */
  readonly tolerated: readonly string[];
  /** Undefined leaves the answer out. */
  readonly read: (answer: Message) => T | undefined;
}

/** A request whose only answer is that it was done. */
export function command(fields: {
  readonly call: string;
  readonly object: string;
  readonly type: number;
  readonly flags?: number;
  readonly body: Uint8Array;
}): Request {
  return { flags: 0, tolerated: [], read: () => undefined, ...fields };
}

/** The same request, for which these errors are as good as success. */
export function tolerating(request: Request, ...codes: readonly string[]): Request {
  return { ...request, tolerated: [...request.tolerated, ...codes] };
}
