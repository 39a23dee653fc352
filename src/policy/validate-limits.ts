/** Bounds of reading one object. The API server stores at most 1.5 MiB an object; these lie above what fits in there. */

/** Items of one list, entries of one map. */
export const LIST_ITEMS_MAX = 50_000;
/** Items and entries of all lists and maps of one object together. */
export const OBJECT_ITEMS_MAX = 250_000;
/** Problems listed for one object. */
export const PROBLEMS_MAX = 100;
/** Characters of a wrong value that a message repeats. */
export const SHOWN_CHARACTERS_MAX = 80;
