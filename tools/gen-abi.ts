/**
 * Writes src/kernel/abi.gen.ts from a compiled object:
 *
 *     node tools/gen-abi.ts OBJECT > src/kernel/abi.gen.ts
 *     node tools/gen-abi.ts --check OBJECT [FILE]    exit 1 when FILE (default src/kernel/abi.gen.ts) is stale
 */
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { format, resolveConfig } from 'prettier';
import { readAbi } from '../src/kernel/bpf-abi.ts';
import { errorMessage } from '../src/lib/errors.ts';
import { abiSource } from './abi-source.ts';

const GENERATED = 'src/kernel/abi.gen.ts';
const USAGE = 'usage: node tools/gen-abi.ts [--check] OBJECT [FILE]';

/** Exit status: 0 done, 1 stale or unusable object, 2 wrong arguments. */
async function main(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...args],
    options: { check: { type: 'boolean', default: false } },
    allowPositionals: true,
  });
  const [object, file = GENERATED, ...rest] = positionals;
  if (object === undefined || rest.length > 0 || (!values.check && positionals.length > 1)) {
    console.error(USAGE);
    return 2;
  }
  const source = await format(abiSource(readAbi(readFileSync(object))), {
    ...(await resolveConfig(GENERATED)),
    parser: 'typescript',
  });
  if (!values.check) {
    process.stdout.write(source);
    return 0;
  }
  const line = firstDifference(source, readFileSync(file, 'utf8'));
  if (line === undefined) return 0;
  console.error(
    `${file}:${line}: is not what ${object} says. bpf/abi.h or a map changed: run \`make gen\` and commit it.`,
  );
  return 1;
}

/** Number of the first line that differs, from 1; undefined when the texts are equal. */
function firstDifference(expected: string, actual: string): number | undefined {
  if (expected === actual) return undefined;
  const lines = actual.split('\n');
  return expected.split('\n').findIndex((line, index) => line !== lines[index]) + 1 || lines.length;
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  console.error(`gen-abi: ${errorMessage(error)}`);
  process.exitCode = 1;
}
