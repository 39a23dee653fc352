/**
 * Plain HTTP for the kubelet's probes, for Prometheus and for `sluice wait`: /healthz, /readyz, /metrics, /v1/realized.
 * It is reachable by whoever reaches the node's address, pods of the node included, so it only reads, tells no names that
 * the caller does not give, and has small limits.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { ConfigError, errorMessage } from '../../lib/errors.ts';
import type { Log } from '../../lib/log.ts';

const CONNECTIONS_MAX = 64;
const RECEIVE_MS = 5_000;
const HEADER_BYTES_MAX = 8_192;
/** Requests answered at a time; `sluice wait` may hold one open. */
const RUNNING_MAX = 32;

export interface HealthAnswer {
  readonly status: number;
  readonly contentType: string;
  readonly body: string;
}

/** @param signal aborted when the caller has gone. */
export type HealthRoute = (query: URLSearchParams, signal: AbortSignal) => Promise<HealthAnswer>;

export interface HealthServerOptions {
  /** Undefined: every address. */
  readonly address: string | undefined;
  /** 0: any free one. */
  readonly port: number;
  /** By path; GET only. */
  readonly routes: Readonly<Record<string, HealthRoute>>;
  readonly log: Log;
}

export class HealthServer implements AsyncDisposable {
  readonly #options: HealthServerOptions;
  readonly #server: Server;
  #running = 0;

  private constructor(options: HealthServerOptions) {
    this.#options = options;
    this.#server = createServer(
      { requestTimeout: RECEIVE_MS, headersTimeout: RECEIVE_MS, maxHeaderSize: HEADER_BYTES_MAX },
      (message, response) => void this.#serve(message, response),
    );
    this.#server.maxConnections = CONNECTIONS_MAX;
  }

  /** @throws ConfigError when the address cannot be listened on. */
  static async listen(options: HealthServerOptions): Promise<HealthServer> {
    const server = new HealthServer(options);
    const { address, port } = options;
    await new Promise<void>((resolve, reject) => {
      server.#server.once('error', (error) =>
        reject(
          new ConfigError(`cannot listen on ${address ?? 'any address'}, port ${port}: ${errorMessage(error)}`, {
            cause: error,
          }),
        ),
      );
      server.#server.listen({ ...(address !== undefined && { host: address }), port }, resolve);
    });
    return server;
  }

  get port(): number {
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('the health server does not listen');
    return address.port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
      this.#server.closeAllConnections();
    });
  }

  async #serve(message: IncomingMessage, response: ServerResponse): Promise<void> {
    const gone = new AbortController();
    response.on('close', () => gone.abort());
    this.#running += 1;
    try {
      send(response, await this.#answer(message, gone.signal));
    } catch (error) {
      if (gone.signal.aborted) return;
      this.#options.log.error({ url: message.url, err: error }, 'request to the health server failed');
      send(response, { status: 500, contentType: 'text/plain', body: 'internal error; the log has it\n' });
    } finally {
      this.#running -= 1;
    }
  }

  async #answer(message: IncomingMessage, signal: AbortSignal): Promise<HealthAnswer> {
    if (message.method !== 'GET' && message.method !== 'HEAD') return refusal(405, 'use GET');
    const url = URL.parse(message.url ?? '/', 'http://localhost');
    const { routes } = this.#options;
    const route = url !== null && Object.hasOwn(routes, url.pathname) ? routes[url.pathname] : undefined;
    if (url === null || route === undefined) return refusal(404, `there is: ${Object.keys(routes).join(', ')}`);
    if (this.#running > RUNNING_MAX) return refusal(503, 'too many requests at a time');
    return await route(url.searchParams, signal);
  }
}

function send(response: ServerResponse, { status, contentType, body }: HealthAnswer): void {
  if (response.destroyed || response.headersSent) return;
  response.writeHead(status, { 'Content-Type': contentType, 'Content-Length': Buffer.byteLength(body) });
  // HEAD has the same header and no body; node:http leaves it out.
  response.end(body);
}

/** For an answer that no route gives. */
export function refusal(status: number, message: string): HealthAnswer {
  return { status, contentType: 'text/plain', body: `${message}\n` };
}
