/** A BPF file system of a test's own. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import { makeOwnDirectory } from '../own-directory.ts';

export interface PinRoot extends Disposable {
  readonly path: string;
}

/** Mounts it on a new directory; `path` is an empty directory in it. Disposing unmounts it, which ends every pin. */
export function mountPinRoot(): PinRoot {
  const root = makeOwnDirectory('sluice-pins');
  execFileSync('mount', ['-t', 'bpf', 'bpf', root]);
  const path = join(root, 'test');
  mkdirSync(path);
  return {
    path,
    [Symbol.dispose]: () => {
      execFileSync('umount', [root]);
      rmdirSync(root);
    },
  };
}
