/**
 * Preloaded into an agent (`node --import`): ends the process at one of its native calls, as a kill from outside would.
 * SLUICE_TEST_KILL: `<n> <call> <pattern>`: at the n-th call of that name whose object matches the pattern.
 */
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

interface FaultPoint {
  readonly call: string;
  readonly object: string;
}

interface FaultModule {
  readonly setFaultHook: (hook: (point: FaultPoint) => void) => void;
}

const [, nth = '', call = '', pattern = ''] = /^(\d+) (\S+) (.*)$/.exec(process.env['SLUICE_TEST_KILL'] ?? '') ?? [];
// Of the tree that runs, which need not be the one that this file is in.
const { setFaultHook } = (await import(pathToFileURL(join(process.cwd(), 'src/kernel/fault.ts')).href)) as FaultModule;
let left = Number(nth);
setFaultHook((point) => {
  if (point.call !== call || !new RegExp(pattern).test(point.object)) return;
  left -= 1;
  if (left === 0) process.kill(process.pid, 'SIGKILL');
});
