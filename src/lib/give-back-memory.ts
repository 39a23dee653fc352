import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/**
 * Collects this thread's garbage and returns the memory to the system. The engine does so only when it needs some, which
 * after the first list of a large cluster may be never. Takes some tenths of a second: not for a thread that
 * others wait for, but at the end of its start.
 */
export function giveBackMemory(): void {
  setFlagsFromString('--expose-gc');
  const collect: unknown = runInNewContext('globalThis.gc');
  // Like the last try before the engine gives up: it moves what is left together and shrinks what is young.
  if (typeof collect === 'function') collect({ type: 'major', execution: 'sync', flavor: 'last-resort' });
}
