/** Bounds of the node routing. */

/** Nodes that get routes; further ones (by name) get none, and a problem says so. */
export const NODES_MAX = 5_000;

/** Prefixes in `nonMasqueradeCidrs`. */
export const NON_MASQUERADE_CIDRS_MAX = 64;

/** Rules of one chain that a packet may have to pass one by one; longer lists become a tree of chains. */
export const CHAIN_RULES_MAX = 16;

/** How long what somebody removed from iptables stays removed, at most; the kernel tells of everything else at once. */
export const CHECK_INTERVAL_MS = 30_000;

/** Shortest time between two comparisons with the kernel, however much happens. */
export const COMPARE_GAP_MS = 100;

/** After a failure: the first pause, doubled up to CHECK_INTERVAL_MS. */
export const RETRY_MS = 500;

/** Failures to read the kernel's notifications, one after the other, until that is given up. */
export const FAILED_READS_MAX = 8;

export const COMMAND_TIMEOUT_MS = 10_000;
/** iptables of both flavours wait this long for their lock. */
export const LOCK_WAIT_SECONDS = 5;
/** What a command may print: the rules of a node with some 100,000 of them. */
export const COMMAND_OUTPUT_BYTES_MAX = 67_108_864;

/** Least that IPv6 asks of a link (RFC 8200 section 5). */
export const IPV6_MTU_MIN = 1280;
