/** One peer of a rule of a ClusterNetworkPolicy: CNP-6, CNP-8. */
import { formatCidr } from '../net/cidr.ts';
import type { ClusterNetworkPolicyAction, ClusterNetworkPolicyPeer, NamespacedPods } from './model.ts';
import { readCidr } from './validate-address.ts';
import { checkFields } from './validate-field.ts';
import { type Place, expectObject, field, quote, readList, readString } from './validate-place.ts';
import { readLabelSelector } from './validate-selector.ts';

const NETWORKS_MAX = 25;
const NETWORK_CHARACTERS_MAX = 43;
const DOMAIN_NAMES_MAX = 25;
/** CNP-40. */
const DOMAIN_NAME = /^(\*\.)?([a-z0-9]([-a-z0-9]*[a-z0-9])?\.)+[a-z0-9]([-a-z0-9]*[a-z0-9])?\.?$/i;
const DOMAIN_NAME_CHARACTERS_MAX = 255;

/** Where the peer stands. */
export interface PeerContext {
  readonly direction: 'ingress' | 'egress';
  /** Undefined: not readable. */
  readonly action: ClusterNetworkPolicyAction | undefined;
}

const INGRESS_PEERS = ['namespaces', 'pods'];
const EGRESS_PEERS = ['namespaces', 'pods', 'networks', 'nodes', 'domainNames'];

/** Undefined, and reported, when any part of it is wrong. */
export function readClusterPeer(place: Place, context: PeerContext): ClusterNetworkPolicyPeer | undefined {
  if (!expectObject(place)) return undefined;
  const { report, path } = place;
  const before = report.errors;
  const known = context.direction === 'ingress' ? INGRESS_PEERS : EGRESS_PEERS;
  const onlyEgress = 'only an egress rule can have it';
  checkFields(place, known, {
    namespaceSelector: 'put it below pods, with podSelector beside it; alone it is called namespaces',
    podSelector: 'put it below pods, with namespaceSelector beside it',
    ipBlock: 'a ClusterNetworkPolicy has networks: [CIDR]',
    matchLabels: 'put it below namespaces',
    ...(context.direction === 'ingress' && { networks: onlyEgress, nodes: onlyEgress, domainNames: onlyEgress }),
  });
  const stated = known.filter((name) => field(place, name) !== undefined);
  if (stated.length > 1) report.error(path, `must have one of ${known.join(', ')}, has ${stated.join(' and ')}`);
  if (report.errors > before) return undefined;
  const peer = readStated(place, context);
  return report.errors > before ? undefined : peer;
}

/** CNP-3. Both selectors are required; empty ones select everything. */
export function readPods(place: Place): NamespacedPods | undefined {
  if (!expectObject(place)) return undefined;
  checkFields(place, ['namespaceSelector', 'podSelector'], {
    matchLabels: 'put it below namespaceSelector or podSelector',
  });
  const [namespaceSelector, podSelector] = (['namespaceSelector', 'podSelector'] as const).map((name) => {
    const at = field(place, name);
    if (at === undefined) place.report.error(`${place.path}.${name}`, 'is missing', `to select all: ${name}: {}`);
    return at && readLabelSelector(at);
  });
  return namespaceSelector && podSelector && { namespaceSelector, podSelector };
}

function readStated(place: Place, context: PeerContext): ClusterNetworkPolicyPeer | undefined {
  const namespaces = field(place, 'namespaces');
  if (namespaces !== undefined) return { namespaces: readLabelSelector(namespaces) };
  const pods = field(place, 'pods');
  if (pods !== undefined) {
    const read = readPods(pods);
    return read && { pods: read };
  }
  const networks = field(place, 'networks');
  if (networks !== undefined) return { networks: readNetworks(networks) };
  const nodes = field(place, 'nodes');
  if (nodes !== undefined) {
    warnNotEnforced(nodes, 'nodes is not enforced', context);
    return { nodes: readLabelSelector(nodes) };
  }
  const domainNames = field(place, 'domainNames');
  if (domainNames !== undefined) {
    warnNotEnforced(domainNames, 'domainNames is not enforced', context);
    return { domainNames: readDomainNames(domainNames, context) };
  }
  warnNotEnforced(place, 'says nothing that is understood', context);
  return {};
}

/** CNP-8. */
function warnNotEnforced({ path, report }: Place, what: string, { action }: PeerContext): void {
  const effect = action === 'Accept' ? 'the rule accepts nothing' : 'the rule denies all that it could be about';
  report.warn(path, `${what}: ${effect}`);
}

function readNetworks(place: Place): readonly string[] {
  const items = readList(place);
  if (items.length === 0) place.report.error(place.path, 'must name at least one CIDR');
  if (items.length > NETWORKS_MAX) {
    place.report.error(place.path, `has ${items.length} items; at most ${NETWORKS_MAX} are allowed`);
    return [];
  }
  const texts = items.map((item) => {
    if (typeof item.value === 'string' && item.value.length > NETWORK_CHARACTERS_MAX) {
      item.report.error(item.path, `must not be longer than ${NETWORK_CHARACTERS_MAX} characters`);
      return undefined;
    }
    const cidr = readCidr(item);
    return cidr && formatCidr(cidr);
  });
  return [...new Set(texts.filter((text) => text !== undefined))];
}

/** CNP-41: names can be accepted, not denied or passed. */
function readDomainNames(place: Place, { action }: PeerContext): readonly string[] {
  const { report, path } = place;
  if (action !== undefined && action !== 'Accept') {
    report.error(path, `cannot stand in a rule with action ${action}: only Accept knows domain names`);
  }
  const items = readList(place);
  if (items.length === 0) report.error(path, 'must name at least one domain');
  if (items.length > DOMAIN_NAMES_MAX) {
    report.error(path, `has ${items.length} items; at most ${DOMAIN_NAMES_MAX} are allowed`);
    return [];
  }
  return items.flatMap((item) => {
    const text = readString(item);
    if (text === undefined) return [];
    if (text.length <= DOMAIN_NAME_CHARACTERS_MAX && DOMAIN_NAME.test(text)) return text;
    item.report.error(item.path, `${quote(text)} is no domain name`, 'write it like example.com or *.example.com');
    return [];
  });
}
