/**
 * The 45 TCP and UDP rows of upstream's own tests over real sockets: nine pods wired through the launcher, policies and
 * labels changed in the manifests, every pair probed in both families at once. All pods on one node with tcx, and spread
 * over two nodes with clsact; then through a Service in front of each pod, as upstream probes them (SVC-60).
 */
import { afterEach, beforeAll, describe, expect, onTestFailed, test } from 'vitest';
import { ClusterHost, type PlacedPod } from '../support/cluster-host.ts';
import type { ManifestObject } from '../support/manifest-folder.ts';
import {
  NETPOL_VECTORS,
  type RawObject,
  type Vector,
  VECTOR_NAMESPACES,
  VECTOR_PODS,
  VECTOR_PORTS,
  type VectorChange,
  type VectorPod,
  type VectorProbe,
} from '../support/netpol-vectors.ts';
import { clusterIPs, serviceManifests } from '../support/service-manifests.ts';
import { type Check, type End, observeAll, truthTables } from '../support/reachability.ts';

type Family = 4 | 6;
type Labels = Readonly<Record<string, string>>;

const FAMILIES: readonly Family[] = [4, 6];

describe.each([
  { title: 'one node, tcx', nodes: 1, attach: 'tcx' as const, byService: false },
  { title: 'two nodes, clsact', nodes: 2, attach: 'clsact' as const, byService: false },
  { title: 'through ClusterIPs, two nodes, tcx', nodes: 2, attach: 'tcx' as const, byService: true },
])('$title', ({ nodes, attach, byService }) => {
  let stage: RowStage;

  beforeAll(async () => {
    const cluster = await ClusterHost.start({ nodes, attach });
    stage = new RowStage(cluster);
    await stage.startPods(nodes);
    if (byService) await stage.putServicesBefore();
    return () => cluster.close();
  });

  afterEach(() => {
    stage.clear();
  });

  test.each(NETPOL_VECTORS)('$id: $title', async (vector) => {
    onTestFailed(() => {
      console.error(stage.cluster.logTails());
    });
    for (const families of familyGroups(stage, vector)) await stage.play(vector, families);
  });
});

/** Both families together, unless the policies themselves differ by family. */
function familyGroups(stage: RowStage, vector: Vector): readonly (readonly Family[])[] {
  const [first, second] = FAMILIES.map((family) => JSON.stringify(stage.steps(vector, family)));
  return first === second ? [FAMILIES] : FAMILIES.map((family) => [family]);
}

/** The pods of the rows, and what the row under way has changed about them. */
class RowStage {
  readonly cluster: ClusterHost;
  readonly #podLabels = new Map<VectorPod, Labels>();
  readonly #namespaceLabels = new Map<string, Labels>();
  readonly #policies: ManifestObject[] = [];
  /** Where a pod is probed, when not at its own addresses. */
  readonly #clusterIPs = new Map<VectorPod, End['addresses']>();

  constructor(cluster: ClusterHost) {
    this.cluster = cluster;
  }

  async startPods(nodes: number): Promise<void> {
    for (const namespace of VECTOR_NAMESPACES) this.cluster.applyNamespace(namespace);
    await this.cluster.startPods(VECTOR_PODS.map((pod, index) => placePod(pod, index % nodes)));
  }

  /** A Service of its own for every pod; from here on it is probed by that. */
  async putServicesBefore(): Promise<void> {
    for (const [index, pod] of VECTOR_PODS.entries()) {
      const [namespace = '', name = ''] = pod.split('/');
      const ports = VECTOR_PORTS.map((port) => ({ ...port, targetPort: port.port }));
      const plan = { namespace, name, clusterIPs: clusterIPs(index + 1), ports, backends: [this.cluster.pod(pod)] };
      for (const object of serviceManifests(plan)) this.cluster.manifests.apply(object);
      this.#clusterIPs.set(pod, plan.clusterIPs);
    }
    await this.cluster.sync();
  }

  steps(vector: Vector, family: Family): ReturnType<Vector['steps']> {
    return vector.steps({
      family,
      address: (pod) => this.cluster.pod(pod).addresses[family === 4 ? 'ipv4' : 'ipv6'],
    });
  }

  async play(vector: Vector, families: readonly Family[]): Promise<void> {
    for (const [index, step] of this.steps(vector, families[0] ?? 4).entries()) {
      for (const change of step.changes) this.#change(change);
      await this.cluster.sync();
      const observations = await observeAll(step.probes.flatMap((probe) => this.#checks(probe, families)));
      const differences = truthTables(observations);
      if (differences !== '') expect.fail(`${vector.id}, step ${index + 1} of its steps\n${differences}`);
    }
    this.clear();
  }

  /** Back to pods and namespaces without policies; in force with the next sync. */
  clear(): void {
    for (const policy of this.#policies.splice(0)) this.cluster.manifests.delete(policy);
    for (const pod of this.#podLabels.keys()) this.cluster.pod(pod).setLabels(ownLabels(pod));
    for (const namespace of this.#namespaceLabels.keys()) this.cluster.applyNamespace(namespace);
    this.#podLabels.clear();
    this.#namespaceLabels.clear();
  }

  #change(change: VectorChange): void {
    switch (change.op) {
      case 'apply':
        this.#policies.push(asManifest(change.policy));
        this.cluster.manifests.apply(asManifest(change.policy));
        break;
      case 'delete':
        this.cluster.manifests.delete(policyNamed(change.namespace, change.name));
        break;
      case 'labelPod': {
        const labels = { ...ownLabels(change.pod), ...this.#podLabels.get(change.pod), ...change.labels };
        this.#podLabels.set(change.pod, labels);
        this.cluster.pod(change.pod).setLabels(labels);
        break;
      }
      case 'labelNamespace': {
        const labels = { ...this.#namespaceLabels.get(change.namespace), ...change.labels };
        this.#namespaceLabels.set(change.namespace, labels);
        this.cluster.applyNamespace(change.namespace, labels);
        break;
      }
    }
  }

  #checks(probe: VectorProbe, families: readonly Family[]): Check[] {
    return VECTOR_PODS.flatMap((source) =>
      VECTOR_PODS.filter((destination) => destination !== source).flatMap((destination) =>
        families.map((family) => ({
          from: this.#end(source),
          to: this.#end(destination),
          family,
          protocol: probe.protocol,
          port: probe.port,
          isAllowed: probe.reaches(source, destination),
        })),
      ),
    );
  }

  #end(pod: VectorPod): End {
    const { netns, addresses } = this.cluster.pod(pod);
    return { name: pod, netns, addresses: this.#clusterIPs.get(pod) ?? addresses };
  }
}

function placePod(pod: VectorPod, node: number): PlacedPod {
  const [namespace = '', name = ''] = pod.split('/');
  return { namespace, name, node, labels: ownLabels(pod), ports: VECTOR_PORTS };
}

function ownLabels(pod: VectorPod): Labels {
  return { pod: pod.slice(pod.indexOf('/') + 1) };
}

function policyNamed(namespace: string, name: string): ManifestObject {
  return { apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', metadata: { namespace, name } };
}

/** The vectors' objects are whole; only their type says less. */
function asManifest(policy: RawObject): ManifestObject {
  const { namespace, name } = policy['metadata'] as { namespace: string; name: string };
  return { ...policyNamed(namespace, name), spec: policy['spec'] as object };
}
