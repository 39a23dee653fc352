/**
 * The conversation with the kernel's rtnetlink: batches of requests, each acknowledged, and dumps. Everything is done
 * when a call returns; nothing here waits for anything but the kernel.
 */
import { constants } from 'node:os';
import { errnoName, sysError } from '../native.ts';
import { NLM_F, NLMSG } from './constants.ts';
import { type Failure, NetlinkError, readAcknowledgement } from './failure.ts';
import { BATCH_BYTES_MAX, BATCH_REQUESTS_MAX, DUMP_ATTEMPTS_MAX, RECEIVE_BUFFER_BYTES } from './limits.ts';
import { HEADER_BYTES, type Message, splitMessages } from './reader.ts';
import type { DumpRequest, Request } from './request.ts';
import { NetlinkSocket } from './socket.ts';

export type Results<T extends readonly Request<unknown>[]> = {
  -readonly [I in keyof T]: T[I] extends Request<infer R> ? R : never;
};

/** Results of requests whose error was tolerated are undefined. */
export class Netlink implements Disposable {
  readonly #socket: NetlinkSocket;
  #sequence = 0;
  /** Calls of `executeAside` that have not ended. */
  #aside = 0;
  #lastAside: Promise<void> = Promise.resolve();
  #closing = false;

  private constructor(socket: NetlinkSocket) {
    this.#socket = socket;
  }

  /**
   * A handle into the current namespace; `withNetns(fd, () => Netlink.open())` gives one into another, which can be used
   * from anywhere afterwards. @throws SysError
   */
  static open(): Netlink {
    return new Netlink(NetlinkSocket.open({ receiveBufferBytes: RECEIVE_BUFFER_BYTES }));
  }

