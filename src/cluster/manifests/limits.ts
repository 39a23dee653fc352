/** Bounds and times of a folder of manifests. Passing a bound is reported and leaves what is in force alone. */

export const FILES_MAX = 10_000;
export const FOLDERS_MAX = 1_000;
/** Folders inside folders; also ends symbolic links that run in circles. */
export const DEPTH_MAX = 16;
/** All files together. */
export const TOTAL_BYTES_MAX = 268_435_456;
/** YAML is read at some 1.5 MB a second, and nothing else happens meanwhile. */
export const YAML_BYTES_MAX = 4_194_304;
export const JSON_BYTES_MAX = 67_108_864;
/** JSON files up to here are read like YAML: places in messages, keys given twice are noticed. */
export const JSON_BYTES_PLACED_MAX = 262_144;
/** Nodes that aliases of one document may stand for. */
export const ALIASES_MAX = 100;
/** Lists inside lists. */
export const LIST_DEPTH_MAX = 8;
/** Syntax errors told of one file: those after the first are mostly its consequences. */
export const SYNTAX_PROBLEMS_MAX = 5;
/** Problems told at a time. */
export const PROBLEMS_MAX = 1_000;
/** Pods that a dry run makes of one workload: all of them are alike. */
export const WORKLOAD_PODS_MAX = 32;
/** Of a line shown in a message. */
export const EXCERPT_CHARS_MAX = 120;

/** From an event of the folder to the look at it. */
export const EVENT_DELAY_MS = 20;
/** How long the folder must have stayed the same before it counts: a file may be written or renamed just now. */
export const SETTLE_MS = 100;
/** A folder that never rests is taken as it is after this. */
export const SETTLE_MS_MAX = 5_000;
/** Looks without an event: events can get lost, and some file systems send none. */
export const RESCAN_INTERVAL_MS = 10_000;
