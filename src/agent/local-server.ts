/**
 * HTTP on the agent's unix socket, for the launcher and for `sluice status|flows|...`. Callers are root, by SO_PEERCRED.
 * It knows nothing of what it serves: routes are registered by method and path.
 *
 * The caller holds the instance's lock: only so may a socket file that nobody listens on be taken for a left-over.
 */
import { chmod, lstat, unlink } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { connect, type Socket } from 'node:net';
import { CniCode, CniError, toCniError } from '../cni/error.ts';
import { ConfigError } from '../lib/errors.ts';
import { CallerLink } from './caller-link.ts';
import {
  failureAnswer,
  openStream,
  readBody,
  Refusal,
  sendAnswer,
  type LocalRequest,
  type PeerCredentials,
} from './local-exchange.ts';
import type { Log } from '../lib/log.ts';

/** Connections at one time; the launcher of a refused one sees it closed and reports code 11. */
const CONNECTIONS_MAX = 2048;
/** For a caller to send its whole request. */
const REQUEST_RECEIVE_MS = 10_000;
/** For a caller that has its answer to close the connection. */
const TAKEN_WAIT_MS = 5_000;
/** `close()` waits this long for requests under way before it cuts their connections. */
const CLOSE_GRACE_MS = 5_000;

export type RouteHandler = (request: LocalRequest) => Promise<void>;

export interface LocalServerOptions {
  /** At most 107 bytes; its directory exists. */
  readonly socketPath: string;
  /** SO_PEERCRED of a connected unix socket. */
  readonly peerCredentials: (fd: number) => PeerCredentials;
  readonly log: Log;
  /** Longer bodies are refused with 413. */
  readonly bodyBytesMax: number;
}

export class LocalServer implements AsyncDisposable {
  readonly #options: LocalServerOptions;
  readonly #server: Server;
  readonly #routes = new Map<string, RouteHandler>();
  readonly #links = new WeakMap<Socket, CallerLink>();
  readonly #underWay = new Set<Promise<void>>();
  readonly #streams = new Set<ServerResponse>();

  constructor(options: LocalServerOptions) {
    this.#options = options;
    this.#server = createServer({ requestTimeout: REQUEST_RECEIVE_MS, headersTimeout: REQUEST_RECEIVE_MS });
    this.#server.maxConnections = CONNECTIONS_MAX;
    // The connection must outlive the wait for the caller to close it.
    this.#server.keepAliveTimeout = TAKEN_WAIT_MS * 2;
    this.#server.on('connection', (socket) => this.#links.set(socket, new CallerLink(socket, options.peerCredentials)));
    this.#server.on('request', (message, response) => this.#track(this.#serve(message, response)));
  }

  /** @param method upper case. @param path without query. Each pair once. */
  route(method: string, path: string, handler: RouteHandler): void {
    const key = `${method} ${path}`;
    if (this.#routes.has(key)) throw new Error(`the route ${key} is there already`);
    this.#routes.set(key, handler);
  }

  /** @throws ConfigError when somebody listens on the socket, or the path is something else. */
  async listen(): Promise<void> {
    const { socketPath } = this.#options;
    await removeStaleSocket(socketPath);
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(socketPath, () => {
        this.#server.off('error', reject);
        resolve();
      });
    });
    await chmod(socketPath, 0o600);
  }

  /**
   * Stops listening and waits for the requests under way; those that take too long lose their connection, so that an ADD
   * among them is undone. Returns when every handler has returned.
   */
  async close(): Promise<void> {
    if (!this.#server.listening) return;
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#server.closeIdleConnections();
    for (const stream of this.#streams) stream.end();
    const cut = setTimeout(() => this.#server.closeAllConnections(), CLOSE_GRACE_MS);
    while (this.#underWay.size > 0) await Promise.all(this.#underWay);
    this.#server.closeAllConnections();
    clearTimeout(cut);
    await closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #track(work: Promise<void>): void {
    const tracked = work.finally(() => this.#underWay.delete(tracked));
    this.#underWay.add(tracked);
  }

  async #serve(message: IncomingMessage, response: ServerResponse): Promise<void> {
    const link = this.#links.get(message.socket);
    if (link === undefined) throw new Error('a request came on a connection that was never announced');
    const abort = new AbortController();
    response.on('close', () => {
      const wasStream = this.#streams.delete(response);
      if (wasStream || !response.writableFinished) abort.abort();
    });
    try {
      await this.#handle(link, message, response, abort.signal);
    } catch (error) {
      if (abort.signal.aborted) {
        this.#options.log.debug({ url: message.url, err: error }, 'local caller has gone');
        return;
      }
      const told = toCniError(error, `"url":"${message.url}"`);
      const fields = { method: message.method, url: message.url, err: error };
      if (error instanceof CniError) this.#options.log.warn(fields, 'local request refused');
      else this.#options.log.error(fields, 'local request failed');
      if (response.headersSent) response.destroy();
      else sendAnswer(response, failureAnswer(error, told));
    }
  }

  async #handle(
    link: CallerLink,
    message: IncomingMessage,
    response: ServerResponse,
    signal: AbortSignal,
  ): Promise<void> {
    const peer = link.peer();
    if (peer.uid !== 0) throw new Refusal(403, CniCode.forbidden, `only root may use this socket, not uid ${peer.uid}`);
    const url = new URL(message.url ?? '/', 'http://localhost');
    const handler = this.#routes.get(`${message.method} ${url.pathname}`);
    if (handler === undefined) {
      throw new Refusal(404, CniCode.badRequest, `the agent does not serve ${message.method} ${url.pathname}`);
    }
    const body = await readBody(message, this.#options.bodyBytesMax);
    await handler({
      query: url.searchParams,
      headers: message.headers,
      body,
      peer,
      signal,
      answer: (answer) => sendAnswer(response, answer),
      deliver: async (answer) => {
        if (signal.aborted) return false;
        sendAnswer(response, answer);
        return (await link.taken(TAKEN_WAIT_MS)) && !signal.aborted;
      },
      stream: (contentType) => {
        this.#streams.add(response);
        return openStream(response, contentType);
      },
    });
    if (!response.headersSent && !signal.aborted) throw new Error('the handler returned without an answer');
  }
}

async function removeStaleSocket(path: string): Promise<void> {
  try {
    const status = await lstat(path);
    if (!status.isSocket()) throw new ConfigError(`${path} is in the way of the agent's socket: remove it`);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return;
    throw error;
  }
  if (await isServed(path))
    throw new ConfigError(`another process listens on ${path}: is an agent of this instance running?`);
  await unlink(path);
}

function isServed(path: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const probe = connect(path);
    probe.on('connect', () => {
      probe.destroy();
      resolve(true);
    });
    probe.on('error', (error) => {
      if ('code' in error && error.code === 'ECONNREFUSED') resolve(false);
      else reject(error);
    });
  });
}
