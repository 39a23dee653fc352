/** The kinds of exchange that Sluice has with an API server: one JSON document, read or written, or lines without end. */
import type { Clock } from '../../lib/clock.ts';
import { errorMessage } from '../../lib/errors.ts';
import { ApiError, errorOfStatus } from './api-error.ts';
import { Exchange } from './exchange.ts';
import { LINE_BYTES_MAX, PAGE_BYTES_MAX, REQUEST_IDLE_MS_MAX, STATUS_BYTES_MAX, WATCH_IDLE_MS_MAX } from './limits.ts';
import { readLines, readStart, readText } from './lines.ts';
import type { ApiRequest, ApiResponse, ApiTransport, ApiWrite } from './transport.ts';

export type Query = Readonly<Record<string, string>>;

export class ApiClient {
  readonly #transport: ApiTransport;
  readonly #clock: Clock;

  constructor(transport: ApiTransport, clock: Clock) {
    this.#transport = transport;
    this.#clock = clock;
  }

  /** @throws ApiError for every answer but 200, and for none. */
  async json(path: string, query: Query, signal: AbortSignal): Promise<unknown> {
    return await this.#document({ path, query }, signal);
  }

  /** Creates or patches an object and gives it as the server has it then. @throws ApiError unless that is done. */
  async write(path: string, write: ApiWrite, signal: AbortSignal): Promise<unknown> {
    return await this.#document({ path, query: {}, write }, signal);
  }

  async #document(request: Omit<ApiRequest, 'signal'>, signal: AbortSignal): Promise<unknown> {
    const exchange = new Exchange(this.#clock, signal, REQUEST_IDLE_MS_MAX);
    let complete = false;
    try {
      const response = await this.#open(request, exchange);
      const text = await readText(exchange.follow(response.body), PAGE_BYTES_MAX);
      complete = true;
      return parseJson(text);
    } catch (error) {
      throw exchange.explain(error);
    } finally {
      exchange.end(complete);
    }
  }

  /**
   * The lines of a watch until the server ends it.
   * @param onOpen called when the server has accepted it.
   * @throws ApiError for every answer but 200, when it breaks off and when nothing comes for WATCH_IDLE_MS_MAX.
   */
  async *lines(path: string, query: Query, signal: AbortSignal, onOpen: () => void): AsyncGenerator<string> {
    const exchange = new Exchange(this.#clock, signal, WATCH_IDLE_MS_MAX);
    let complete = false;
    try {
      const response = await this.#open({ path, query }, exchange);
      onOpen();
      yield* readLines(exchange.follow(response.body), LINE_BYTES_MAX);
      complete = true;
    } catch (error) {
      throw exchange.explain(error);
    } finally {
      exchange.end(complete);
    }
  }

  /** The server did not accept the credentials: the next request reads them anew. */
  renewCredentials(): void {
    this.#transport.renewCredentials();
  }

  async #open(request: Omit<ApiRequest, 'signal'>, exchange: Exchange): Promise<ApiResponse> {
    const response = await this.#transport.send({ ...request, signal: exchange.signal });
    if (response.status === 200 || (request.write !== undefined && response.status === 201)) return response;
    const text = await readStart(exchange.follow(response.body), STATUS_BYTES_MAX);
    throw errorOfStatus(jsonOr(text), response.status, response.retryAfter);
  }
}

/** @throws ApiError `protocol` for what is no JSON. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new ApiError('protocol', `the API server sent what is no JSON: ${errorMessage(error)}`, { cause: error });
  }
}

/** An answer that something on the way gave may be any text. */
function jsonOr(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
