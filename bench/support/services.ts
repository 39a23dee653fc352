/** So many Services, one of which is measured: as objects for an agent, as changes for a resolver. */
import { SERVER_PORT } from './policies.ts';
import type { ManifestObject } from '../../test/support/manifest-folder.ts';
import type { ServiceChange } from '../../src/service/model.ts';
import {
  endpoint,
  makeService,
  makeSlice,
  servicePort,
  setService,
  setSlice,
  slicePort,
} from '../../test/support/service-builders.ts';

/** Where the load generator's server takes connections, behind them too. */
export const SERVICE_PORT: number = SERVER_PORT + 1;
export const ENDPOINTS_PER_SERVICE = 10;

/** Of the n-th Service, from 0. */
export function clusterIpOf(index: number): string {
  return `10.${96 + (index >> 16)}.${(index >> 8) & 255}.${index & 255}`;
}

export interface SlicedEndpoint {
  readonly address: string;
  readonly port: number;
}

/** A Service and its slice. */
export function serviceChanges(index: number, endpoints: readonly SlicedEndpoint[]): readonly ServiceChange[] {
  const name = `service-${index}`;
  const ports = [slicePort(endpoints[0]?.port ?? SERVICE_PORT)];
  const list = endpoints.map(({ address }) => endpoint(address));
  return [
    setService(makeService(`bench/${name}`, { clusterIPs: [clusterIpOf(index)], ports: [servicePort(SERVICE_PORT)] })),
    setSlice(makeSlice(`bench/${name}-1`, name, { ports, endpoints: list })),
  ];
}

/** The same as objects; every Service leads to one backend. */
export function serviceList(count: number, backend: SlicedEndpoint): ManifestObject {
  const items = Array.from({ length: count }, (_, index) => {
    const name = `service-${index}`;
    const ip = clusterIpOf(index);
    return [
      {
        apiVersion: 'v1',
        kind: 'Service',
        metadata: { namespace: 'bench', name },
        spec: { clusterIP: ip, clusterIPs: [ip], ports: [{ port: SERVICE_PORT }] },
      },
      {
        apiVersion: 'discovery.k8s.io/v1',
        kind: 'EndpointSlice',
        metadata: { namespace: 'bench', name, labels: { 'kubernetes.io/service-name': name } },
        addressType: 'IPv4',
        ports: [{ port: backend.port }],
        endpoints: [{ addresses: [backend.address] }],
      },
    ];
  }).flat();
  return { apiVersion: 'v1', kind: 'List', metadata: { name: 'services' }, items } as unknown as ManifestObject;
}
