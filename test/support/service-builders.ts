/** Short words for Services and slices in tests. */
import type {
  EndpointSlice,
  Service,
  ServiceChange,
  ServicePort,
  SliceEndpoint,
  SlicePort,
} from '../../src/service/model.ts';
import type { Frontend } from '../../src/service/frontend.ts';
import { type Resolution, ServiceResolver, type ServiceResolverOptions } from '../../src/service/resolve.ts';

/** The node that tests resolve for. */
export const HERE = { node: 'n1', zone: 'z1' } as const;

export function servicePort(port: number, fields: Partial<ServicePort> = {}): ServicePort {
  return { name: '', protocol: 'TCP', port, ...fields };
}

/** `namespace/name`. */
export function makeService(key: string, fields: Partial<Service> = {}): Service {
  return {
    ...split(key),
    type: 'ClusterIP',
    headless: false,
    clusterIPs: ['10.96.0.1'],
    ports: [servicePort(80)],
    affinityTimeoutSeconds: 0,
    internalTrafficPolicy: 'Cluster',
    trafficDistribution: '',
    publishNotReadyAddresses: false,
    headlessLabel: false,
    ...fields,
  };
}

export function slicePort(port: number, fields: Partial<SlicePort> = {}): SlicePort {
  return { name: '', protocol: 'TCP', port, ...fields };
}

/** Ready, on no node, without hints. */
export function endpoint(address: string, fields: Partial<SliceEndpoint> = {}): SliceEndpoint {
  return {
    address,
    ready: true,
    serving: true,
    terminating: false,
    nodeName: '',
    zone: '',
    forNodes: [],
    forZones: [],
    ...fields,
  };
}

/** `namespace/name` of the slice; its Service is `service` of the same namespace. */
export function makeSlice(key: string, service: string, fields: Partial<EndpointSlice> = {}): EndpointSlice {
  return {
    ...split(key),
    serviceName: service,
    headlessLabel: false,
    addressType: 'IPv4',
    ports: [slicePort(8080)],
    endpoints: [],
    ...fields,
  };
}

export const setService = (object: Service): ServiceChange => ({ kind: 'Service', op: 'set', object });
export const setSlice = (object: EndpointSlice): ServiceChange => ({ kind: 'EndpointSlice', op: 'set', object });
export const deleteService = (key: string): ServiceChange => ({ kind: 'Service', op: 'delete', key });
export const deleteSlice = (key: string): ServiceChange => ({ kind: 'EndpointSlice', op: 'delete', key });

/** A resolver on HERE, with what it said last. */
export class ServiceScenario {
  readonly resolver: ServiceResolver;
  last: Resolution;

  constructor(changes: readonly ServiceChange[], options: Partial<ServiceResolverOptions> = {}) {
    this.resolver = new ServiceResolver({ location: HERE, ...options });
    this.last = this.change(...changes);
  }

  change(...changes: readonly ServiceChange[]): Resolution {
    for (const change of changes) this.resolver.update(change);
    this.last = this.resolver.resolve();
    return this.last;
  }

  /** `10.96.0.1:80/TCP -> 10.0.0.1:8080 10.0.0.2:8080`, or the state in place of backends. */
  lines(): readonly string[] {
    return this.last.frontends.map(lineOf);
  }

  messages(): readonly string[] {
    return this.last.problems.map(({ kind, namespace, name, message }) => `${kind} ${namespace}/${name}: ${message}`);
  }
}

function lineOf({ address, port, protocol, state, backends }: Frontend): string {
  const ends = backends.map((backend) => `${backend.address}:${backend.port}`).join(' ');
  return `${address}:${port}/${protocol} -> ${state === 'backends' ? ends : state}`;
}

function split(key: string): { readonly namespace: string; readonly name: string } {
  const slash = key.indexOf('/');
  return { namespace: key.slice(0, slash), name: key.slice(slash + 1) };
}
