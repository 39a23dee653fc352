/** One port of a rule: NP-40 to NP-43. */
import type { NetworkPolicyPort, Protocol } from './model.ts';
import { checkFields } from './validate-field.ts';
import { faultOfPortName } from './validate-name.ts';
import { type Place, expectObject, field, quote, readPortNumber, readString } from './validate-place.ts';

const PROTOCOLS: readonly Protocol[] = ['TCP', 'UDP', 'SCTP'];

/** Undefined, and reported, when any part of it is wrong. */
export function readPolicyPort(place: Place): NetworkPolicyPort | undefined {
  if (!expectObject(place)) return undefined;
  const errorsBefore = place.report.errors;
  checkFields(place, ['protocol', 'port', 'endPort'], {
    ports: 'did you mean "port"?',
    name: 'a named port is written as port: NAME',
    targetPort: 'did you mean "port"? Policies name the port of the pod',
  });
  const protocol = readProtocol(field(place, 'protocol'));
  const port = readPort(field(place, 'port'));
  const endPort = readEndPort(place, port);
  if (place.report.errors > errorsBefore || protocol === undefined) return undefined;
  return { protocol, ...(port !== undefined && { port }), ...(endPort !== undefined && { endPort }) };
}

/** Absent: TCP (NP-40). Case matters. */
export function readProtocol(place: Place | undefined): Protocol | undefined {
  if (place === undefined) return 'TCP';
  const text = readString(place);
  if (text === undefined) return undefined;
  const protocol = PROTOCOLS.find((known) => known === text);
  if (protocol === undefined) {
    place.report.error(place.path, `${quote(text)} is none of ${PROTOCOLS.join(', ')}`, protocolHint(text));
  }
  return protocol;
}

function protocolHint(text: string): string | undefined {
  const upper = text.slice(0, 8).toUpperCase();
  if (PROTOCOLS.some((known) => known === upper)) return `write ${upper}`;
  if (upper.startsWith('ICMP')) return 'only a rule without ports admits ICMP';
  return undefined;
}

/** A string is a port's name, also when it looks like a number (NP-42). */
function readPort(place: Place | undefined): number | string | undefined {
  if (place === undefined || typeof place.value !== 'string') return place && readPortNumber(place);
  const name = place.value;
  const fault = faultOfPortName(name);
  if (fault === undefined) return name;
  const hint = /^[0-9]{1,5}$/.test(name) ? `a number is written without quotes: ${name}` : undefined;
  place.report.error(place.path, `the port name ${quote(name)} ${fault}`, hint);
  return undefined;
}

function readEndPort(place: Place, port: number | string | undefined): number | undefined {
  const at = field(place, 'endPort');
  if (at === undefined) return undefined;
  const endPort = readPortNumber(at);
  if (field(place, 'port') === undefined) {
    at.report.error(at.path, 'needs port, the first port of the range');
  } else if (typeof port === 'string') {
    at.report.error(at.path, 'cannot follow a named port', 'give the range in numbers');
  } else if (endPort !== undefined && port !== undefined && endPort < port) {
    at.report.error(at.path, `must not be less than port, which is ${port}`);
  }
  return endPort;
}
