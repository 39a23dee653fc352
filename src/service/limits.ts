/** Bounds of reading one object. */

/** Of the API (SVC-2): what is longer was never stored by an API server. */
export const SLICE_ENDPOINTS_MAX = 1000;
export const SLICE_PORTS_MAX = 100;
/** Ports of a Service. An object of the largest size that an API server stores has fewer. */
export const SERVICE_PORTS_MAX = 10_000;
/** Items of any other list of one object. */
export const LIST_ITEMS_MAX = 100;
/** Problems listed for one object. */
export const PROBLEMS_MAX = 100;
/** Characters of a wrong value that a message repeats. */
export const SHOWN_CHARACTERS_MAX = 80;

/** Bounds of what is resolved. Past them nothing is truncated: the frontend is closed, or the whole is not applied. */

/** Backends of one frontend; one with more drops what is sent to it. */
export const FRONTEND_BACKENDS_MAX = 16_384;
/** Of the kernel's tables. */
export const FRONTENDS_MAX = 65_536;
export const BACKENDS_MAX = 262_144;
export const SLOTS_MAX = 4_194_304;
