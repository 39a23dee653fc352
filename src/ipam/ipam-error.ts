export type IpamErrorCode =
  'IPAM_EXHAUSTED' | 'IPAM_NO_RANGE' | 'IPAM_BAD_RANGE' | 'IPAM_BAD_OWNER' | 'IPAM_DUPLICATE' | 'IPAM_STATE';

/** Why no address was given. Nothing is held that was not held before. */
export class IpamError extends Error {
  override readonly name = 'IpamError';
  readonly code: IpamErrorCode;
  /** With IPAM_EXHAUSTED, when an address ends its rest: milliseconds from now. Undefined: only a release helps. */
  readonly retryAfterMs: number | undefined;

  constructor(code: IpamErrorCode, message: string, details: { retryAfterMs?: number; cause?: unknown } = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.retryAfterMs = details.retryAfterMs;
  }
}
