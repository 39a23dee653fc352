/** Bounds and defaults of address management. */

/** Ranges of one node, both families together. */
export const RANGES_MAX = 16;

/** Addresses given out of one range: of a larger range the first ones. A node runs some hundred pods; a /64 has 2^64. */
export const RANGE_ADDRESSES_MAX = 65_536;

/** How long a released address rests: other nodes may still take it for the pod that had it. */
export const REST_MS_DEFAULT = 30_000;

/** A record is some 200 bytes; what is longer is not ours. */
export const RECORD_BYTES_MAX = 4096;
