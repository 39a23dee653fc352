/** Service and EndpointSlice objects in front of pods, as the API server and its controllers would write them. */
import type { ManifestObject } from './manifest-folder.ts';
import type { PodHost } from './pod-host.ts';

export interface ServicePlan {
  readonly namespace: string;
  readonly name: string;
  readonly clusterIPs: { readonly ipv4: string; readonly ipv6: string };
  readonly ports: readonly { readonly protocol: 'TCP' | 'UDP'; readonly port: number; readonly targetPort: number }[];
  readonly backends: readonly Pick<PodHost, 'addresses' | 'node'>[];
  /** Further fields of the Service. */
  readonly spec?: object;
}

/** The Service, and a slice of each family with every backend ready. */
export function serviceManifests(plan: ServicePlan): readonly ManifestObject[] {
  const { namespace, name, clusterIPs, backends, spec = {} } = plan;
  const ports = plan.ports.map((port) => ({ ...port, name: `${port.protocol.toLowerCase()}-${port.port}` }));
  const service = {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { namespace, name },
    spec: { clusterIP: clusterIPs.ipv4, clusterIPs: [clusterIPs.ipv4, clusterIPs.ipv6], ports, ...spec },
  };
  const slices = (['ipv4', 'ipv6'] as const).map((family) => ({
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { namespace, name: `${name}-${family}`, labels: { 'kubernetes.io/service-name': name } },
    addressType: family === 'ipv4' ? 'IPv4' : 'IPv6',
    ports: ports.map((port) => ({ name: port.name, protocol: port.protocol, port: port.targetPort })),
    endpoints: backends.map(({ addresses, node }) => ({
      addresses: [addresses[family]],
      conditions: { ready: true },
      nodeName: node.name,
    })),
  }));
  return [service, ...slices];
}

/** Cluster IPs by number, from 1 to 254. */
export function clusterIPs(number: number): { readonly ipv4: string; readonly ipv6: string } {
  return { ipv4: `10.96.0.${number}`, ipv6: `fd00:96::${number.toString(16)}` };
}
