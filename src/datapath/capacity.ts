/** What the tables may hold, and the refusal of those that would hold more. */
import { CapacityError } from '../lib/errors.ts';
import { LIMIT_ADDRESSES, LIMIT_PREFIXES, LIMIT_ROWS } from '../policy/ids.ts';
import { LIMIT_ENDPOINTS } from './elements.ts';

/** Elements of each map. */
export interface TableLimits {
  readonly endpoints: number;
  readonly addresses: number;
  readonly prefixes: number;
  readonly rows: number;
}

export const DEFAULT_LIMITS: TableLimits = {
  endpoints: LIMIT_ENDPOINTS,
  addresses: LIMIT_ADDRESSES,
  prefixes: LIMIT_PREFIXES,
  rows: LIMIT_ROWS,
};

export const TABLES = ['endpoints', 'addresses', 'prefixes', 'rows'] as const;

/** How full a table is. */
export interface TableFill {
  readonly table: keyof TableLimits;
  readonly used: number;
  readonly max: number;
}

/** A direction that was open, that the refused tables would isolate, and that was closed instead. */
export interface ClosedDirection {
  readonly endpointId: number;
  readonly direction: 'ingress' | 'egress';
  /** `namespace/name` of the policies that isolate it. */
  readonly policies: readonly string[];
}

const NAMED_MAX = 8;

/**
 * Tables that do not fit beside those in force. The last state stays, except for what needs no room, and that what they
 * newly isolate is closed: a pod that a policy selects is never open for want of memory.
 */
export class TableCapacityError extends CapacityError {
  readonly closed: readonly ClosedDirection[];

  constructor(cause: CapacityError, revision: number, closed: readonly ClosedDirection[]) {
    super(cause.limit, cause.needed, cause.available, `revision ${revision}`);
    this.cause = cause;
    this.closed = closed;
    this.message =
      `revision ${revision} of the tables needs ${cause.needed} of ${cause.limit} beside those in force, ` +
      `where ${cause.available} fit: the last state stays in force${describe(closed)}`;
  }
}

/** @throws CapacityError for the first table that would not hold what both sides of a transition need together. */
export function checkCapacity(needed: TableLimits, limits: TableLimits): void {
  for (const table of TABLES) {
    if (needed[table] <= limits[table]) continue;
    throw new CapacityError(table, needed[table], limits[table], 'the transition');
  }
}

function describe(closed: readonly ClosedDirection[]): string {
  if (closed.length === 0) return '';
  const named = closed.slice(0, NAMED_MAX).map(({ endpointId, direction, policies }) => {
    const by = policies.length === 0 ? '' : ` (${policies.slice(0, NAMED_MAX).join(', ')})`;
    return `${direction} of endpoint ${endpointId}${by}`;
  });
  const rest = closed.length > NAMED_MAX ? ` and ${closed.length - NAMED_MAX} more` : '';
  return `; closed, because it would isolate them: ${named.join('; ')}${rest}`;
}
