/** A BPF file system of a test's own. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface PinRoot extends Disposable {
  readonly path: string;
}

/** Mounts it on a new directory; `path` is an empty directory in it. Disposing unmounts it, which ends every pin. */
export function mountPinRoot(): PinRoot {
  const root = mkdtempSync(join(tmpdir(), 'sluice-pins-'));
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
