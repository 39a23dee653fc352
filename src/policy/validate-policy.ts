/**
 * networking.k8s.io/v1 NetworkPolicy: NP-1, NP-5 to NP-9, NP-11. A policy with any error is never half applied: it
 * isolates whom it selects, as far as that could be read, and allows nothing.
 */
import type { LabelSelector, NetworkPolicy, NetworkPolicyRule, PolicyType } from './model.ts';
import { type Read, Report } from './problem.ts';
import { checkFields } from './validate-field.ts';
import { NETWORK_POLICY, readMetadata } from './validate-metadata.ts';
import { readPeer } from './validate-peer.ts';
import { type Place, describe, expectObject, field, quote, readList, readString } from './validate-place.ts';
import { readPolicyPort } from './validate-port.ts';
import { EMPTY_SELECTOR, readLabelSelector } from './validate-selector.ts';

const TYPES: readonly PolicyType[] = ['Egress', 'Ingress'];
const POLICY_TYPES_MAX = 2;

interface Spec {
  readonly podSelector: LabelSelector;
  readonly policyTypes: readonly PolicyType[];
  readonly ingress: readonly NetworkPolicyRule[];
  readonly egress: readonly NetworkPolicyRule[];
}

/** Everyone in the namespace, both ways. */
const UNREADABLE: Spec = { podSelector: EMPTY_SELECTOR, policyTypes: TYPES, ingress: [], egress: [] };

/** Undefined object only when it has no usable name or namespace, or is of another kind; see NetworkPolicy.invalid. */
export function readNetworkPolicy(raw: unknown): Read<NetworkPolicy> {
  const report = new Report();
  const root: Place = { path: '', value: raw, report };
  const metadata = readMetadata(root, NETWORK_POLICY);
  if (metadata === undefined) return { object: undefined, problems: report.problems() };
  const before = report.errors;
  // `status` existed for a while and may still be stored (NP-12).
  checkFields(root, ['apiVersion', 'kind', 'metadata', 'spec', 'status'], {
    podSelector: 'put it below spec',
    policyTypes: 'put it below spec',
    ingress: 'put it below spec',
    egress: 'put it below spec',
  });
  // An unknown field beside spec may be the selector itself, in the wrong place.
  const spec = report.errors === before ? readSpec(root) : UNREADABLE;
  const { name, namespace } = metadata;
  const object: NetworkPolicy =
    report.errors === 0
      ? { namespace, name, ...spec }
      : { namespace, name, ...spec, ingress: [], egress: [], invalid: true };
  return { object, problems: report.problems() };
}

function readSpec(root: Place): Spec {
  const { report } = root;
  const place = field(root, 'spec');
  if (place === undefined) {
    report.warn('spec', 'is missing: no pod of the namespace can be reached', 'write what the policy allows');
    return { podSelector: EMPTY_SELECTOR, policyTypes: ['Ingress'], ingress: [], egress: [] };
  }
  if (!expectObject(place)) return UNREADABLE;

  let before = report.errors;
  checkFields(place, ['podSelector', 'policyTypes', 'ingress', 'egress'], {
    from: 'put it in a rule below ingress',
    to: 'put it in a rule below egress',
    ports: 'put it in a rule below ingress or egress',
    matchLabels: 'put it below podSelector',
  });
  const fieldsKnown = report.errors === before;

  before = report.errors;
  const selector = readLabelSelector(field(place, 'podSelector'));
  const selectorKnown = report.errors === before && (fieldsKnown || field(place, 'podSelector') !== undefined);

  const policyTypes = readPolicyTypes(place, fieldsKnown);
  const ingress = readRules(place, 'ingress', 'from');
  const egress = readRules(place, 'egress', 'to');
  warnOfUnusedRules(place, policyTypes);
  return {
    podSelector: selectorKnown ? selector : EMPTY_SELECTOR,
    policyTypes,
    ingress: policyTypes.includes('Ingress') ? ingress : [],
    egress: policyTypes.includes('Egress') ? egress : [],
  };
}

/** Effective types, sorted (NP-5, NP-6, NP-7). Both when they cannot be read. */
function readPolicyTypes(spec: Place, fieldsKnown: boolean): readonly PolicyType[] {
  const { report } = spec;
  const place = field(spec, 'policyTypes');
  const before = report.errors;
  const items = readList(place);
  if (items.length > POLICY_TYPES_MAX) report.error('spec.policyTypes', `has more than ${POLICY_TYPES_MAX} entries`);
  const stated = items.slice(0, POLICY_TYPES_MAX).map(readPolicyType);
  if (report.errors > before) return TYPES;
  if (stated.length > 0) return TYPES.filter((type) => stated.includes(type));
  if (!fieldsKnown) return TYPES;
  const egress = field(spec, 'egress');
  const hasEgress = egress !== undefined && !(Array.isArray(egress.value) && egress.value.length === 0);
  return hasEgress ? TYPES : ['Ingress'];
}

function readPolicyType(place: Place): PolicyType | undefined {
  const text = readString(place);
  if (text === undefined) return undefined;
  const type = TYPES.find((known) => known === text);
  if (type !== undefined) return type;
  const meant = TYPES.find((known) => known.toLowerCase() === text.toLowerCase());
  place.report.error(place.path, `${quote(text)} is neither Ingress nor Egress`, meant && `write ${meant}`);
  return undefined;
}

/** Rules that say nothing because their direction is not in effect are a common surprise (NP-5, NP-6). */
function warnOfUnusedRules(spec: Place, policyTypes: readonly PolicyType[]): void {
  for (const [name, type] of [
    ['ingress', 'Ingress'],
    ['egress', 'Egress'],
  ] as const) {
    const place = field(spec, name);
    if (place === undefined || policyTypes.includes(type)) continue;
    const message = `has no effect: ${type} is not among the policyTypes, so this policy does not isolate ${name}`;
    place.report.warn(place.path, message, `add ${type} to policyTypes, or remove ${name}`);
  }
}

function readRules(spec: Place, name: 'ingress' | 'egress', peers: 'from' | 'to'): readonly NetworkPolicyRule[] {
  return readList(field(spec, name))
    .map((place) => readRule(place, peers))
    .filter((rule) => rule !== undefined);
}

/** Empty lists and absent ones are the same: all (NP-9, NP-11). */
function readRule(place: Place, peersField: 'from' | 'to'): NetworkPolicyRule | undefined {
  if (place.value === null) {
    place.report.error(place.path, `must be an object, is ${describe(null)}`, 'to allow everything write {}');
    return undefined;
  }
  if (!expectObject(place)) return undefined;
  const [other, direction] = peersField === 'from' ? ['to', 'ingress'] : ['from', 'egress'];
  const underPeers = `put it in a peer, below ${peersField}`;
  checkFields(place, ['ports', peersField], {
    [other]: `the peers of an ${direction} rule are called ${peersField}`,
    podSelector: underPeers,
    namespaceSelector: underPeers,
    ipBlock: underPeers,
    port: 'put it in an entry below ports',
    protocol: 'put it in an entry below ports',
  });
  const peers = readList(field(place, peersField)).map(readPeer);
  const ports = readList(field(place, 'ports')).map(readPolicyPort);
  return {
    peers: peers.filter((peer) => peer !== undefined),
    ports: ports.filter((port) => port !== undefined),
  };
}
