/**
 * One request and its answer on the local server, in terms of node:http. Every refusal has the shape of a CNI error
 * object, because the launcher prints what it gets.
 */
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import { CniCode, CniError, encodeCniError, httpStatus } from '../cni/error.ts';
import { FALLBACK_VERSION } from '../cni/version.ts';

/** A stream's caller that is this far behind misses what comes. */
const STREAM_BYTES_MAX = 1024 * 1024;

export interface PeerCredentials {
  /** 0 when the caller lives in a PID namespace that the agent does not see. */
  readonly pid: number;
  readonly uid: number;
}

export interface LocalAnswer {
  readonly status: number;
  readonly contentType: string;
  readonly body: string | Uint8Array;
}

export interface LocalRequest {
  readonly query: URLSearchParams;
  readonly headers: IncomingHttpHeaders;
  readonly body: Uint8Array;
  readonly peer: PeerCredentials;
  /** Aborted when the connection closes before the answer is sent, and at the end of a stream, whoever ended it. */
  readonly signal: AbortSignal;
  /** Sends the answer; called once, by every handler that does not throw. */
  readonly answer: (answer: LocalAnswer) => void;
  /**
   * Sends the answer and waits until the caller closes the connection. False when it closed without having read all of
   * the answer. A caller that keeps the connection open for `TAKEN_WAIT_MS` is taken to have read it.
   */
  readonly deliver: (answer: LocalAnswer) => Promise<boolean>;
  /** Begins an answer without a known end, in place of the two above. The server ends it when it closes. */
  readonly stream: (contentType: string) => LocalStream;
}

export interface LocalStream {
  /** False: not written, because the caller is `STREAM_BYTES_MAX` behind, or has gone. */
  write(text: string): boolean;
  end(): void;
}

/** A refusal by the server itself, before any handler. */
export class Refusal extends CniError {
  readonly status: number;

  constructor(status: number, code: CniCode, message: string) {
    super(code, message);
    this.status = status;
  }
}

/** The answer to a request that failed; `told` is what the caller may know of it. */
export function failureAnswer(error: unknown, told: CniError): LocalAnswer {
  const status = error instanceof Refusal ? error.status : httpStatus(told.code);
  return { status, contentType: 'application/json', body: encodeCniError(told, FALLBACK_VERSION) };
}

export function sendAnswer(response: ServerResponse, answer: LocalAnswer): void {
  // What was not read of the request would be taken for the next one.
  if (!response.req.complete) response.setHeader('Connection', 'close');
  const body = typeof answer.body === 'string' ? Buffer.from(answer.body) : answer.body;
  response.writeHead(answer.status, { 'Content-Type': answer.contentType, 'Content-Length': body.length });
  response.end(body);
}

export function openStream(response: ServerResponse, contentType: string): LocalStream {
  response.writeHead(200, { 'Content-Type': contentType, 'Cache-Control': 'no-store' });
  response.flushHeaders();
  return {
    write: (text) => {
      if (response.writableEnded || response.destroyed || response.writableLength > STREAM_BYTES_MAX) return false;
      response.write(text);
      return true;
    },
    end: () => {
      response.end();
    },
  };
}

/** @throws Refusal (413) when there is more than `bytesMax`. */
export async function readBody(message: IncomingMessage, bytesMax: number): Promise<Uint8Array> {
  const refusal = new Refusal(413, CniCode.badRequest, `the request is longer than ${bytesMax} bytes`);
  if (Number(message.headers['content-length'] ?? 0) > bytesMax) throw refusal;
  const chunks: Uint8Array[] = [];
  let length = 0;
  // Destroying the message would take the connection away from the refusal.
  const source: AsyncIterable<Uint8Array> = message.iterator({ destroyOnReturn: false });
  for await (const chunk of source) {
    length += chunk.length;
    if (length > bytesMax) throw refusal;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, length);
}
