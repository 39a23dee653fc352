/** `sluice install`: what a node needs before its agent can run. An init container does it; the agent does the rest. */
import { resolve } from 'node:path';
import { readConflistTemplate } from '../agent/install/conflist.ts';
import { putLauncher } from '../agent/install/launcher.ts';
import { mountBpffs } from '../kernel/bpffs-mount.ts';
import { ConfigError } from '../lib/errors.ts';

const LAUNCHER = new URL('../../dist/sluice-cni', import.meta.url).pathname;

export interface InstallOptions {
  readonly cniBin?: string;
  readonly mountBpf?: string;
}

export async function runInstall({ cniBin, mountBpf }: InstallOptions): Promise<void> {
  if (cniBin === undefined && mountBpf === undefined) {
    throw new ConfigError('nothing to install: use --mount-bpf DIR, --cni-bin DIR or both');
  }
  if (mountBpf !== undefined) {
    const path = resolve(mountBpf);
    const wasMounted = !mountBpffs(path);
    console.log(`BPF file system ${path}: ${wasMounted ? 'is there' : 'mounted'}`);
  }
  if (cniBin !== undefined) {
    const path = resolve(cniBin);
    const { cniVersion } = JSON.parse(readConflistTemplate()) as { cniVersion: string };
    const isNew = await putLauncher(LAUNCHER, path, cniVersion);
    console.log(`launcher in ${path}: ${isNew ? 'installed' : 'is there'}`);
  }
}
