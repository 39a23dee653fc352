/** How requests reach an API server; http-transport.ts does it, tests may stand in for it. */

export interface ApiRequest {
  /** Absolute, like `/api/v1/pods`. */
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  /** Ends the exchange at any point, also while credentials are awaited or the body is read. */
  readonly signal: AbortSignal;
  /** What is written. @default nothing: GET */
  readonly write?: ApiWrite;
}

export interface ApiWrite {
  readonly method: 'POST' | 'PATCH';
  /** `application/json`, or the kind of patch. */
  readonly contentType: string;
  readonly body: string;
}

export interface ApiResponse {
  readonly status: number;
  /** The header Retry-After. */
  readonly retryAfter: string | undefined;
  /** Once. Throws ApiError when it breaks off. Whoever does not read it to its end aborts the request. */
  readonly body: AsyncIterable<Uint8Array>;
}

export interface ApiTransport {
  /** @throws ApiError (`network`, `credentials`) when no answer comes. An answer of any status is no error. */
  send(request: ApiRequest): Promise<ApiResponse>;
  /** The server did not accept the credentials: the next request reads them anew. */
  renewCredentials(): void;
  /** Ends the connections that are kept. */
  close(): void;
}
