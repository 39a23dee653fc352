/**
 * Loaded before the agent (`--import .../kill-at-program.ts?n=3`): ends the process, as by SIGKILL from outside, when it
 * has just started its n-th program, which goes on.
 */
import { subscribe } from 'node:diagnostics_channel';

const last = Number(new URL(import.meta.url).searchParams.get('n'));
let started = 0;

subscribe('child_process', () => {
  started += 1;
  if (started === last) process.kill(process.pid, 'SIGKILL');
});
