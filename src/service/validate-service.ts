/**
 * core/v1 Service: what the resolver needs of it. What Sluice does not translate in a Service (node ports, load balancer
 * and external addresses) is left to kube-proxy and said once.
 */
import { parseAddress } from '../net/address.ts';
import { LIST_ITEMS_MAX, SERVICE_PORTS_MAX } from './limits.ts';
import type { Service, ServicePort, ServiceType } from './model.ts';
import {
  entry,
  field,
  objectAt,
  type Place,
  quote,
  readBoolean,
  readChoice,
  readList,
  readNumber,
  readString,
} from './place.ts';
import { type Read, Report } from './problem.ts';
import { readAddress, readIdentity, readPortName, readProtocol } from './validate-part.ts';

const PROXY_NAME_LABEL = 'service.kubernetes.io/service-proxy-name';
const HEADLESS_LABEL = 'service.kubernetes.io/headless';
const TYPES: readonly ServiceType[] = ['ClusterIP', 'NodePort', 'LoadBalancer', 'ExternalName'];
/** SVC-24. */
const AFFINITY_TIMEOUT_DEFAULT_SECONDS = 10_800;
const AFFINITY_TIMEOUT_MAX_SECONDS = 86_400;

/** Undefined object when anything in it is wrong: an address of a Service that is not known leads nowhere. */
export function readService(raw: unknown): Read<Service> {
  const report = new Report();
  const root: Place = { path: '', value: raw, report };
  const identity = readIdentity(root, 'Service', 'v1');
  if (identity === undefined) return { object: undefined, problems: report.problems() };
  if (field(root, 'spec') === undefined) report.error('spec', 'is missing');
  const spec = objectAt(field(root, 'spec'));
  const type = readChoice(field(spec, 'type'), TYPES, 'ClusterIP') ?? 'ClusterIP';
  const proxyName = readString(entry(identity.labels, PROXY_NAME_LABEL));
  const clusterIPs = type === 'ExternalName' ? { headless: false, addresses: [] } : readClusterIPs(spec);
  const object: Service = {
    namespace: identity.namespace,
    name: identity.name,
    type,
    headless: clusterIPs.headless,
    clusterIPs: clusterIPs.addresses,
    ports: readPorts(spec, type !== 'ExternalName' && !clusterIPs.headless),
    affinityTimeoutSeconds: readAffinity(spec),
    internalTrafficPolicy:
      readChoice(field(spec, 'internalTrafficPolicy'), ['Cluster', 'Local'], 'Cluster') ?? 'Cluster',
    trafficDistribution: readString(field(spec, 'trafficDistribution')) ?? '',
    publishNotReadyAddresses: readBoolean(field(spec, 'publishNotReadyAddresses')) ?? false,
    ...(proxyName !== undefined && { proxyName }),
    headlessLabel: entry(identity.labels, HEADLESS_LABEL) !== undefined,
  };
  warnOfTheRest(spec, type);
  return { object: report.errors === 0 ? object : undefined, problems: report.problems() };
}

interface ClusterIPs {
  readonly headless: boolean;
  readonly addresses: readonly string[];
}

/** spec.clusterIPs; clusterIP alone stands for them where they are not given. */
function readClusterIPs(spec: Place | undefined): ClusterIPs {
  const single = field(spec, 'clusterIP');
  const listed = readList(field(spec, 'clusterIPs'), LIST_ITEMS_MAX);
  const places = (listed.length > 0 || single === undefined ? listed : [single]).filter(({ value }) => value !== '');
  if (places.some(({ value }) => value === 'None')) {
    if (places.length > 1) spec?.report.error('spec.clusterIPs', '"None" does not go together with addresses');
    return { headless: true, addresses: [] };
  }
  if (spec !== undefined && places.length === 0) {
    const hint = 'where no API server gives one, write an address of the service range';
    spec.report.warn('spec.clusterIP', 'is not given: nothing leads to the Service until it has an address', hint);
  }
  const addresses = new Map<number, string>();
  for (const place of places) {
    const address = readAddress(place);
    const family = address === undefined ? undefined : parseAddress(address)?.family;
    if (address === undefined || family === undefined) continue;
    const first = addresses.get(family);
    if (first === undefined) addresses.set(family, address);
    else
      place.report.error(place.path, `${address} is of the same family as ${first}; a Service has one of each at most`);
  }
  return { headless: false, addresses: [...addresses.values()] };
}

function readPorts(spec: Place | undefined, required: boolean): readonly ServicePort[] {
  const at = field(spec, 'ports');
  const places = readList(at, SERVICE_PORTS_MAX);
  if (required && spec !== undefined && (at === undefined || (Array.isArray(at.value) && at.value.length === 0))) {
    spec.report.error('spec.ports', 'a Service with an address needs at least one port');
  }
  const ports: ServicePort[] = [];
  const names = new Set<string>();
  const numbers = new Set<string>();
  for (const place of places) {
    const port = readPort(place);
    if (port === undefined) continue;
    const { report, path } = place;
    if (port.name === '' && places.length > 1)
      report.error(`${path}.name`, 'is missing: with several ports each has a name');
    if (port.name !== '' && names.has(port.name))
      report.error(`${path}.name`, `${quote(port.name)} is another port's name`);
    // SVC-5: the same number under another protocol is another port.
    const number = `${port.port}/${port.protocol}`;
    if (numbers.has(number)) report.error(`${path}.port`, `${number} is there already`);
    names.add(port.name);
    numbers.add(number);
    ports.push(port);
  }
  return ports;
}

function readPort(place: Place): ServicePort | undefined {
  if (objectAt(place) === undefined) return undefined;
  const at = field(place, 'port');
  if (at === undefined) place.report.error(`${place.path}.port`, 'is missing');
  const port = at && readNumber(at, 1, 65_535);
  const name = readPortName(field(place, 'name'));
  const protocol = readProtocol(field(place, 'protocol'));
  return port === undefined || name === undefined || protocol === undefined ? undefined : { name, protocol, port };
}

function readAffinity(spec: Place | undefined): number {
  if (readChoice(field(spec, 'sessionAffinity'), ['None', 'ClientIP'], 'None') !== 'ClientIP') return 0;
  const config = objectAt(field(objectAt(field(spec, 'sessionAffinityConfig')), 'clientIP'));
  const timeout = field(config, 'timeoutSeconds');
  if (timeout === undefined) return AFFINITY_TIMEOUT_DEFAULT_SECONDS;
  return readNumber(timeout, 1, AFFINITY_TIMEOUT_MAX_SECONDS) ?? AFFINITY_TIMEOUT_DEFAULT_SECONDS;
}

/** Once an object, however many ports it has. */
function warnOfTheRest(spec: Place | undefined, type: ServiceType): void {
  const parts = [
    ...(type === 'NodePort' || type === 'LoadBalancer' ? ['node ports'] : []),
    ...(type === 'LoadBalancer' ? ['load balancer addresses'] : []),
    ...(readList(field(spec, 'externalIPs'), LIST_ITEMS_MAX).length > 0 ? ['external addresses'] : []),
  ];
  if (parts.length === 0) return;
  const path = type === 'ClusterIP' ? 'spec.externalIPs' : 'spec.type';
  spec?.report.warn(path, `only cluster IPs are translated; ${parts.join(' and ')} are left to kube-proxy`);
}
