/** Every limit of the agent's CNI side. The launcher's are in launcher/limits.h and must stay below these. */

/** Environment and configuration of one request, in bytes: the launcher sends at most 64 KiB + 1 + 1 MiB. */
export const CNI_BODY_BYTES_MAX: number = 64 * 1024 + 1 + 1024 * 1024;

/** As launcher/limits.h: with the interface name it makes one file name of the journal. */
export const CONTAINER_ID_BYTES_MAX = 200;

/** IFNAMSIZ without the NUL. */
export const INTERFACE_NAME_BYTES_MAX = 15;

/** Requests carried out at one time: an ADD that waits for its pod to be known must not keep a DEL of another waiting. */
export const CNI_RUNNING_MAX = 256;

/** Requests that wait for their turn; beyond, callers are told to try again. */
export const CNI_WAITING_MAX = 1024;

/** Requests of one (container, interface) that wait: a runtime runs them one after the other (CNI-25). */
export const CNI_WAITING_PER_ATTACHMENT_MAX = 8;

/** Entries one replay of the DEL journal reads; the launcher stops adding at the same number. */
export const JOURNAL_ENTRIES_MAX = 16_384;

/** A file that a launcher writes is renamed at once; one older than this was left by a launcher that died. */
export const JOURNAL_TEMPORARY_AGE_MS = 3_600_000;

/** Bytes of a foreign value that an error message quotes. */
export const QUOTED_BYTES_MAX = 120;

/** Attachments that a GC may list: a node runs some hundred pods. */
export const VALID_ATTACHMENTS_MAX = 16_384;

/** Failures that the error of a GC names. */
export const GC_FAILURES_TOLD_MAX = 8;
