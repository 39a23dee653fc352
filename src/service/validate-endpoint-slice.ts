/** discovery.k8s.io/v1 EndpointSlice: what the resolver needs of it (SVC-2, SVC-3). */
import { parseAddress } from '../net/address.ts';
import { LIST_ITEMS_MAX, SLICE_ENDPOINTS_MAX, SLICE_PORTS_MAX } from './limits.ts';
import type { EndpointSlice, SliceEndpoint, SlicePort } from './model.ts';
import {
  entry,
  field,
  objectAt,
  type Place,
  readBoolean,
  readChoice,
  readList,
  readNumber,
  readString,
} from './place.ts';
import { type Read, Report } from './problem.ts';
import { readAddress, readIdentity, readNames, readPortName, readProtocol } from './validate-part.ts';

const SERVICE_NAME_LABEL = 'kubernetes.io/service-name';
const HEADLESS_LABEL = 'service.kubernetes.io/headless';
type AddressType = EndpointSlice['addressType'];
const ADDRESS_TYPES: readonly AddressType[] = ['IPv4', 'IPv6', 'FQDN'];

/**
 * What can be read is kept, also beside errors: a backend or a port less is closer to closed than an old one that is
 * gone. Undefined object without a name or an address type.
 */
export function readEndpointSlice(raw: unknown): Read<EndpointSlice> {
  const report = new Report();
  const root: Place = { path: '', value: raw, report };
  const identity = readIdentity(root, 'EndpointSlice', 'discovery.k8s.io/v1');
  if (identity === undefined) return { object: undefined, problems: report.problems() };
  const addressType = readAddressType(root);
  if (addressType === undefined) return { object: undefined, problems: report.problems() };
  const serviceName = readString(entry(identity.labels, SERVICE_NAME_LABEL)) ?? '';
  if (serviceName === '') {
    report.warn(
      'metadata.labels',
      'no Service has this slice',
      `name the Service with the label ${SERVICE_NAME_LABEL}`,
    );
  }
  const ports = readList(field(root, 'ports'), SLICE_PORTS_MAX).map(readPort);
  const endpoints = readList(field(root, 'endpoints'), SLICE_ENDPOINTS_MAX).map((place) =>
    addressType === 'FQDN' ? undefined : readEndpoint(place, addressType),
  );
  const object: EndpointSlice = {
    namespace: identity.namespace,
    name: identity.name,
    serviceName,
    headlessLabel: entry(identity.labels, HEADLESS_LABEL) !== undefined,
    addressType,
    ports: ports.filter((port) => port !== undefined),
    endpoints: endpoints.filter((endpoint) => endpoint !== undefined),
  };
  return { object, problems: report.problems() };
}

function readAddressType(root: Place): AddressType | undefined {
  const at = field(root, 'addressType');
  if (at === undefined) {
    root.report.error('addressType', 'is missing', `write one of ${ADDRESS_TYPES.join(', ')}`);
    return undefined;
  }
  const type = readChoice(at, ADDRESS_TYPES, 'IPv4');
  if (type === 'FQDN') root.report.warn('addressType', 'names are not resolved: the slice is left out');
  return type;
}

/** A port without a number means every port, which no ServicePort can lead to (SVC-2). */
function readPort(place: Place): SlicePort | undefined {
  if (objectAt(place) === undefined) return undefined;
  const name = readPortName(field(place, 'name'));
  const protocol = readProtocol(field(place, 'protocol'));
  const at = field(place, 'port');
  if (at === undefined) place.report.warn(`${place.path}.port`, 'is not given: the port is left out');
  const port = at && readNumber(at, 1, 65_535);
  return port === undefined || name === undefined || protocol === undefined ? undefined : { name, protocol, port };
}

function readEndpoint(place: Place, addressType: 'IPv4' | 'IPv6'): SliceEndpoint | undefined {
  if (objectAt(place) === undefined) return undefined;
  const address = readFirstAddress(place, addressType);
  const conditions = objectAt(field(place, 'conditions'));
  const hints = objectAt(field(place, 'hints'));
  if (address === undefined) return undefined;
  return {
    address,
    ready: readBoolean(field(conditions, 'ready')) ?? true,
    serving: readBoolean(field(conditions, 'serving')) ?? true,
    terminating: readBoolean(field(conditions, 'terminating')) ?? false,
    nodeName: readString(field(place, 'nodeName')) ?? '',
    zone: readString(field(place, 'zone')) ?? '',
    forNodes: readNames(readList(field(hints, 'forNodes'), LIST_ITEMS_MAX)),
    forZones: readNames(readList(field(hints, 'forZones'), LIST_ITEMS_MAX)),
  };
}

function readFirstAddress(place: Place, addressType: 'IPv4' | 'IPv6'): string | undefined {
  const [first] = readList(field(place, 'addresses'), LIST_ITEMS_MAX);
  if (first === undefined) {
    place.report.error(`${place.path}.addresses`, 'holds no address: the endpoint is left out');
    return undefined;
  }
  const address = readAddress(first);
  const family = address === undefined ? undefined : parseAddress(address)?.family;
  if (family === undefined || family === (addressType === 'IPv4' ? 4 : 6)) return address;
  first.report.error(first.path, `${address} is no ${addressType} address, as the slice's addressType says`);
  return undefined;
}
