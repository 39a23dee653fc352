/** A BPF file system of one's own. Only for whoever sets a node up: needs CAP_SYS_ADMIN in the mount namespace. */
import { mkdirSync } from 'node:fs';
import { isBpffs } from './bpffs.ts';
import { libc, native } from './native.ts';

const MS_NOSUID = 0x2;
const MS_NODEV = 0x4;
const MS_NOEXEC = 0x8;
const MNT_DETACH = 0x2;
/** Pins are nobody's business but root's. */
const OPTIONS = 'mode=0700';

const mount = libc.func(
  'int mount(const char *source, const char *target, const char *type, unsigned long flags, const char *data)',
);
const umount2 = libc.func('int umount2(const char *target, int flags)');

/** Makes the folder, and mounts one there unless one is. Returns whether it was mounted now. @throws SysError */
export function mountBpffs(path: string): boolean {
  mkdirSync(path, { recursive: true, mode: 0o700 });
  if (isBpffs(path)) return false;
  native('mount', path, () => mount('bpf', path, 'bpf', MS_NOSUID | MS_NODEV | MS_NOEXEC, OPTIONS) as number);
  return true;
}

/** Takes it out of sight at once, also while it is in use; what is pinned there goes with its last user. @throws SysError */
export function unmountBpffs(path: string): void {
  native('umount2', path, () => umount2(path, MNT_DETACH) as number);
}
