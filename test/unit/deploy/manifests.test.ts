/** What `kubectl apply -k` would send: valid, whole, and no more rights than what is used. */
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse, stringify } from 'yaml';
import { settleSettings } from '../../../src/agent/settings/settle.ts';
import { readAccess } from '../../../src/cluster/kubernetes/access.ts';
import { type KubernetesObject, problemsOf } from '../../support/kubernetes-objects.ts';
import { kustomize } from '../../support/kustomize.ts';
import { tempFolder } from '../lib/temp-folder.ts';
import { type Container, type DaemonSet, daemonSetOf } from '../../support/daemon-set.ts';

const DEPLOY = join(import.meta.dirname, '../../../deploy');
const MAIN = join(DEPLOY, '../src/main.ts');
const KUSTOMIZATIONS = ['base', 'kind', 'uninstall'];

interface PolicyRule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
}

function rulesOf(kind: string): readonly string[] {
  const role = kustomize(join(DEPLOY, 'base')).find((object) => object.kind === kind) as
    (KubernetesObject & { readonly rules: readonly PolicyRule[] }) | undefined;
  return (role?.rules ?? [])
    .flatMap(({ apiGroups, resources, verbs }) =>
      apiGroups.flatMap((group) => resources.flatMap((name) => verbs.map((verb) => `${verb} ${group}/${name}`))),
    )
    .toSorted();
}

describe.each(KUSTOMIZATIONS)('deploy/%s', (name) => {
  const objects = kustomize(join(DEPLOY, name));

  test('holds objects that the API server takes, without fields that it does not know', () => {
    const problems = objects.flatMap((object) => problemsOf(object).map((problem) => `${object.kind}: ${problem}`));
    expect(problems).toEqual([]);
  });

  test('names every object once, each in a namespace that it brings along', () => {
    const names = objects.map(({ kind, metadata }) => `${kind} ${metadata.namespace ?? ''}/${metadata.name}`);
    expect(new Set(names).size).toBe(names.length);
    const namespaces = objects.filter(({ kind }) => kind === 'Namespace').map(({ metadata }) => metadata.name);
    for (const { metadata } of objects)
      if (metadata.namespace !== undefined) expect(namespaces).toContain(metadata.namespace);
  });

  test('selects the pods that it makes, and gives its containers only volumes that there are', () => {
    const { spec } = daemonSetOf(objects);
    expect(spec.template.metadata.labels).toMatchObject(spec.selector.matchLabels);
    const volumes = spec.template.spec.volumes.map((volume) => volume.name);
    const containers = [...spec.template.spec.initContainers, ...spec.template.spec.containers];
    const mounted = containers.flatMap(({ volumeMounts }) => volumeMounts.map((mount) => mount.name));
    expect([...new Set(mounted)].toSorted()).toEqual(volumes.toSorted());
  });
});

