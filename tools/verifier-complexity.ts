/**
 * Compares what the programs cost this kernel's verifier with bpf/complexity.json (tools/complexity.ts); needs root:
 *
 *     node tools/verifier-complexity.ts [OBJECT]             exit 1 when a figure has grown too much
 *     node tools/verifier-complexity.ts --record [OBJECT]    write the figures of this kernel's release
 */
import { release } from 'node:os';
import { parseArgs } from 'node:util';
import { errorMessage } from '../src/lib/errors.ts';
import { complexityProblems, measureComplexity, readRecord, recordComplexity, releaseOf } from './complexity.ts';

const OBJECT = 'dist/bpf/sluice.bpf.o';
const USAGE = 'usage: node tools/verifier-complexity.ts [--record] [OBJECT]';

/** Exit status: 0 within bounds or recorded, 1 grown too much or not to be measured, 2 wrong arguments. */
function main(args: readonly string[]): number {
  const { values, positionals } = parseArgs({
    args: [...args],
    options: { record: { type: 'boolean', default: false } },
    allowPositionals: true,
  });
  const [object = OBJECT, ...rest] = positionals;
  if (rest.length > 0) {
    console.error(USAGE);
    return 2;
  }
  const measured = measureComplexity(object);
  const record = readRecord();
  for (const [program, processed] of Object.entries(measured)) {
    const recorded = record[releaseOf(release())]?.[program];
    console.log(`${program}: ${processed} instructions processed (recorded: ${recorded ?? 'none for this kernel'})`);
  }
  if (values.record) {
    recordComplexity(release(), measured);
    return 0;
  }
  const problems = complexityProblems(record, release(), measured);
  for (const problem of problems) console.error(problem);
  return problems.length === 0 ? 0 : 1;
}

try {
  process.exitCode = main(process.argv.slice(2));
} catch (error) {
  console.error(`verifier-complexity: ${errorMessage(error)}`);
  process.exitCode = 1;
}
