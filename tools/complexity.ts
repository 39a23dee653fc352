/**
 * How much work the programs are for the kernel's verifier: the instructions that it processed, over all branches. It gives
 * up at a million; a small change of the source can multiply the figure. It differs between kernels, so figures are recorded
 * by release (`major.minor`), in bpf/complexity.json.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { BpfObject } from '../src/kernel/bpf-object.ts';
import { callLibbpf } from '../src/kernel/libbpf.ts';

/** Processed instructions by program. */
export type Complexity = Readonly<Record<string, number>>;
/** By release, such as `6.12`. */
export type ComplexityRecord = Readonly<Record<string, Complexity>>;

export const RECORD_FILE: string = new URL('../bpf/complexity.json', import.meta.url).pathname;
export const PROGRAMS = ['from_pod', 'to_pod'] as const;

/** Growth over the recorded figure that is taken for what it is: a change to look at. */
export const GROWTH_MAX = 0.1;
/** Half of what the kernel allows: a kernel without figures of its own may need twice what the known ones do. */
export const PROCESSED_MAX = 500_000;

/** Offset in struct bpf_prog_info. */
const INFO_VERIFIED_INSTRUCTIONS = 216;
const INFO_BYTES = 232;

/** Maps of a size that is made quickly; the verifier does not care. */
const SMALL = { maxEntries: 16 };
const LARGE_MAPS = ['slots', 'flows_new', 'flows_live', 'fragments', 'endpoint_usage', 'event_limit'];

/**
 * Loads the object and asks the kernel. Needs root.
 * @throws SysError when the object does not load, Error on kernels before 5.16, which do not tell.
 */
export function measureComplexity(objectFile: string): Complexity {
  const maps = Object.fromEntries(LARGE_MAPS.map((name) => [name, SMALL]));
  using object = BpfObject.load({ source: objectFile, name: 'sluice', maps });
  return Object.fromEntries(PROGRAMS.map((name) => [name, processedInstructions(object.program(name), name)]));
}

function processedInstructions(fd: number, name: string): number {
  const info = new Uint8Array(INFO_BYTES);
  callLibbpf('bpf_obj_get_info_by_fd', `program ${name}`, (lib) => lib.info(fd, info, Uint32Array.of(INFO_BYTES)));
  const processed = new DataView(info.buffer).getUint32(INFO_VERIFIED_INSTRUCTIONS, true);
  if (processed === 0) throw new Error('this kernel does not say what the verifier processed: Linux 5.16 and newer do');
  return processed;
}

/** `6.1` of `6.1.0-56-amd64`. */
export function releaseOf(kernel: string): string {
  return kernel.split('.', 2).join('.');
}

/** One sentence for each figure that is too large; none: all is well. */
export function complexityProblems(record: ComplexityRecord, kernel: string, measured: Complexity): readonly string[] {
  const release = releaseOf(kernel);
  return Object.entries(measured).flatMap(([program, processed]) => {
    const recorded = record[release]?.[program];
    if (processed > PROCESSED_MAX) {
      return [
        `${program}: the verifier of Linux ${release} processed ${processed} instructions; at most ${PROCESSED_MAX} may be`,
      ];
    }
    if (recorded === undefined || processed <= recorded * (1 + GROWTH_MAX)) return [];
    const percent = Math.round((processed / recorded - 1) * 100);
    return [
      `${program}: the verifier of Linux ${release} processed ${processed} instructions, ${percent} % more than the recorded ` +
        `${recorded}. If that is meant: node tools/verifier-complexity.ts --record (other kernels: make test-kernels RECORD=1)`,
    ];
  });
}

export function readRecord(file: string = RECORD_FILE): ComplexityRecord {
  return JSON.parse(readFileSync(file, 'utf8')) as ComplexityRecord;
}

/** Replaces the figures of one kernel's release. */
export function recordComplexity(kernel: string, measured: Complexity, file: string = RECORD_FILE): void {
  const record = { ...readRecord(file), [releaseOf(kernel)]: measured };
  const sorted = Object.fromEntries(
    Object.entries(record).sort(([a], [b]) => a.localeCompare(b, 'en', { numeric: true })),
  );
  writeFileSync(file, `${JSON.stringify(sorted, undefined, 2)}\n`);
}
