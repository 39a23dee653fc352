/** The oracle against upstream's own end-to-end cases, in both families. */
import { expect, test } from 'vitest';
import type { ClusterChange } from '../../../src/policy/model.ts';
import { changeCluster, emptyCluster, evaluateFlow, type OracleCluster } from '../../../src/policy/oracle.ts';
import { readNamespace, readNetworkPolicy, readPod, type Read } from '../../../src/policy/validate.ts';
import {
  NETPOL_VECTORS,
  VECTOR_NAMESPACES,
  VECTOR_PODS,
  type VectorChange,
  vectorNamespaceObject,
  type VectorPod,
  vectorPodObject,
  type VectorProbe,
  type VectorWorld,
} from '../../support/netpol-vectors.ts';

function worldOf(family: 4 | 6): VectorWorld {
  const prefix = family === 4 ? '10.9.0.' : 'fd09::';
  return { family, address: (pod) => `${prefix}${VECTOR_PODS.indexOf(pod) + 1}` };
}

function sound<T>(read: Read<T>): T {
  const errors = read.problems.filter((problem) => problem.severity === 'error');
  if (read.object === undefined || errors.length > 0) throw new Error(JSON.stringify(errors));
  return read.object;
}

/** Labels that steps added; the objects are made anew from them. */
type Added = Map<string, Readonly<Record<string, string>>>;

function podChange(world: VectorWorld, pod: VectorPod, added: Added): ClusterChange {
  const raw = vectorPodObject(pod, added.get(pod) ?? {}, 'node', [world.address(pod)]);
  return { kind: 'Pod', op: 'set', object: sound(readPod(raw)) };
}

function toClusterChange(world: VectorWorld, change: VectorChange, added: Added): ClusterChange {
  switch (change.op) {
    case 'apply':
      return { kind: 'NetworkPolicy', op: 'set', object: sound(readNetworkPolicy(change.policy)) };
    case 'delete':
      return { kind: 'NetworkPolicy', op: 'delete', key: `${change.namespace}/${change.name}` };
    case 'labelPod':
      added.set(change.pod, change.labels);
      return podChange(world, change.pod, added);
    case 'labelNamespace': {
      const raw = vectorNamespaceObject(change.namespace, change.labels);
      return { kind: 'Namespace', op: 'set', object: sound(readNamespace(raw)) };
    }
  }
}

function topology(world: VectorWorld): OracleCluster {
  const changes: ClusterChange[] = [
    ...VECTOR_NAMESPACES.map((namespace): ClusterChange => {
      const object = sound(readNamespace(vectorNamespaceObject(namespace, {})));
      return { kind: 'Namespace', op: 'set', object };
    }),
    ...VECTOR_PODS.map((pod) => podChange(world, pod, new Map())),
  ];
  return changes.reduce(changeCluster, emptyCluster('node'));
}

/** `x/a -> y/b` of every pair that is allowed. */
function reachable(cluster: OracleCluster, world: VectorWorld, probe: VectorProbe): readonly string[] {
  return pairs((source, destination) => {
    const { egress, ingress } = evaluateFlow(cluster, {
      source: world.address(source),
      destination: world.address(destination),
      protocol: probe.protocol,
      destinationPort: probe.port,
    });
    return egress === 'allow' && ingress === 'allow';
  });
}

function pairs(holds: VectorProbe['reaches']): readonly string[] {
  return VECTOR_PODS.flatMap((source) =>
    VECTOR_PODS.filter((destination) => destination !== source && holds(source, destination)).map(
      (destination) => `${source} -> ${destination}`,
    ),
  );
}

test('there is a vector for each of the rows E1 to E45', () => {
  expect(NETPOL_VECTORS.map(({ id }) => id)).toEqual(Array.from({ length: 45 }, (_, i) => `E${i + 1}`));
});

for (const family of [4, 6] as const) {
  test.each(NETPOL_VECTORS)(`$id over IPv${family}: $title`, ({ steps }) => {
    const world = worldOf(family);
    const added: Added = new Map();
    let cluster = topology(world);
    for (const step of steps(world)) {
      for (const change of step.changes) cluster = changeCluster(cluster, toClusterChange(world, change, added));
      for (const probe of step.probes) expect(reachable(cluster, world, probe)).toEqual(pairs(probe.reaches));
    }
  });
}
