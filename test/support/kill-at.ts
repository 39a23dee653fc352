/**
 * Loaded before the agent (`--import .../kill-at.ts?n=17`): ends the process, as by SIGKILL from outside, at its n-th
 * native call.
 */
import { setFaultHook } from '../../src/kernel/fault.ts';

const last = Number(new URL(import.meta.url).searchParams.get('n'));

setFaultHook(({ number }) => {
  if (number === last) process.kill(process.pid, 'SIGKILL');
});
