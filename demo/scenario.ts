/** What the demo shows: the manifests beside this file, and the ports that every pod serves. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { externalAddresses } from '../test/support/address-plan.ts';
import type { ClusterHost, PlacedPod } from '../test/support/cluster-host.ts';
import { NameServer, type ServedPort } from '../test/support/name-server.ts';
import type { ManifestObject } from '../test/support/manifest-folder.ts';
import type { ContainerPort, PodHost } from '../test/support/pod-host.ts';
import type { End } from '../test/support/reachability.ts';
import { clusterIPs, serviceManifests } from '../test/support/service-manifests.ts';

const MANIFESTS = join(import.meta.dirname, 'manifests');
export const POLICIES: string = join(MANIFESTS, 'policies');

/** Hosts outside of the cluster, and the last part of their addresses. */
const OUTSIDE = { 'outside/partner': 10, 'outside/guest': 20 } as const;

export interface ProbedPort extends ServedPort {
  readonly name: string;
}

interface PodManifest {
  readonly metadata: { readonly namespace: string; readonly name: string; readonly labels: Record<string, string> };
  readonly spec: {
    readonly nodeName: string;
    readonly containers: readonly {
      readonly ports: readonly {
        readonly name: string;
        readonly containerPort: number;
        readonly protocol: 'TCP' | 'UDP';
      }[];
    }[];
  };
}

interface NamespaceManifest {
  readonly metadata: { readonly name: string; readonly labels: Record<string, string> };
}

export function readNamespaces(): readonly NamespaceManifest[] {
  return readDocuments('namespaces.yaml') as NamespaceManifest[];
}

/** nodeNames: in the order of the cluster's nodes. */
export function readPods(nodeNames: readonly string[]): readonly PlacedPod[] {
  return (readDocuments('pods.yaml') as PodManifest[]).map(({ metadata, spec }) => ({
    ...metadata,
    node: nodeNames.indexOf(spec.nodeName),
    ports: spec.containers.flatMap(({ ports }) =>
      ports.map(({ name, containerPort, protocol }): ContainerPort => ({ name, port: containerPort, protocol })),
    ),
  }));
}

/** Of the first pod: all serve the same. */
export function probedPorts(pods: readonly PlacedPod[]): readonly ProbedPort[] {
  return (pods[0]?.ports ?? []).map(({ name, port, protocol }) => ({ name: name ?? '', port, protocol }));
}

/** Everyone who probes and is probed: the pods in the order of their manifests, then the hosts outside. */
export async function openEnds(cluster: ClusterHost, ports: readonly ProbedPort[]): Promise<readonly End[]> {
  const ends: End[] = cluster.pods.map(({ key, netns, addresses }) => ({ name: key, netns, addresses }));
  const { netns } = cluster.external;
  for (const [name, number] of Object.entries(OUTSIDE)) {
    const addresses = externalAddresses(number);
    const server = await NameServer.open(netns, name, ports, addresses);
    cluster.ledger.add(`servers of ${name}`, () => {
      server.close();
    });
    ends.push({ name, netns, addresses, bindsSource: true });
  }
  return ends;
}

export interface PlacedService {
  readonly clusterIPs: End['addresses'];
  readonly objects: readonly ManifestObject[];
}

/** A Service of the same name and ports for every pod, by `namespace/name`. */
export function placeServices(
  pods: readonly PodHost[],
  ports: readonly ProbedPort[],
): ReadonlyMap<string, PlacedService> {
  return new Map(
    pods.map((pod, index) => {
      const [namespace = '', name = ''] = pod.key.split('/');
      const served = ports.map(({ protocol, port }) => ({ protocol, port, targetPort: port }));
      const plan = { namespace, name, clusterIPs: clusterIPs(index + 1), ports: served, backends: [pod] };
      return [pod.key, { clusterIPs: plan.clusterIPs, objects: serviceManifests(plan) }] as const;
    }),
  );
}

function readDocuments(file: string): unknown[] {
  return parseAllDocuments(readFileSync(join(MANIFESTS, file), 'utf8')).map((document) => document.toJS() as unknown);
}
