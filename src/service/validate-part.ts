/** Parts that Services and EndpointSlices have in common: who they are, protocols, port names, addresses. */
import { formatAddress, parseAddress } from '../net/address.ts';
import { parseCidr } from '../net/cidr.ts';
import type { Protocol } from './model.ts';
import { field, isRecord, objectAt, type Place, quote, readChoice, readString } from './place.ts';

const PROTOCOLS: readonly Protocol[] = ['TCP', 'UDP', 'SCTP'];
const DNS_LABEL = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;
const DNS_LABEL_MAX = 63;
const DNS_SUBDOMAIN_MAX = 253;
/** Longest text of an address that is looked at. */
const ADDRESS_CHARACTERS_MAX = 100;

export interface Identity {
  /** `default` where none is named. */
  readonly namespace: string;
  readonly name: string;
  readonly labels: Place | undefined;
}

/**
 * Undefined when the object cannot be told from others: it is of another kind, has no name, or its namespace is no
 * namespace's name. A name of the wrong form is reported and kept.
 */
export function readIdentity(root: Place, kind: string, apiVersion: string): Identity | undefined {
  if (objectAt(root) === undefined || !isOfKind(root, kind, apiVersion)) return undefined;
  const { report } = root;
  if (field(root, 'metadata') === undefined) report.error('metadata', 'is missing');
  const metadata = objectAt(field(root, 'metadata'));
  if (metadata === undefined) return undefined;
  const name = readString(field(metadata, 'name'));
  if (name === '' || field(metadata, 'name') === undefined) report.error('metadata.name', 'is missing');
  const namespace = readNamespaceName(field(metadata, 'namespace'));
  if (name === undefined || name === '' || namespace === undefined) return undefined;
  if (!isDnsSubdomain(name)) report.error('metadata.name', `${quote(name)} is no name: use a-z, 0-9, "-" and "."`);
  return { namespace, name, labels: objectAt(field(metadata, 'labels')) };
}

/** Items of a list answer carry neither field, so absence is fine. */
function isOfKind(root: Place, kind: string, apiVersion: string): boolean {
  const stated = readString(field(root, 'kind')) ?? kind;
  const version = readString(field(root, 'apiVersion')) ?? apiVersion;
  if (stated === kind && version === apiVersion) return true;
  if (stated !== kind) root.report.error('kind', `is ${quote(stated)}, expected ${quote(kind)}`);
  else root.report.error('apiVersion', `is ${quote(version)}`, `write ${apiVersion}`);
  return false;
}

function readNamespaceName(place: Place | undefined): string | undefined {
  if (place === undefined || place.value === '') return 'default';
  const namespace = readString(place);
  if (namespace === undefined || isDnsLabel(namespace)) return namespace;
  place.report.error(place.path, `${quote(namespace)} is no namespace's name: use a-z, 0-9 and "-"`);
  return undefined;
}

function isDnsLabel(text: string): boolean {
  return text.length <= DNS_LABEL_MAX && DNS_LABEL.test(text);
}

function isDnsSubdomain(text: string): boolean {
  return text.length <= DNS_SUBDOMAIN_MAX && text.split('.').every((part) => DNS_LABEL.test(part));
}

/** Absent: TCP. */
export function readProtocol(place: Place | undefined): Protocol | undefined {
  return readChoice(place, PROTOCOLS, 'TCP');
}

/** Empty when absent. Undefined when it is no DNS label (reported). */
export function readPortName(place: Place | undefined): string | undefined {
  if (place === undefined) return '';
  const name = readString(place);
  if (name === undefined || name === '' || isDnsLabel(name)) return name;
  place.report.error(place.path, `the port name ${quote(name)} must consist of a-z, 0-9 and "-" between them`);
  return undefined;
}

/**
 * Canonical text, with the reading of leading zeros that the API has always had: they are decimal (reported as a
 * warning). Undefined when it is no address, or one that no pod can have: those would lead into the node itself.
 */
export function readAddress(place: Place): string | undefined {
  const { path, report } = place;
  const text = readString(place);
  if (text === undefined) return undefined;
  const usable = text.length <= ADDRESS_CHARACTERS_MAX && !text.includes('/');
  const cidr = usable ? parseCidr(`${text}/${text.includes(':') ? 128 : 32}`) : undefined;
  if (cidr === undefined) {
    report.error(path, `${quote(text)} is no IP address`, 'write it like 10.0.0.1 or fd00::1');
    return undefined;
  }
  const special = specialUse(cidr.bytes);
  if (special !== undefined) {
    report.error(path, `${quote(text)} is ${special}`, 'give the address of a pod or of a host outside');
    return undefined;
  }
  const canonical = formatAddress(cidr.bytes);
  const strict = parseAddress(text);
  if (strict === undefined || formatAddress(strict.bytes) !== canonical) {
    report.warn(path, `${quote(text)} is read as ${canonical}`, `write ${canonical}`);
  }
  return canonical;
}

/** What the API server refuses as the address of an endpoint or of a Service. */
function specialUse(bytes: Uint8Array): string | undefined {
  if (bytes.every((byte) => byte === 0)) return 'the unspecified address';
  const [first = 0, second = 0] = bytes;
  if (bytes.length === 4) {
    if (first === 127) return 'a loopback address';
    if (first === 169 && second === 254) return 'a link-local address';
    return first >= 224 ? 'a multicast or reserved address' : undefined;
  }
  if (bytes.subarray(0, 15).every((byte) => byte === 0) && bytes[15] === 1) return 'the loopback address';
  if (first === 0xfe && (second & 0xc0) === 0x80) return 'a link-local address';
  return first === 0xff ? 'a multicast address' : undefined;
}

/** Names inside hints: `[{ name: zone-a }]`. */
export function readNames(items: readonly Place[]): readonly string[] {
  const names = items.map((item) => (isRecord(item.value) ? readString(field(item, 'name')) : undefined));
  return names.filter((name) => name !== undefined && name !== '') as readonly string[];
}
