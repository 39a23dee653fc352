/** One entry of a rule's protocols in a ClusterNetworkPolicy: CNP-7. */
import type { ClusterNetworkPolicyProtocol, Protocol } from './model.ts';
import { checkFields } from './validate-field.ts';
import { faultOfPortName } from './validate-name.ts';
import { type Place, expectObject, field, quote, readPortNumber, readString } from './validate-place.ts';

const PROTOCOLS = { tcp: 'TCP', udp: 'UDP', sctp: 'SCTP' } as const satisfies Readonly<Record<string, Protocol>>;
const PROTOCOL_FIELDS = ['tcp', 'udp', 'sctp'] as const;
const KNOWN = [...PROTOCOL_FIELDS, 'destinationNamedPort'];
const EXAMPLE = 'write it like tcp: {destinationPort: {number: 80}}';

/** `onlyPods`: every peer of the rule selects pods, so that there are named ports. Undefined, and reported, when wrong. */
export function readClusterProtocol(place: Place, onlyPods: boolean): ClusterNetworkPolicyProtocol | undefined {
  if (!expectObject(place)) return undefined;
  const { report, path } = place;
  const before = report.errors;
  checkFields(place, KNOWN, {
    TCP: EXAMPLE,
    UDP: EXAMPLE,
    SCTP: EXAMPLE,
    protocol: EXAMPLE,
    port: EXAMPLE,
    destinationPort: 'put it below tcp, udp or sctp',
  });
  const stated = KNOWN.filter((name) => field(place, name) !== undefined);
  if (stated.length !== 1 && report.errors === before) {
    report.error(path, `must have exactly one of ${KNOWN.join(', ')}`, EXAMPLE);
  }
  if (report.errors > before) return undefined;
  const named = field(place, 'destinationNamedPort');
  if (named !== undefined) return readNamed(named, onlyPods);
  const name = PROTOCOL_FIELDS.find((known) => field(place, known) !== undefined);
  const at = name && field(place, name);
  return at && readPorts(at, PROTOCOLS[name]);
}

function readNamed(place: Place, onlyPods: boolean): ClusterNetworkPolicyProtocol | undefined {
  const { report, path } = place;
  const name = readString(place);
  if (name === undefined) return undefined;
  const fault = faultOfPortName(name);
  if (fault !== undefined) report.error(path, `the port name ${quote(name)} ${fault}`);
  else if (!onlyPods) report.error(path, 'stands beside a peer that is no pod, and only pods have named ports');
  else return { destinationNamedPort: name };
  return undefined;
}

/** An object without a port would be read as all ports by some and is refused by the API server; so it is here. */
function readPorts(place: Place, protocol: Protocol): ClusterNetworkPolicyProtocol | undefined {
  if (!expectObject(place)) return undefined;
  const { report, path } = place;
  checkFields(place, ['destinationPort'], {
    number: 'put it below destinationPort',
    range: 'put it below destinationPort',
    port: EXAMPLE,
  });
  const at = field(place, 'destinationPort');
  if (at === undefined) {
    const hint = 'for all ports: destinationPort: {range: {start: 1, end: 65535}}';
    report.error(`${path}.destinationPort`, 'is missing', hint);
    return undefined;
  }
  if (!expectObject(at)) return undefined;
  checkFields(at, ['number', 'range'], { start: 'put it below range', end: 'put it below range' });
  const number = field(at, 'number');
  const range = field(at, 'range');
  if ((number === undefined) === (range === undefined)) {
    report.error(at.path, 'must have exactly one of number and range');
    return undefined;
  }
  if (range !== undefined) return readRange(range, protocol);
  const port = number && readPortNumber(number);
  return port === undefined ? undefined : { protocol, port };
}

function readRange(place: Place, protocol: Protocol): ClusterNetworkPolicyProtocol | undefined {
  if (!expectObject(place)) return undefined;
  checkFields(place, ['start', 'end']);
  const [port, endPort] = (['start', 'end'] as const).map((name) => {
    const at = field(place, name);
    if (at === undefined) place.report.error(`${place.path}.${name}`, 'is missing');
    return at && readPortNumber(at);
  });
  if (port === undefined || endPort === undefined) return undefined;
  if (port < endPort) return { protocol, port, endPort };
  place.report.error(place.path, `start must be less than end, is ${port} to ${endPort}`);
  return undefined;
}
