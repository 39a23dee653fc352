/** The C programs of the benchmarks, compiled into dist/bench when their source is newer. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

const FOLDER = join(import.meta.dirname, '../../dist/bench');
const FLAGS = ['-std=gnu11', '-O2', '-Wall', '-Wextra', '-Werror', '-pthread'];
/** Started for every sample: linked statically, as the launcher is. */
const STATIC_TOOLS: ReadonlySet<string> = new Set(['time-exec']);

export type ToolName = 'load' | 'time-exec' | 'run-frames';

/** Path of the executable. @throws Error with the compiler's messages. */
export function compiledTool(name: ToolName): string {
  const source = join(import.meta.dirname, `${name}.c`);
  const output = join(FOLDER, name);
  if (isNewer(output, source)) return output;
  mkdirSync(FOLDER, { recursive: true });
  const flags = STATIC_TOOLS.has(name) ? [...FLAGS, '-static'] : FLAGS;
  execFileSync('cc', [...flags, '-o', output, source], { stdio: ['ignore', 'inherit', 'inherit'] });
  return output;
}

function isNewer(output: string, source: string): boolean {
  const made = statSync(output, { throwIfNoEntry: false });
  return made !== undefined && made.mtimeMs > statSync(source).mtimeMs;
}
