/** Pins: names in a BPF file system that keep maps and links alive when no process holds them. */
import { readdirSync, statfsSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { ConfigError } from '../lib/errors.ts';
import { passFaultPoint } from './fault.ts';

const BPF_MAGIC = 0xcafe4a11;

/** f_type of file systems that are met where a bpffs was expected. */
const FILE_SYSTEMS: ReadonlyMap<number, string> = new Map([
  [BPF_MAGIC, 'bpf'],
  [0x01021994, 'tmpfs'],
  [0x0000ef53, 'ext4'],
  [0x58465342, 'xfs'],
  [0x9123683e, 'btrfs'],
  [0x794c7630, 'overlay'],
  [0x62656572, 'sysfs'],
  [0x00009fa0, 'proc'],
  [0x63677270, 'cgroup2'],
]);

/** @throws Error (ENOENT and the like) when the path cannot be looked at. */
export function isBpffs(path: string): boolean {
  return fileSystemType(path) === BPF_MAGIC;
}

/**
 * Checks that pins can be made under a path.
 * @throws ConfigError naming the path, what is there instead and the cure.
 */
export function requireBpffs(path: string): void {
  let type: number;
  try {
    type = fileSystemType(path);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : String(error);
    throw new ConfigError(`pin root ${path} cannot be used (${code}): mkdir -p ${path} && mount -t bpf bpf ${path}`, {
      cause: error,
    });
  }
  if (type === BPF_MAGIC) return;
  const actual = FILE_SYSTEMS.get(type) ?? `of type 0x${type.toString(16)}`;
  throw new ConfigError(`pin root ${path} is no BPF file system but ${actual}: mount -t bpf bpf ${path}`);
}

/**
 * Full paths of the pins of a directory, sorted; directories are not among them. The root of the file system also holds
 * pins of the kernel's own (maps.debug, progs.debug): keep others in a directory.
 */
export function listPins(directory: string): readonly string[] {
  return readdirSync(directory, { withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(directory, entry.name))
    .sort();
}

/** Removes a pin; what it kept lives on while a process or link holds it. Returns whether it was there. */
export function unlinkPin(path: string): boolean {
  passFaultPoint('unlink', path);
  try {
    unlinkSync(path);
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return false;
    throw error;
  }
}

/** f_type is 32 bits wide, and negative where the C type is signed. */
function fileSystemType(path: string): number {
  return statfsSync(path).type >>> 0;
}