  /**
   * Sends the requests together (in pieces of BATCH_REQUESTS_MAX) and gives their results. The kernel does them in order
   * and does not stop at a failure: those behind it in the same piece are tried as well, later pieces are not sent.
   * @throws NetlinkError naming the first that failed, SysError when the conversation itself failed.
   */
  execute<const T extends readonly Request<unknown>[]>(batch: T): Results<T>;
  execute(batch: readonly Request<unknown>[]): unknown[] {
    this.#refuseWhileAside();
    const results: unknown[] = [];
    while (results.length < batch.length) {
      const piece = takePiece(batch, results.length);
      const { datagram, first } = this.#encode(piece.requests);
      this.#socket.send(datagram, piece.object);
      results.push(...this.#collect(piece, first));
    }
    return results;
  }

  /**
   * The same, but a thread of the pool waits for the kernel: removing an interface takes it tens of milliseconds. Calls
   * are done one after the other; meanwhile the other methods refuse, so keep a handle for this.
   */
  executeAside<const T extends readonly Request<unknown>[]>(batch: T): Promise<Results<T>>;
  executeAside(batch: readonly Request<unknown>[]): Promise<unknown[]> {
    this.#aside++;
    const run = this.#lastAside.then(() => this.#executeAside(batch));
    const settled = (): void => {
      this.#aside--;
      if (this.#aside === 0 && this.#closing) this.#socket.close();
    };
    this.#lastAside = run.then(settled, settled);
    return run;
  }

  async #executeAside(batch: readonly Request<unknown>[]): Promise<unknown[]> {
    const results: unknown[] = [];
    while (results.length < batch.length) {
      const piece = takePiece(batch, results.length);
      const { datagram, first } = this.#encode(piece.requests);
      await this.#socket.sendAside(datagram, piece.object);
      results.push(...this.#collect(piece, first));
    }
    return results;
  }

  #refuseWhileAside(): void {
    if (this.#aside > 0) throw new Error('this netlink handle is in use by executeAside');
  }

  /** One request. @throws NetlinkError, SysError */
  run<T>(request: Request<T>): T {
    return this.execute([request])[0];
  }

  /** Reads until every request of the piece is acknowledged. `first`: the sequence number of its first request. */
  #collect({ requests, from, object }: Piece, first: number): unknown[] {
    const answers: Message[][] = requests.map(() => []);
    const outcomes = new Map<number, Failure | undefined>();
    while (outcomes.size < requests.length) {
      for (const message of splitMessages(this.#socket.receive(object))) {
        const at = message.sequence - first;
        // Answers to an earlier conversation that was broken off.
        if (at < 0 || at >= requests.length || outcomes.has(at)) continue;
        if (message.type !== NLMSG.ERROR) {
          answers[at]!.push(message);
          continue;
        }
        const { errno, hint } = readAcknowledgement(message, true);
        outcomes.set(at, errno === 0 ? undefined : { index: from + at, errno, hint });
      }
    }
    return finishPiece(requests, answers, outcomes);
  }

  #encode(piece: readonly Request<unknown>[]): { datagram: Uint8Array; first: number } {
    const first = this.#sequence + 1;
    const datagram = new Uint8Array(piece.reduce((sum, request) => sum + encodedBytes(request), 0));
    const view = new DataView(datagram.buffer);
    let at = 0;
    for (const request of piece) {
      this.#sequence++;
      const header = { type: request.type, flags: NLM_F.REQUEST | NLM_F.ACK | request.flags, sequence: this.#sequence };
      writeMessage(datagram, view, at, header, request.body);
      at += encodedBytes(request);
    }
    return { datagram, first };
  }

  /**
   * Reads a whole table. A dump during which the table changed is begun anew, as far as the kernel notices: it does for
   * links and addresses.
   * @throws SysError: EINTR when it changed DUMP_ATTEMPTS_MAX times, or what the kernel answered.
   */
  dump<T>(request: DumpRequest<T>): T[] {
    this.#refuseWhileAside();
    for (let attempt = 0; attempt < DUMP_ATTEMPTS_MAX; attempt++) {
      const items = this.#dumpOnce(request);
      if (items !== undefined) return items;
    }
    const hint = `the table changed during each of ${DUMP_ATTEMPTS_MAX} dumps`;
    throw sysError(request.call, request.object, constants.errno.EINTR, hint);
  }

  /** Undefined when the table changed meanwhile. */
  #dumpOnce<T>(request: DumpRequest<T>): T[] | undefined {
    const sequence = ++this.#sequence;
    const out = new Uint8Array(encodedBytes(request));
    const header = { type: request.type, flags: NLM_F.REQUEST | NLM_F.DUMP, sequence };
    writeMessage(out, new DataView(out.buffer), 0, header, request.body);
    this.#socket.send(out, request.object);

    const items: T[] = [];
    let interrupted = false;
    for (;;) {
      for (const message of splitMessages(this.#socket.receive(request.object))) {
        if (message.sequence !== sequence) continue;
        interrupted ||= (message.flags & NLM_F.DUMP_INTR) !== 0;
        if (message.type === NLMSG.ERROR || message.type === NLMSG.DONE) {
          const { errno, hint } = readAcknowledgement(message, message.type === NLMSG.ERROR);
          if (errno === 0) return interrupted ? undefined : items;
          const error = sysError(request.call, request.object, errno, hint);
          if (request.tolerated.includes(error.code)) return [];
          throw error;
        }
        const item = request.read(message);
        if (item !== undefined) items.push(item);
      }
    }
  }

  /** Idempotent. After what `executeAside` has begun. */
  close(): void {
    this.#closing = true;
    if (this.#aside === 0) this.#socket.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** What goes out in one send. */
interface Piece {
  readonly requests: readonly Request<unknown>[];
  /** Place of the first in the batch. */
  readonly from: number;
  /** For errors of the conversation. */
  readonly object: string;
}

function takePiece(batch: readonly Request<unknown>[], from: number): Piece {
  let bytes = 0;
  const requests: Request<unknown>[] = [];
  for (const request of batch.slice(from, from + BATCH_REQUESTS_MAX)) {
    bytes += encodedBytes(request);
    if (requests.length > 0 && bytes > BATCH_BYTES_MAX) break;
    requests.push(request);
  }
  const others = requests.length === 1 ? '' : ` and ${requests.length - 1} more`;
  return { requests, from, object: `${requests[0]!.call} ${requests[0]!.object}${others}` };
}

function finishPiece(
  requests: readonly Request<unknown>[],
  answers: readonly (readonly Message[])[],
  outcomes: ReadonlyMap<number, Failure | undefined>,
): unknown[] {
  const failures: [Failure, Request<unknown>][] = [];
  const results = requests.map((request, at) => {
    const failure = outcomes.get(at);
    if (failure === undefined) return request.read(answers[at]!);
    if (!request.tolerated.includes(errnoName(failure.errno))) failures.push([failure, request]);
    return undefined;
  });
  const [first, ...others] = failures;
  if (first !== undefined) throw new NetlinkError(first[1], [first[0], ...others.map(([failure]) => failure)]);
  return results;
}

function encodedBytes(request: { readonly body: Uint8Array }): number {
  return HEADER_BYTES + ((request.body.length + 3) & ~3);
}

/** struct nlmsghdr and the body; the port id stays 0, the kernel knows the sender. */
function writeMessage(
  out: Uint8Array,
  view: DataView,
  at: number,
  header: { readonly type: number; readonly flags: number; readonly sequence: number },
  body: Uint8Array,
): void {
  view.setUint32(at, HEADER_BYTES + body.length, true);
  view.setUint16(at + 4, header.type, true);
  view.setUint16(at + 6, header.flags, true);
  view.setUint32(at + 8, header.sequence, true);
  out.set(body, at + HEADER_BYTES);
}
