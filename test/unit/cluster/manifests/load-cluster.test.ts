/** Manifests for a dry run: workloads stand for their pods, what nobody wrote down is there, nothing is lost. */
import { writeFileSync } from 'node:fs';
import { basename, join, relative } from 'node:path';
import { describe, expect, test } from 'vitest';
import { tempFolder } from '../../lib/temp-folder.ts';
import { type LoadedCluster, loadCluster, type LoadOptions } from '../../../../src/cluster/manifests/load-cluster.ts';
import { SYNTHETIC_CIDR } from '../../../../src/cluster/manifests/synthetic-addresses.ts';
import { parseCidr } from '../../../../src/net/cidr.ts';
import type { Pod } from '../../../../src/policy/model.ts';

function load(text: string, options?: LoadOptions): Promise<LoadedCluster> {
  return loadCluster([], [{ name: 'in.yaml', text }], options);
}

function podsOf({ changes }: LoadedCluster): readonly Pod[] {
  return changes.flatMap((change) => (change.kind === 'Pod' && change.op === 'set' ? [change.object] : []));
}

function workload(kind: string, apiVersion: string, spec: string): string {
  return `
apiVersion: ${apiVersion}
kind: ${kind}
metadata: { name: web, namespace: shop }
spec:
${spec}
`;
}

const TEMPLATE = `  template:
    metadata: { labels: { app: web } }
    spec: { containers: [{ ports: [{ name: http, containerPort: 8080 }] }] }`;

describe('workloads', () => {
  test.each([
    ['Deployment', 'apps/v1', '  replicas: 2', ['web-1', 'web-2']],
    ['ReplicaSet', 'apps/v1', '', ['web-1']],
    ['ReplicationController', 'v1', '  replicas: 2', ['web-1', 'web-2']],
    ['StatefulSet', 'apps/v1', '  replicas: 2', ['web-0', 'web-1']],
    ['DaemonSet', 'apps/v1', '', ['web-1']],
    ['Job', 'batch/v1', '  parallelism: 3\n  completions: 2', ['web-1', 'web-2']],
  ])('%s', async (kind, apiVersion, counts, names) => {
    const cluster = await load(workload(kind, apiVersion, `${counts}\n${TEMPLATE}`));
    expect(cluster.problems).toEqual([]);
    const pods = podsOf(cluster);
    expect(pods.map(({ name }) => name)).toEqual(names);
    for (const pod of pods) {
      expect(pod.labels).toMatchObject({ app: 'web' });
      expect(pod.namedPorts).toEqual([{ name: 'http', protocol: 'TCP', containerPort: 8080 }]);
    }
    expect(cluster.workloads.get(`${kind} shop/web`)?.pods).toEqual(names.map((name) => `shop/${name}`));
  });

  test('CronJob', async () => {
    const nested = TEMPLATE.replaceAll(/^/gm, '    ');
    const cluster = await load(workload('CronJob', 'batch/v1', `  jobTemplate:\n    spec:\n${nested}`));
    expect(podsOf(cluster).map(({ name }) => name)).toEqual(['web-1']);
  });

  test('a StatefulSet’s pods have the labels of their controller', async () => {
    const [pod] = podsOf(await load(workload('StatefulSet', 'apps/v1', TEMPLATE)));
    expect(pod?.labels).toMatchObject({
      'statefulset.kubernetes.io/pod-name': 'web-0',
      'apps.kubernetes.io/pod-index': '0',
    });
  });

  test('a DaemonSet has a pod on every node', async () => {
    const node = (name: string): string => `---\napiVersion: v1\nkind: Node\nmetadata: { name: ${name} }\n`;
    const cluster = await load(workload('DaemonSet', 'apps/v1', TEMPLATE) + node('b') + node('a'));
    expect(podsOf(cluster).map(({ name, nodeName }) => [name, nodeName])).toEqual([
      ['web-1', 'a'],
      ['web-2', 'b'],
    ]);
  });

  test('more pods than WORKLOAD_PODS_MAX are stood for, and it is said', async () => {
    const cluster = await load(workload('Deployment', 'apps/v1', `  replicas: 1000000000\n${TEMPLATE}`));
    expect(podsOf(cluster)).toHaveLength(32);
    expect(cluster.notes).toEqual(['Deployment shop/web stands for 32 of its 1000000000 pods (WORKLOAD_PODS_MAX)']);
  });

  test('a workload without pods is said to have none', async () => {
    const cluster = await load(workload('Deployment', 'apps/v1', `  replicas: 0\n${TEMPLATE}`));
    expect(podsOf(cluster)).toEqual([]);
    expect(cluster.notes).toEqual(['Deployment shop/web has 0 pods']);
  });

  test('where the pods themselves were given, they are the workload’s', async () => {
    const owner = (kind: string, name: string): string =>
      `ownerReferences: [{ kind: ${kind}, name: ${name}, controller: true }]`;
    const text = `${workload('Deployment', 'apps/v1', TEMPLATE)}---
apiVersion: apps/v1
kind: ReplicaSet
metadata: { name: web-7f, namespace: shop, ${owner('Deployment', 'web')} }
spec:
${TEMPLATE}
---
apiVersion: v1
kind: Pod
metadata: { name: web-7f-x, namespace: shop, labels: { app: web }, ${owner('ReplicaSet', 'web-7f')} }
`;
    const cluster = await load(text);
    expect(podsOf(cluster).map(({ name }) => name)).toEqual(['web-7f-x']);
    expect(cluster.workloads.get('Deployment shop/web')?.pods).toEqual(['shop/web-7f-x']);
  });

  test('what is wrong in a template is told once, with its place there', async () => {
    const broken = TEMPLATE.replace('containerPort: 8080', 'containerPort: 80800');
    const { problems } = await load(workload('Deployment', 'apps/v1', `  replicas: 3\n${broken}`));
    expect(problems).toMatchObject([
      {
        severity: 'error',
        object: { kind: 'Deployment', name: 'web' },
        path: 'spec.template.spec.containers[0].ports[0].containerPort',
        place: { line: 9 },
      },
    ]);
  });

  test.each([
    ['no template', '  replicas: 1', 'spec.template'],
    ['a number of pods that is none', `  replicas: many\n${TEMPLATE}`, 'spec.replicas'],
    ['a negative number of pods', `  replicas: -1\n${TEMPLATE}`, 'spec.replicas'],
  ])('%s is an error', async (_, spec, path) => {
    const { problems } = await load(workload('Deployment', 'apps/v1', spec));
    expect(problems).toMatchObject([{ severity: 'error', path }]);
  });

  test('two workloads of one name keep all their pods', async () => {
    const both = `${workload('Deployment', 'apps/v1', `  replicas: 1\n${TEMPLATE}`)}---${workload('Job', 'batch/v1', TEMPLATE)}`;
    const cluster = await load(both);
    expect(cluster.problems).toEqual([]);
    expect(podsOf(cluster).map(({ name }) => name)).toEqual(['web-1', 'web-job-1']);
  });
});

