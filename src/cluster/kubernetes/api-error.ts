/** What can go wrong between Sluice and an API server, told apart by what follows from it. */
import { RETRY_AFTER_MS_MAX, STATUS_CHARS_MAX } from './limits.ts';

export const API_ERROR_KINDS = [
  /** No connection, or one that broke. */
  'network',
  /** Connected, but nothing comes. */
  'stalled',
  /** Credentials cannot be read, or their plugin failed. */
  'credentials',
  /** 401. */
  'unauthorized',
  /** 403. */
  'forbidden',
  /** 404: the type of object is not served. */
  'absent',
  /** 409: an object of that name is there, or it was changed meanwhile. */
  'conflict',
  /** 410: the version asked for is forgotten. */
  'gone',
  /** The version asked for lies in the server's future. */
  'too-new',
  /** 429. */
  'throttled',
  /** 5xx. */
  'server',
  /** Any other status. */
  'refused',
  /** What came is not what an API server sends. */
  'protocol',
] as const;

export type ApiErrorKind = (typeof API_ERROR_KINDS)[number];

export class ApiError extends Error {
  override readonly name = 'ApiError';
  readonly kind: ApiErrorKind;
  /** The server asks to stay away so long; bounded by RETRY_AFTER_MS_MAX. 0: it does not. */
  readonly retryAfterMs: number;

  constructor(
    kind: ApiErrorKind,
    message: string,
    options: { readonly retryAfterMs?: number; readonly cause?: unknown } = {},
  ) {
    super(message, { cause: options.cause });
    this.kind = kind;
    this.retryAfterMs = options.retryAfterMs ?? 0;
  }
}

/** A metav1.Status, as far as it is looked at. All of it may be missing. */
interface Status {
  readonly code?: unknown;
  readonly message?: unknown;
  readonly details?: { readonly retryAfterSeconds?: unknown; readonly causes?: unknown } | null;
}

/**
 * The error that a Status stands for: the body of an answer (`status` is its HTTP status) or the object of an ERROR
 * event (no HTTP status). Text that is no Status is quoted.
 */
export function errorOfStatus(body: unknown, status?: number, retryAfter?: string): ApiError {
  const said: Status = typeof body === 'object' && body !== null ? body : {};
  const code = status ?? (typeof said.code === 'number' ? said.code : 0);
  const words = typeof said.message === 'string' ? said.message : typeof body === 'string' ? body.trim() : '';
  const kind = kindOf(code, said, words);
  const text =
    words === '' ? '' : `: ${words.length > STATUS_CHARS_MAX ? `${words.slice(0, STATUS_CHARS_MAX)}...` : words}`;
  const message = `the API server ${status === undefined ? 'ended the watch with' : 'answered'} ${code}${text}`;
  return new ApiError(kind, message, { retryAfterMs: retryAfterMs(said, retryAfter) });
}

function kindOf(code: number, status: Status, words: string): ApiErrorKind {
  if (isTooNew(status, words)) return 'too-new';
  if (code === 401) return 'unauthorized';
  if (code === 403) return 'forbidden';
  if (code === 404) return 'absent';
  if (code === 409) return 'conflict';
  if (code === 410) return 'gone';
  if (code === 429) return 'throttled';
  return code >= 500 ? 'server' : 'refused';
}

/** The cause has a name since Kubernetes 1.19; before, only the message tells. */
function isTooNew({ details }: Status, words: string): boolean {
  const causes: readonly unknown[] = Array.isArray(details?.causes) ? details.causes : [];
  const named = causes.some((cause) => (cause as { reason?: unknown } | null)?.reason === 'ResourceVersionTooLarge');
  return named || words.includes('Too large resource version');
}

/** Seconds only: API servers send no dates. */
function retryAfterMs({ details }: Status, header: string | undefined): number {
  const stated = header === undefined ? details?.retryAfterSeconds : Number(header);
  const seconds = typeof stated === 'number' && stated > 0 ? stated : 0;
  return Math.min(seconds * 1000, RETRY_AFTER_MS_MAX);
}
