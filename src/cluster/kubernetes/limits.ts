/** Bounds and times of the watch on an API server. Passing a bound is an error that is counted and tried again. */

/** Objects asked for with one page of a list. */
export const PAGE_ITEMS = 500;
/** Of one list; 5 million objects. A server that always has another page is not believed. */
export const LIST_PAGES_MAX = 10_000;
/** One page. An object may have up to 1.5 MB; this bounds a page of unusually large ones. */
export const PAGE_BYTES_MAX = 268_435_456;
/** One event of a watch. */
export const LINE_BYTES_MAX = 8_388_608;
/** The body of an answer that says what went wrong; what is beyond is not read. */
export const STATUS_BYTES_MAX = 65_536;
/** Of the server's words shown in a message. */
export const STATUS_CHARS_MAX = 200;

/** How long the server is asked to keep one watch: spread, so that the nodes of a cluster do not come back together. */
export const WATCH_SECONDS_MIN = 300;
export const WATCH_SECONDS_MAX = 600;
/** A watch without a byte for so long is taken for dead. Bookmarks come about once a minute. */
export const WATCH_IDLE_MS_MAX = 120_000;
/** Any other exchange, credentials included, without progress. */
export const REQUEST_IDLE_MS_MAX = 60_000;
/** Watches in a row that died without a word before the version they started from is no longer trusted. */
export const SILENT_WATCHES_MAX = 2;

/** The first wait after a failure is random up to this, each next one up to twice as long. */
export const BACKOFF_BASE_MS = 500;
export const BACKOFF_MS_MAX = 30_000;
/** While nothing listens, or it hangs up: an attempt costs a packet or two, and the server is to be found soon when it is back. */
export const BACKOFF_AWAY_MS_MAX = 10_000;
/** A longer Retry-After is not followed. */
export const RETRY_AFTER_MS_MAX = 120_000;
/** Between looks for a type that the server does not have. */
export const ABSENT_RETRY_MS = 60_000;
/** Answers that the last known version cannot be served, before the newest list is taken, whatever its version. */
export const NOT_OLDER_ATTEMPTS_MAX = 3;
/** Events remembered to know a second copy of one. */
export const RECENT_EVENTS_MAX = 1_024;

/** From one batch of changes to the next. */
export const BATCH_DELAY_MS = 10;
/** From the first change after a pause to its batch: what comes in one piece goes on as one. */
export const BATCH_FIRST_MS = 1;
/** A resource that cannot be seen for longer is told as a problem. */
export const FAULT_TOLERATED_MS = 30_000;
/** Problems told at a time. */
export const PROBLEMS_MAX = 1_000;

/** Pods asked for by name at one time. */
export const POD_QUERIES_MAX = 16;
/** From the question for one pod to its answer. */
export const POD_QUERY_MS_MAX = 3_000;
/** Pods asked for by name that the watch has not brought yet; beyond, none is asked for. */
export const OVERLAY_PODS_MAX = 1_024;
/** So long the watch has to bring what is known already; between looks for those that are over, OVERLAY_LOOK_MS. */
export const OVERLAY_MS_MAX = 60_000;
export const OVERLAY_LOOK_MS = 10_000;
