/**
 * Loaded before an agent: lets its native calls fail as the file FAULT_PLAN names says, from the moment it is written.
 * `count`: none fails, their number goes to <file>.count; `throw N`: the N-th is refused; `kill N`: the process ends in
 * its place. Another plan begins to count anew.
 */
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { setFaultHook } from '../../src/kernel/fault.ts';
import { SysError } from '../../src/lib/errors.ts';

const path = process.env['FAULT_PLAN'] ?? '';
let last = '';
let calls = 0;

setFaultHook(({ call, object }) => {
  const plan = read();
  if (plan !== last) calls = 0;
  last = plan;
  if (plan === '') return;
  calls += 1;
  const [how, at] = plan.split(' ');
  if (how === 'count') writeCount();
  else if (calls !== Number(at)) return;
  else if (how === 'kill') process.kill(process.pid, 'SIGKILL');
  else throw new SysError({ call, errno: 12, code: 'ENOMEM', object });
});

/** As a whole: the test may read it while calls that nobody waits for are still made. */
function writeCount(): void {
  writeFileSync(`${path}.count.new`, String(calls));
  renameSync(`${path}.count.new`, `${path}.count`);
}

function read(): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
