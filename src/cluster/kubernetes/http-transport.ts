/**
 * Requests over node:http and node:https. Every request asks for the credentials anew, so a token that rotates is
 * followed; connections are kept for as long as certificate, key and authorities stay the same.
 */
import { Agent as HttpAgent, request as httpRequest, type ClientRequest, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { isDeepStrictEqual } from 'node:util';
import { errorMessage } from '../../lib/errors.ts';
import { ApiError } from './api-error.ts';
import type { ApiRequest, ApiResponse, ApiTransport } from './transport.ts';

/** Probes an idle connection after so long. */
const KEEP_ALIVE_MS = 30_000;

/** How the server is known and how Sluice makes itself known, PEM text or bytes. */
export interface TlsIdentity {
  readonly ca?: string | Buffer;
  readonly cert?: string | Buffer;
  readonly key?: string | Buffer;
  /** Name to expect in the server's certificate instead of the host's. */
  readonly servername?: string;
  /** @default true */
  readonly rejectUnauthorized?: boolean;
}

export interface Credentials {
  /** Beside others of the request: `authorization`, impersonation. */
  readonly headers: Readonly<Record<string, string>>;
  readonly tls: TlsIdentity;
  /** Goes through a proxy; then `tls` is its concern. */
  readonly proxyAgent?: HttpAgent;
}

export interface CredentialSource {
  /** Scheme, host, port and, where the server is below one, a path. */
  readonly server: URL;
  /** @throws whatever the source throws; it becomes an ApiError `credentials`. */
  read(): Promise<Credentials>;
  /** The next `read` looks at files and plugins again. */
  renew(): void;
}

export class HttpTransport implements ApiTransport {
  readonly #source: CredentialSource;
  readonly #secure: boolean;
  #agent: HttpAgent;
  #tls: TlsIdentity = {};
  #closed = false;

  constructor(source: CredentialSource) {
    this.#source = source;
    this.#secure = source.server.protocol === 'https:';
    this.#agent = this.#makeAgent({});
  }

  async send({ path, query, signal, write }: ApiRequest): Promise<ApiResponse> {
    const credentials = await this.#credentials(signal);
    const { server } = this.#source;
    const url = new URL(server);
    url.pathname = `${server.pathname.replace(/\/$/, '')}${path}`;
    url.search = new URLSearchParams(query).toString();
    const headers = {
      accept: 'application/json',
      'accept-encoding': 'identity',
      'user-agent': 'sluice',
      ...(write !== undefined && {
        'content-type': write.contentType,
        'content-length': String(Buffer.byteLength(write.body)),
      }),
      ...credentials.headers,
    };
    const agent = credentials.proxyAgent ?? this.#agentFor(credentials.tls);
    const send = this.#secure ? httpsRequest : httpRequest;
    return new Promise((resolve, reject) => {
      const fail = (error: unknown): void => reject(networkError(url, error));
      let request: ClientRequest;
      try {
        request = send(url, { method: write?.method ?? 'GET', agent, headers, signal, ...credentials.tls });
      } catch (error) {
        fail(error);
        return;
      }
      // Stays for the life of the request: what breaks later is thrown where the body is read.
      request.on('error', fail);
      request.once('response', (message) =>
        resolve({
          status: message.statusCode ?? 0,
          retryAfter: message.headers['retry-after'],
          body: bodyOf(message, url),
        }),
      );
      request.end(write?.body);
    });
  }

  renewCredentials(): void {
    this.#source.renew();
  }

  close(): void {
    this.#closed = true;
    this.#agent.destroy();
  }

  /** A plugin that hangs ends with the request, not with Sluice. */
  async #credentials(signal: AbortSignal): Promise<Credentials> {
    if (this.#closed) throw new ApiError('network', 'the connection to the API server is closed');
    const aborted = Promise.withResolvers<never>();
    const onAbort = (): void => aborted.reject(new ApiError('network', 'the request was given up'));
    signal.addEventListener('abort', onAbort);
    if (signal.aborted) onAbort();
    try {
      return await Promise.race([this.#readCredentials(), aborted.promise]);
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }

  async #readCredentials(): Promise<Credentials> {
    try {
      return await this.#source.read();
    } catch (error) {
      throw new ApiError('credentials', `cannot get credentials for the API server: ${errorMessage(error)}`, {
        cause: error,
      });
    }
  }

  #agentFor(tls: TlsIdentity): HttpAgent {
    if (!isDeepStrictEqual(tls, this.#tls)) {
      // What is under way breaks off and is tried again: a server may rely on the old certificate being given up.
      this.#agent.destroy();
      this.#agent = this.#makeAgent(tls);
      this.#tls = tls;
    }
    return this.#agent;
  }

  #makeAgent(tls: TlsIdentity): HttpAgent {
    const options = { keepAlive: true, keepAliveMsecs: KEEP_ALIVE_MS };
    return this.#secure ? new HttpsAgent({ ...options, ...tls }) : new HttpAgent(options);
  }
}

async function* bodyOf(message: IncomingMessage, url: URL): AsyncGenerator<Uint8Array> {
  try {
    for await (const chunk of message) yield chunk as Uint8Array;
  } catch (error) {
    throw networkError(url, error);
  }
}

function networkError(url: URL, error: unknown): ApiError {
  return new ApiError('network', `the API server ${url.host}: ${errorMessage(error)}`, { cause: error });
}
