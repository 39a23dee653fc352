/**
 * CNI errors (CNI-60, CNI-61). Whoever knows the reason throws a `CniError`; any other error is a defect or an unforeseen
 * state, and is told as code 999 with a pointer into the log.
 */

/** Codes of the specification and its Go library, and from 100 on our own. */
export const CniCode = {
  incompatibleVersion: 1,
  unsupportedField: 2,
  unknownContainer: 3,
  invalidEnvironment: 4,
  ioFailure: 5,
  decodeFailure: 6,
  invalidConfig: 7,
  invalidNetns: 8,
  tryAgain: 11,
  notAvailable: 50,
  limitedConnectivity: 51,
  /** The pod's network is not as its ADD made it. */
  checkFailed: 100,
  /** The agent does not see the process that called it. */
  callerInvisible: 101,
  /** The caller is not root. */
  forbidden: 102,
  /** The request is not what a launcher or `sluice` sends: another version, or somebody else. */
  badRequest: 103,
  internal: 999,
} as const;
export type CniCode = (typeof CniCode)[keyof typeof CniCode];

export class CniError extends Error {
  override readonly name = 'CniError';
  readonly code: CniCode;
  /** What a person can do, or what the system said; may be empty. */
  readonly details: string;

  constructor(code: CniCode, message: string, details = '', options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    this.details = details;
  }
}

/** The error object of CNI-60, as text. */
export function encodeCniError(error: CniError, cniVersion: string): string {
  const { code, message, details } = error;
  return `${JSON.stringify({ cniVersion, code, msg: message, details })}\n`;
}

/**
 * The error as callers see it. What is not a `CniError` keeps its message to the log: `reference` is what to look for
 * there.
 */
export function toCniError(error: unknown, reference: string): CniError {
  if (error instanceof CniError) return error;
  return new CniError(
    CniCode.internal,
    'the Sluice agent failed in a way it does not know',
    `its log has the reason: look for ${reference}`,
    { cause: error },
  );
}

const HTTP_STATUS: Readonly<Record<CniCode, number>> = {
  [CniCode.incompatibleVersion]: 400,
  [CniCode.unsupportedField]: 400,
  [CniCode.unknownContainer]: 400,
  [CniCode.invalidEnvironment]: 400,
  [CniCode.ioFailure]: 500,
  [CniCode.decodeFailure]: 400,
  [CniCode.invalidConfig]: 400,
  [CniCode.invalidNetns]: 400,
  [CniCode.tryAgain]: 503,
  [CniCode.notAvailable]: 503,
  [CniCode.limitedConnectivity]: 503,
  [CniCode.checkFailed]: 409,
  [CniCode.callerInvisible]: 500,
  [CniCode.forbidden]: 403,
  [CniCode.badRequest]: 400,
  [CniCode.internal]: 500,
};

/** The HTTP status that goes with an error object; the launcher only tells 200 from the rest. */
export function httpStatus(code: CniCode): number {
  return HTTP_STATUS[code];
}
