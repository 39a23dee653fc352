/** Errors that a person has to act on: what happened, to which object, and what to do about it. */

/** A native call failed. The message names call, errno and object. */
export class SysError extends Error {
  override readonly name = 'SysError';
  readonly call: string;
  /** Positive errno, e.g. 17. */
  readonly errno: number;
  /** Symbol, e.g. `EEXIST`. */
  readonly code: string;
  /** What the call was about: a path, an interface, a map. */
  readonly object: string;
  /** What a person can do, or what the kernel said beside the number (extended ack, verifier log). */
  readonly hint: string;

  constructor(fields: { call: string; errno: number; code: string; object: string; hint?: string }) {
    const hint = fields.hint === undefined || fields.hint === '' ? '' : `: ${fields.hint}`;
    super(`${fields.call} ${fields.object}: ${fields.code} (errno ${fields.errno})${hint}`);
    this.call = fields.call;
    this.errno = fields.errno;
    this.code = fields.code;
    this.object = fields.object;
    this.hint = fields.hint ?? '';
  }
}

export function isSysError(error: unknown, code?: string): error is SysError {
  return error instanceof SysError && (code === undefined || error.code === code);
}

/** A table or queue would pass its named limit: what was asked for is not in force. */
export class CapacityError extends Error {
  override readonly name = 'CapacityError';
  readonly limit: string;
  readonly needed: number;
  readonly available: number;

  constructor(limit: string, needed: number, available: number, cause: string) {
    super(`${cause} needs ${needed} of ${limit}, which holds ${available}; what was asked for is not in force`);
    this.limit = limit;
    this.needed = needed;
    this.available = available;
  }
}

/** A wrong setting or argument: the message says which and what would be right. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

export function errorMessage(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
