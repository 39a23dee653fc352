/**
 * The oracle: what is behind a frontend, read literally from the objects, one rule after the other. It shares no code with
 * the resolver, so that the two can be held against each other.
 */
import type { EndpointSlice, NodeLocation, Service, ServicePort, SliceEndpoint } from '../../src/service/model.ts';

/** `10.96.0.1:80/TCP` -> the Service and its backends as `address:port`, sorted, or the state without any. */
export function oracleFrontends(
  services: Iterable<Service>,
  slices: Iterable<EndpointSlice>,
  location: NodeLocation,
): ReadonlyMap<string, string> {
  const all = [...slices];
  const found = new Map<string, string>();
  const byName = [...services].sort((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1));
  for (const service of byName) {
    // SVC-1
    if (service.type === 'ExternalName' || service.headless) continue;
    const isElsewhere = service.proxyName !== undefined || service.headlessLabel;
    for (const address of service.clusterIPs) {
      for (const port of service.ports) {
        const key = `${address} ${port.port}/${port.protocol}`;
        if (found.has(key)) continue;
        const six = address.includes(':');
        const what = isElsewhere ? 'elsewhere' : behind(service, port, six, all, location);
        found.set(key, `${nameOf(service)} ${what}`);
      }
    }
  }
  return found;
}

function nameOf({ namespace, name }: Service): string {
  return `${namespace}/${name}`;
}

function behind(
  service: Service,
  port: ServicePort,
  six: boolean,
  slices: readonly EndpointSlice[],
  location: NodeLocation,
): string {
  const endpoints = endpointsOf(service, port, six, slices, location.node);
  // Its checksum covers the port, so a kernel's hook cannot write another.
  if (port.protocol === 'SCTP' && [...endpoints.keys()].some((end) => !end.endsWith(` ${port.port}`)))
    return 'elsewhere';
  const all = [...endpoints.values()];
  const ready = all.filter((endpoint) => endpoint.ready);
  const leaving = all.filter(({ serving, terminating }) => serving && terminating);
  if (ready.length + leaving.length === 0) return 'reject'; // SVC-30
  const chosen = chooseFrom(service, ready, leaving, location);
  if (chosen.length === 0) return 'drop'; // SVC-30
  return [...endpoints]
    .filter(([, endpoint]) => chosen.includes(endpoint))
    .map(([end]) => end)
    .sort()
    .join(' ');
}

/** SVC-2, SVC-4, SVC-7; by address and port. Of two the one on this node, then the ready, the serving, the staying one. */
function endpointsOf(
  service: Service,
  port: ServicePort,
  six: boolean,
  slices: readonly EndpointSlice[],
  node: string,
): ReadonlyMap<string, SliceEndpoint> {
  const found = new Map<string, SliceEndpoint>();
  const byName = slices.toSorted((a, b) => (a.name < b.name ? -1 : 1));
  for (const slice of byName) {
    if (slice.namespace !== service.namespace || slice.serviceName !== service.name || slice.headlessLabel) continue;
    if (slice.addressType !== (six ? 'IPv6' : 'IPv4')) continue;
    for (const { name, protocol, port: number } of slice.ports) {
      if (name !== port.name || protocol !== port.protocol) continue;
      for (const endpoint of slice.endpoints) {
        const end = `${endpoint.address} ${number}`;
        const other = found.get(end);
        if (other === undefined || isBetter(endpoint, other, node)) found.set(end, endpoint);
      }
    }
  }
  return found;
}

function isBetter(a: SliceEndpoint, b: SliceEndpoint, node: string): boolean {
  if ((a.nodeName === node) !== (b.nodeName === node)) return a.nodeName === node;
  if (a.ready !== b.ready) return a.ready;
  if (a.serving !== b.serving) return a.serving;
  return b.terminating && !a.terminating;
}

function chooseFrom(
  service: Service,
  ready: readonly SliceEndpoint[],
  leaving: readonly SliceEndpoint[],
  { node, zone }: NodeLocation,
): readonly SliceEndpoint[] {
  if (service.internalTrafficPolicy === 'Local') {
    // SVC-21
    const here = ready.filter(({ nodeName }) => nodeName === node);
    return here.length > 0 ? here : leaving.filter(({ nodeName }) => nodeName === node);
  }
  if (ready.length === 0) return leaving; // SVC-20
  // SVC-22
  if (ready.every(({ forNodes }) => forNodes.length > 0)) {
    const hinted = ready.filter(({ forNodes }) => forNodes.includes(node));
    if (hinted.length > 0) return hinted;
  }
  if (zone !== '' && ready.every(({ forZones }) => forZones.length > 0)) {
    const hinted = ready.filter(({ forZones }) => forZones.includes(zone));
    if (hinted.length > 0) return hinted;
  }
  return ready;
}
