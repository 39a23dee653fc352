/** Bounds of the netlink client. */

/** Requests and bytes that go out in one send; a longer batch is sent in pieces of this size. */
export const BATCH_REQUESTS_MAX = 64;
export const BATCH_BYTES_MAX = 65_536;

/** A dump is begun anew this often when the table changes under it. */
export const DUMP_ATTEMPTS_MAX = 16;

/** How long one receive waits for the kernel. The kernel answers within the send; this is for a broken one. */
export const RECEIVE_TIMEOUT_S = 10;

/** Signals that may interrupt one call in a row. */
export const INTERRUPTS_MAX = 64;

/** The kernel never makes a larger datagram (a dump's is 32 KiB, a link with many attributes less than 64 KiB). */
export const DATAGRAM_BYTES_MAX = 131_072;

/** Answers that may wait in the socket: room for a full batch's acknowledgements with extended text. */
export const RECEIVE_BUFFER_BYTES = 1_048_576;

/** Notifications that may wait between two reads of a monitor; past it the kernel drops them and says so. */
export const MONITOR_BUFFER_BYTES = 4_194_304;

/** Datagrams that one read of a monitor takes, so that a flood leaves the event loop room. */
export const MONITOR_READ_DATAGRAMS_MAX = 256;
