/**
 * Runs the containers of deploy/'s DaemonSets as a runtime would, without one: the image's file tree as root, the volumes
 * that the manifest names from a folder that stands for the node, /proc/sys and /sys read-only, the capabilities that it
 * lists, propagation of mounts. Seccomp, AppArmor, cgroups and PIDs of their own are not part of it.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Container, DaemonSet } from './daemon-set.ts';
import { readDockerfile } from './image-root.ts';
import type { Ledger } from './ledger.ts';

const PROPAGATION: Readonly<Record<string, string>> = { Bidirectional: 'rshared', HostToContainer: 'rslave' };
/** As the Dockerfile has it. */
const SEARCH_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
const SERVICE_ACCOUNT = 'service-account';
const DEVICES = ['null', 'zero', 'random', 'urandom'];

export class ContainerTree {
  /** Stands for the node's root folder. */
  readonly host: string;
  readonly #root: string;
  readonly #nodeName: string;
  #service: readonly (readonly [string, string])[] = [];

  /** @param root of `composeImageRoot`; several may share it, one at a time. */
  constructor(ledger: Ledger, root: string, nodeName: string) {
    this.#root = root;
    this.#nodeName = nodeName;
    this.host = ledger.makeDirectory('sluice-node');
    // Private, so that what a container mounts below it stays its own.
    mount(ledger, ['--bind', this.#root], this.#root);
    execFileSync('mount', ['--make-private', this.#root]);
    // Shared, as systemd makes the mounts of a node.
    mount(ledger, ['-t', 'tmpfs', 'tmpfs'], this.host);
    execFileSync('mount', ['--make-shared', this.host]);
  }

  /** Writes the files of a ConfigMap volume. */
  writeConfig(name: string, files: Readonly<Record<string, string>>): void {
    const folder = this.#configFolder(name);
    mkdirSync(folder, { recursive: true });
    for (const [file, text] of Object.entries(files)) writeFileSync(join(folder, file), text);
  }

  /** What the kubelet gives to every pod that has a service account: its token, and where the API server is. */
  giveServiceAccount(account: { readonly ca: string; readonly token: string; readonly port: number }): void {
    const { ca, token, port } = account;
    this.writeConfig(SERVICE_ACCOUNT, { 'ca.crt': ca, token, namespace: 'sluice-system' });
    this.#service = [
      ['KUBERNETES_SERVICE_HOST', '127.0.0.1'],
      ['KUBERNETES_SERVICE_PORT', `${port}`],
    ];
  }

  /**
   * The command that runs the container.
   * @param change.command instead of entry point and arguments.
   * @param change.without a capability that it lists and does not get.
   */
  command(
    set: DaemonSet,
    container: Container,
    change: { readonly command?: readonly string[]; readonly without?: string } = {},
  ): readonly string[] {
    const variables = environment(container, this.#nodeName);
    const args = container.args.map((argument) => expand(argument, variables));
    const run = change.command ?? [...readDockerfile().entryPoint, ...args];
    const script = [
      ...this.#basics(),
      ...this.#volumes(set, container),
      ...this.#serviceAccount(),
      ...this.#seal(container),
    ];
    const caps = capabilities(container, change.without);
    const given = [['PATH', SEARCH_PATH], ...this.#service, ...variables];
    const env = given.map(([name, value]) => `${name}=${value}`);
    const inside = ['chroot', this.#root, '/usr/bin/env', '-i', ...env, '/usr/bin/setpriv', ...caps, ...run];
    return [
      'unshare',
      '--mount',
      '--propagation',
      'unchanged',
      'sh',
      '-ec',
      `${script.join('\n')}\nexec "$@"`,
      'sh',
      ...inside,
    ];
  }

  #basics(): readonly string[] {
    const root = this.#root;
    return [
      `mount -t proc proc ${root}/proc`,
      `mount --bind ${root}/proc/sys ${root}/proc/sys`,
      `mount --rbind /sys ${root}/sys`,
      `mount --make-rslave ${root}/sys`,
      `mount -t tmpfs tmpfs ${root}/dev`,
      ...DEVICES.flatMap((name) => [`: > ${root}/dev/${name}`, `mount --bind /dev/${name} ${root}/dev/${name}`]),
    ];
  }

  #serviceAccount(): readonly string[] {
    if (this.#service.length === 0) return [];
    const target = `${this.#root}/run/secrets/kubernetes.io/serviceaccount`;
    return [`mkdir -p ${target}`, `mount --bind ${this.#configFolder(SERVICE_ACCOUNT)} ${target}`];
  }

  #volumes(set: DaemonSet, { volumeMounts }: Container): readonly string[] {
    return volumeMounts.flatMap(({ name, mountPath, mountPropagation = '' }) => {
      const volume = set.spec.template.spec.volumes.find((entry) => entry.name === name);
      const path = volume?.hostPath?.path;
      const source = path === undefined ? this.#configFolder(name) : this.#hostPath(path, volume?.hostPath?.type);
      const target = this.#root + mountPath;
      const make = volume?.hostPath?.type === 'FileOrCreate' ? `: >> ${target}` : `mkdir -p ${target}`;
      return [
        make,
        `mount --rbind ${source} ${target}`,
        `mount --make-${PROPAGATION[mountPropagation] ?? 'rprivate'} ${target}`,
      ];
    });
  }

  /** Last, because mount points are made in the root before. */
  #seal({ securityContext }: Container): readonly string[] {
    const root = this.#root;
    const readOnly = (path: string): string => `mount -o remount,bind,ro ${path}`;
    const system = securityContext.privileged === true ? [] : [readOnly(`${root}/proc/sys`), readOnly(`${root}/sys`)];
    return securityContext.readOnlyRootFilesystem === true ? [...system, readOnly(root)] : system;
  }

  #hostPath(path: string, type = ''): string {
    // Kernel settings are those of the namespace that asks; everything else is the folder's.
    if (path.startsWith('/proc/')) return path;
    const source = this.host + path;
    if (type === 'FileOrCreate') {
      mkdirSync(join(source, '..'), { recursive: true });
      writeFileSync(source, '', { flag: 'a' });
    } else mkdirSync(source, { recursive: true });
    return source;
  }

  #configFolder(name: string): string {
    return join(this.host, 'config', name);
  }
}

/** The variables that its manifest gives it. */
function environment({ env = [] }: Container, nodeName: string): ReadonlyMap<string, string> {
  return new Map(
    env.map(({ name, valueFrom: { fieldRef } }) => [
      name,
      fieldRef.fieldPath === 'spec.nodeName' ? nodeName : fieldRef.fieldPath.replace(/.*\./, 'some-'),
    ]),
  );
}

/** `$(NAME)`, as the kubelet does. */
function expand(argument: string, variables: ReadonlyMap<string, string>): string {
  return argument.replaceAll(/\$\(([A-Z_]+)\)/g, (_, name: string) => {
    const value = variables.get(name);
    if (value === undefined) throw new Error(`${argument}: ${name} is no variable of the container`);
    return value;
  });
}

function capabilities({ securityContext }: Container, without: string | undefined): readonly string[] {
  if (securityContext.privileged === true) return [];
  const names = (securityContext.capabilities?.add ?? []).filter((name) => name !== without);
  const set = ['-all', ...names.map((name) => `+${name.toLowerCase()}`)].join();
  return ['--bounding-set', set, '--inh-caps', '-all'];
}

function mount(ledger: Ledger, options: readonly string[], target: string): void {
  execFileSync('mount', [...options, target]);
  ledger.add(`mount on ${target}`, () => {
    execFileSync('umount', ['--recursive', '--lazy', target]);
  });
}