describe('what nobody wrote down', () => {
  const POD = 'apiVersion: v1\nkind: Pod\nmetadata: { name: a, namespace: shop }\n';

  test('NP-25: the namespaces of pods and policies', async () => {
    const { changes } = await load(POD);
    expect(changes).toContainEqual({
      kind: 'Namespace',
      op: 'set',
      object: { name: 'shop', labels: Object.assign(Object.create(null), { 'kubernetes.io/metadata.name': 'shop' }) },
    });
  });

  test('addresses, the same every time, and marked', async () => {
    const [one, two] = [await load(POD), await load(POD)];
    expect(podsOf(one)[0]?.podIPs).toEqual(['10.244.0.1']);
    expect(podsOf(two)).toEqual(podsOf(one));
    expect([...one.madeUp]).toEqual([['shop/a', ['10.244.0.1']]]);
    expect(SYNTHETIC_CIDR).toBe('10.244.0.0/16');
  });

  test('no address that is somebody’s or that a policy names', async () => {
    const taken = 'apiVersion: v1\nkind: Pod\nmetadata: { name: b }\nstatus: { podIP: 10.244.0.1 }\n';
    const policy = `apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: p }
spec: { podSelector: {}, ingress: [{ from: [{ ipBlock: { cidr: 10.244.0.0/29 } }] }] }
`;
    const cluster = await load([POD, taken, policy].join('---\n'));
    expect(podsOf(cluster).find(({ name }) => name === 'a')?.podIPs).toEqual(['10.244.0.8']);
  });

  test('from the podCIDR of the pod’s node, or from where it was asked for', async () => {
    const node = 'apiVersion: v1\nkind: Node\nmetadata: { name: n }\nspec: { podCIDRs: [10.9.0.0/24, "fd09::/64"] }\n';
    const pod = `${POD}spec: { nodeName: n }\n`;
    expect(podsOf(await load(`${node}---\n${pod}`))[0]?.podIPs).toEqual(['10.9.0.1', 'fd09::1']);
    const podCidrs = [parseCidr('10.5.0.0/16')!];
    expect(podsOf(await load(`${node}---\n${pod}`, { podCidrs }))[0]?.podIPs).toEqual(['10.5.0.1']);
  });

  test('NP-83: a pod on the host network has the addresses of its node', async () => {
    const node =
      'apiVersion: v1\nkind: Node\nmetadata: { name: n }\nstatus: { addresses: [{ type: InternalIP, address: 192.168.0.1 }] }\n';
    const cluster = await load(`${node}---\n${POD}spec: { nodeName: n, hostNetwork: true }\n`);
    expect(podsOf(cluster)[0]?.podIPs).toEqual(['192.168.0.1']);
    expect(cluster.madeUp.size).toBe(0);
  });

  test('too few addresses are an error, not an endless search', async () => {
    const podCidrs = [parseCidr('10.5.0.0/31')!];
    await expect(load(POD, { podCidrs })).rejects.toThrow('10.5.0.0/31 has too few addresses');
  });
});

test('a file that is named twice, in whatever way, is read once', async () => {
  const folder = tempFolder();
  const file = join(folder, 'pod.yaml');
  writeFileSync(file, 'apiVersion: v1\nkind: Pod\nmetadata: { name: a }\n');
  const cluster = await loadCluster([folder, file, `${folder}/../${basename(folder)}/pod.yaml`, relative('.', file)]);
  expect(cluster.problems).toEqual([]);
  expect(podsOf(cluster)).toHaveLength(1);
});

test('every object keeps its place, and documents that are no part of the cluster are taken away', async () => {
  const text = 'apiVersion: sluice/v1\nkind: PolicyTest\n---\napiVersion: v1\nkind: Pod\nmetadata:\n  name: a\n';
  const cluster = await load(text, { claim: (_, { reference }) => reference.kind === 'PolicyTest' });
  expect(cluster.problems).toEqual([]);
  expect(cluster.sources.get('Pod default/a')?.place('metadata.name')).toMatchObject({ line: 7, column: 9 });
});