test('every file of deploy/ is part of a kustomization or for kind', () => {
  const files = readdirSync(DEPLOY, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.yaml'));
  const used = KUSTOMIZATIONS.flatMap((name) => {
    const { resources, patches = [] } = parse(readFileSync(join(DEPLOY, name, 'kustomization.yaml'), 'utf8')) as {
      resources: string[];
      patches?: { path: string }[];
    };
    return [
      `${name}/kustomization.yaml`,
      ...[...resources, ...patches.map(({ path }) => path)].map((file) => join(name, file)),
    ];
  });
  expect(files.filter((file) => !used.includes(file) && !/^kind\/kind-cluster.*\.yaml$/.test(file))).toEqual([]);
});

describe('rights', () => {
  test('an agent may read what its source asks for, write events, and nothing else of the cluster', () => {
    const read = readAccess().flatMap(({ apiGroup, resource, verbs }) =>
      verbs.map((verb) => `${verb} ${apiGroup}/${resource}`),
    );
    const used = [...read, 'create /events'];
    expect(rulesOf('ClusterRole')).toEqual(used.toSorted());
  });

  test('it changes pods of its own namespace only', () => {
    expect(rulesOf('Role')).toEqual(['patch /pods']);
  });

  test('what removes Sluice from nodes asks nothing of the API server', () => {
    const objects = kustomize(join(DEPLOY, 'uninstall'));
    expect(objects.map(({ kind }) => kind).toSorted()).toEqual(['DaemonSet', 'Namespace']);
    expect(daemonSetOf(objects).spec.template.spec.automountServiceAccountToken).toBe(false);
  });
});

function settingsOf(name: string): Readonly<Record<string, unknown>> {
  const config = kustomize(join(DEPLOY, name)).find(({ kind }) => kind === 'ConfigMap') as KubernetesObject & {
    readonly data: Readonly<Record<string, string>>;
  };
  return parse(config.data['config.yaml'] ?? '') as Readonly<Record<string, unknown>>;
}

test('the settings for kind are those of the base, and the ranges of its Services', () => {
  const { serviceCIDRs, ...others } = settingsOf('kind');
  expect(others).toEqual(settingsOf('base'));
  expect(serviceCIDRs).toEqual(['10.96.0.0/16', 'fd00:10:96::/112']);
});

test.each(['base', 'kind'])('the settings of deploy/%s are ones that the agent takes', async (name) => {
  const file = join(tempFolder(), 'config.yaml');
  writeFileSync(file, stringify(settingsOf(name)));
  const { settings } = await settleSettings({
    options: {},
    environment: { NODE_NAME: 'node-a' },
    file,
    workingDirectory: '/',
    installation: { object: '/object' },
  });
  expect(settings).toMatchObject({ node: 'node-a', bpfRoot: '/run/sluice/bpf', healthAddress: { port: 9971 } });
});

describe('the agents’ DaemonSet', () => {
  const { spec } = daemonSetOf(kustomize(join(DEPLOY, 'kind')));
  const pod = spec.template.spec;
  const agent = pod.containers[0]!;
  const install = pod.initContainers.find(({ name }) => name === 'install-launcher')!;
  const mountBpf = pod.initContainers.find(({ name }) => name === 'mount-bpf')!;
  const mountOf = ({ volumeMounts }: Container, name: string): unknown =>
    volumeMounts.find((mount) => mount.name === name)?.mountPropagation;

  test('CNI-85: runs on nodes that are not ready, on the node’s network, before everything that can wait', () => {
    expect(pod).toMatchObject({ hostNetwork: true, hostPID: true, priorityClassName: 'system-node-critical' });
    expect(pod.tolerations).toEqual([{ operator: 'Exists' }]);
  });

  test('only the container that mounts is privileged, and only it hands mounts on', () => {
    const privileged = [...pod.initContainers, agent].filter(
      ({ securityContext }) => securityContext.privileged === true,
    );
    expect(privileged).toEqual([mountBpf]);
    expect(mountOf(mountBpf, 'run')).toBe('Bidirectional');
    expect(mountOf(agent, 'run')).toBe('HostToContainer');
    for (const { securityContext } of [install, agent]) expect(securityContext.capabilities?.drop).toEqual(['ALL']);
    for (const { securityContext } of [...pod.initContainers, agent]) {
      expect(securityContext.readOnlyRootFilesystem).toBe(true);
    }
  });

  test.each(['base', 'kind'])('settings of deploy/%s, mounts and arguments speak of the same paths', (name) => {
    const settings = settingsOf(name);
    const paths = new Map(agent.volumeMounts.map(({ name, mountPath }) => [name, mountPath]));
    expect(agent.args.slice(0, 3)).toEqual(['agent', '--config', `${paths.get('config')}/config.yaml`]);
    expect(settings['healthAddress']).toBe(`:${agent.ports?.find(({ name }) => name === 'health')?.containerPort}`);
    expect(settings['cniConf']).toBe(paths.get('cni-conf'));
    expect(paths.get('proc-sys-net')).toBe(`${String(settings['procSys'])}/net`);
    expect(mountBpf.args).toEqual(['install', '--mount-bpf', settings['bpfRoot']]);
    expect(settings['bpfRoot']).toBe(`${paths.get('run')}/bpf`);
    expect(install.args.at(-1)).toBe(install.volumeMounts[0]?.mountPath);
    const uninstall = daemonSetOf(kustomize(join(DEPLOY, 'uninstall'))).spec.template.spec;
    for (const { args } of [...uninstall.initContainers, ...uninstall.containers]) {
      expect(args.slice(0, 3)).toEqual(['uninstall', '--bpf-root', settings['bpfRoot']]);
    }
  });

  test('one agent of a node goes before the next comes: they keep each other out', () => {
    expect(spec.updateStrategy?.rollingUpdate).toEqual({ maxSurge: 0, maxUnavailable: 1 });
  });

  test('no limit of memory refuses pods their flows', () => {
    for (const { resources } of [...pod.initContainers, ...pod.containers]) {
      expect(Object.keys(resources)).toEqual(['requests']);
    }
  });

  test('the image is the one that `make image` makes', () => {
    const makefile = readFileSync(join(DEPLOY, '../Makefile'), 'utf8');
    const image = /^IMAGE \?= (.*)$/m.exec(makefile)?.[1];
    const containers = (set: DaemonSet): readonly Container[] => [
      ...set.spec.template.spec.initContainers,
      ...set.spec.template.spec.containers,
    ];
    const sets = ['kind', 'uninstall'].map((name) => daemonSetOf(kustomize(join(DEPLOY, name))));
    for (const container of sets.flatMap(containers)) expect(container.image).toBe(image);
  });

  test('arguments are those of the command line', () => {
    for (const args of [mountBpf.args, install.args]) {
      expect(execFileSync(process.execPath, [MAIN, args[0]!, '--help'], { encoding: 'utf8' })).toContain(args[1]!);
    }
  });
});

test.each(['kind-cluster.yaml', 'kind-cluster-dual-stack.yaml'])('kind/%s leaves the network to Sluice', (file) => {
  const cluster = parse(readFileSync(join(DEPLOY, 'kind', file), 'utf8')) as {
    readonly networking: object;
    readonly nodes: readonly object[];
  };
  expect(cluster.networking).toMatchObject({ disableDefaultCNI: true });
  expect(cluster.nodes.length).toBeGreaterThan(1);
});
