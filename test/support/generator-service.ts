/**
 * Services, slices and what happens to them, from small alphabets so that things collide: addresses in several slices,
 * cluster IPs of several Services, slices of Services that are not there.
 */
import * as fc from 'fast-check';
import type { Arbitrary } from 'fast-check';
import type {
  EndpointSlice,
  NodeLocation,
  Protocol,
  Service,
  ServiceChange,
  ServicePort,
  SliceEndpoint,
  SlicePort,
} from '../../src/service/model.ts';

const NAMESPACES = ['x', 'y'];
const SERVICE_NAMES = ['a', 'b', 'c'];
const SLICE_NAMES = ['s1', 's2', 's3', 's4'];
const NODES = ['n1', 'n2', 'n3'];
const ZONES = ['z1', 'z2'];
const CLUSTER_IPS = { 4: ['10.96.0.1', '10.96.0.2', '10.96.0.3'], 6: ['fd96::1', 'fd96::2'] } as const;
const PODS = {
  IPv4: ['10.0.0.1', '10.0.0.2', '10.0.0.3', '10.0.0.4'],
  IPv6: ['fd00::1', 'fd00::2', 'fd00::3'],
  FQDN: [],
} as const;
const PROTOCOLS: readonly Protocol[] = ['TCP', 'TCP', 'UDP', 'SCTP'];
const PORT_NAMES = ['', 'web', 'dns'];
const PORT_NUMBERS = [80, 443, 8080];

export const locationArb: Arbitrary<NodeLocation> = fc.record({
  node: fc.constantFrom(...NODES),
  zone: fc.constantFrom('', ...ZONES),
});

const portArb: Arbitrary<ServicePort & SlicePort> = fc.record({
  name: fc.constantFrom(...PORT_NAMES),
  protocol: fc.constantFrom(...PROTOCOLS),
  port: fc.constantFrom(...PORT_NUMBERS),
});

const serviceArb: Arbitrary<Service> = fc
  .record({
    namespace: fc.constantFrom(...NAMESPACES),
    name: fc.constantFrom(...SERVICE_NAMES),
    type: fc.constantFrom('ClusterIP', 'ClusterIP', 'ClusterIP', 'NodePort', 'LoadBalancer', 'ExternalName'),
    headless: fc.nat(9).map((n) => n === 0),
    four: fc.constantFrom(undefined, ...CLUSTER_IPS[4], ...CLUSTER_IPS[4]),
    six: fc.constantFrom(undefined, ...CLUSTER_IPS[6]),
    ports: fc.uniqueArray(portArb, { maxLength: 3, selector: ({ port, protocol }) => `${port}/${protocol}` }),
    affinityTimeoutSeconds: fc.constantFrom(0, 0, 60),
    internalTrafficPolicy: fc.constantFrom('Cluster', 'Cluster', 'Local'),
    proxy: fc.nat(9).map((n) => n === 0),
    headlessLabel: fc.nat(9).map((n) => n === 0),
  })
  .map(({ four, six, proxy, ...rest }) => ({
    ...rest,
    clusterIPs: [four, six].filter((address) => address !== undefined),
    trafficDistribution: '',
    publishNotReadyAddresses: false,
    ...(proxy && { proxyName: 'other' }),
  })) as Arbitrary<Service>;

function endpointArb(addresses: readonly string[]): Arbitrary<SliceEndpoint> {
  return fc.record({
    address: fc.constantFrom(...addresses),
    ready: fc.nat(2).map((n) => n > 0),
    serving: fc.nat(3).map((n) => n > 0),
    terminating: fc.nat(3).map((n) => n === 0),
    nodeName: fc.constantFrom('', ...NODES),
    zone: fc.constantFrom('', ...ZONES),
    forNodes: fc.subarray(NODES),
    forZones: fc.oneof(fc.constant([]), fc.subarray(ZONES, { minLength: 1 })),
  });
}

/** Half of the slices have hints all over, so that topology is met. */
const sliceArb: Arbitrary<EndpointSlice> = fc
  .constantFrom('IPv4' as const, 'IPv4' as const, 'IPv6' as const, 'FQDN' as const)
  .chain((addressType) =>
    fc.record({
      namespace: fc.constantFrom(...NAMESPACES),
      name: fc.constantFrom(...SLICE_NAMES),
      serviceName: fc.constantFrom('', ...SERVICE_NAMES, ...SERVICE_NAMES),
      headlessLabel: fc.nat(9).map((n) => n === 0),
      addressType: fc.constant(addressType),
      ports: fc.uniqueArray(portArb, { maxLength: 3, selector: ({ name, protocol }) => `${name} ${protocol}` }),
      endpoints: addressType === 'FQDN' ? fc.constant([]) : fc.array(endpointArb(PODS[addressType]), { maxLength: 4 }),
    }),
  );

const keyArb = (names: readonly string[]): Arbitrary<string> =>
  fc.tuple(fc.constantFrom(...NAMESPACES), fc.constantFrom(...names)).map((parts) => parts.join('/'));

/** Changes as a cluster sees them, deletions of what is not there included. */
export const serviceChangeArb: Arbitrary<ServiceChange> = fc.oneof(
  { weight: 4, arbitrary: serviceArb.map((object): ServiceChange => ({ kind: 'Service', op: 'set', object })) },
  { weight: 6, arbitrary: sliceArb.map((object): ServiceChange => ({ kind: 'EndpointSlice', op: 'set', object })) },
  { weight: 1, arbitrary: keyArb(SERVICE_NAMES).map((key): ServiceChange => ({ kind: 'Service', op: 'delete', key })) },
  {
    weight: 2,
    arbitrary: keyArb(SLICE_NAMES).map((key): ServiceChange => ({ kind: 'EndpointSlice', op: 'delete', key })),
  },
);
