/**
 * Runs in the guest: node main.ts REPORT. Says what the kernel is, then imports the test files one after another and runs
 * them. Exit status: 0 all passed, 1 some failed, anything else: this program itself failed.
 */
import { openSync, writeSync } from 'node:fs';
import { release } from 'node:os';
import { hasTcx } from '../../../src/kernel/bpf-link.ts';
import { measureComplexity } from '../../../tools/complexity.ts';
import { OBJECT } from '../../support/loaded-programs.ts';
import type { Report } from './report.ts';
import { TEST_FILES } from './test-files.ts';
import { runTests } from './vitest.ts';

const fd = openSync(process.argv[2] ?? '/dev/stdout', 'w');

function report(line: Report): void {
  writeSync(fd, `${JSON.stringify(line)}\n`);
}

report({
  kind: 'start',
  kernel: release(),
  attach: hasTcx() ? 'tcx' : 'clsact',
  complexity: measureComplexity(OBJECT),
});
let failed = 0;
for (const file of TEST_FILES) {
  const started = performance.now();
  await import(new URL(`../../../${file}`, import.meta.url).href);
  let count = 0;
  for await (const { path, error } of runTests()) {
    count += 1;
    if (error !== undefined) {
      failed += 1;
      console.error(`FAILED ${file}: ${path.join(' > ')}\n${error.stack}`);
    }
    report({ kind: 'test', file, path, ...(error === undefined ? {} : { error: error.message }) });
  }
  console.log(`${file}: ${count} tests, ${Math.round(performance.now() - started)} ms`);
}
process.exitCode = failed === 0 ? 0 : 1;
