/**
 * policy.networking.k8s.io/v1alpha2 ClusterNetworkPolicy: CNP-1 to CNP-5. As with NetworkPolicies, one with any error is
 * never half applied: at its tier and priority it denies everything to and from the pods it selects, in the directions it
 * has rules for. What of that cannot be read is taken to be the widest: tier Admin, priority 0, every pod, both directions.
 */
import type {
  ClusterNetworkPolicy,
  ClusterNetworkPolicyAction,
  ClusterNetworkPolicyRule,
  ClusterNetworkPolicySubject,
  ClusterNetworkPolicyTier,
} from './model.ts';
import { type Read, Report } from './problem.ts';
import { readClusterPeer, readPods } from './validate-cluster-peer.ts';
import { readClusterProtocol } from './validate-cluster-protocol.ts';
import { checkFields } from './validate-field.ts';
import { CLUSTER_NETWORK_POLICY, readMetadata } from './validate-metadata.ts';
import { type Place, describe, expectObject, field, quote, readList, readString } from './validate-place.ts';
import { EMPTY_SELECTOR, readLabelSelector } from './validate-selector.ts';

const TIERS: readonly ClusterNetworkPolicyTier[] = ['Admin', 'Baseline'];
const ACTIONS: readonly ClusterNetworkPolicyAction[] = ['Accept', 'Deny', 'Pass'];
const PRIORITY_MAX = 1000;
/** Rules a direction, peers a rule, protocols a rule (CNP-4, CNP-5). */
const ITEMS_MAX = 25;
const RULE_NAME_CHARACTERS_MAX = 100;

type Spec = Omit<ClusterNetworkPolicy, 'name' | 'invalid'>;

const CLOSED: readonly ClusterNetworkPolicyRule[] = [{ name: '', action: 'Deny', peers: [{}], protocols: [] }];
const EVERY_POD: ClusterNetworkPolicySubject = { namespaces: EMPTY_SELECTOR };
const UNREADABLE: Spec = { tier: 'Admin', priority: 0, subject: EVERY_POD, ingress: CLOSED, egress: CLOSED };

/** Undefined object only when it has no usable name, or is of another kind; see ClusterNetworkPolicy.invalid. */
export function readClusterNetworkPolicy(raw: unknown): Read<ClusterNetworkPolicy> {
  const report = new Report();
  const root: Place = { path: '', value: raw, report };
  const metadata = readMetadata(root, CLUSTER_NETWORK_POLICY);
  if (metadata === undefined) return { object: undefined, problems: report.problems() };
  const before = report.errors;
  checkFields(root, ['apiVersion', 'kind', 'metadata', 'spec', 'status'], {
    tier: 'put it below spec',
    priority: 'put it below spec',
    subject: 'put it below spec',
    ingress: 'put it below spec',
    egress: 'put it below spec',
  });
  const spec = report.errors === before ? readSpec(root) : UNREADABLE;
  const { name } = metadata;
  const object: ClusterNetworkPolicy =
    report.errors === 0 ? { name, ...spec } : { name, ...spec, ...closed(spec), invalid: true };
  return { object, problems: report.problems() };
}

function closed({ ingress, egress }: Spec): Pick<Spec, 'ingress' | 'egress'> {
  return { ingress: ingress.length > 0 ? CLOSED : [], egress: egress.length > 0 ? CLOSED : [] };
}

function readSpec(root: Place): Spec {
  const { report } = root;
  const place = field(root, 'spec');
  if (place === undefined) report.error('spec', 'is missing');
  if (place === undefined || !expectObject(place)) return UNREADABLE;

  let before = report.errors;
  checkFields(place, ['tier', 'priority', 'subject', 'ingress', 'egress'], {
    from: 'put it in a rule below ingress',
    to: 'put it in a rule below egress',
    podSelector: 'put it below subject.pods',
    policyTypes: 'a ClusterNetworkPolicy isolates nobody: its rules alone count',
    namespaces: 'put it below subject',
    pods: 'put it below subject',
  });
  const fieldsKnown = report.errors === before;
  const tier = readTier(place);
  const priority = readPriority(place);
  before = report.errors;
  const subject = readSubject(place);
  const subjectKnown = report.errors === before && subject !== undefined;
  return {
    tier: tier ?? 'Admin',
    priority: priority ?? 0,
    subject: subjectKnown ? subject : EVERY_POD,
    ingress: readRules(place, 'ingress', fieldsKnown),
    egress: readRules(place, 'egress', fieldsKnown),
  };
}

function readTier(spec: Place): ClusterNetworkPolicyTier | undefined {
  return readChoice(spec, 'tier', TIERS);
}

/** One of a few words, required, exactly as written here. */
function readChoice<T extends string>(place: Place, name: string, choices: readonly T[]): T | undefined {
  const at = field(place, name);
  const path = `${place.path}.${name}`;
  if (at === undefined) place.report.error(path, `is missing; one of ${choices.join(', ')}`);
  const text = readString(at);
  if (text === undefined) return undefined;
  const choice = choices.find((known) => known === text);
  if (choice !== undefined) return choice;
  const meant = choices.find((known) => known.toLowerCase() === text.toLowerCase());
  const allow = text.toLowerCase() === 'allow' ? choices.find((known) => known === 'Accept') : undefined;
  const hint = meant ?? allow;
  place.report.error(path, `${quote(text)} is none of ${choices.join(', ')}`, hint && `write ${hint}`);
  return undefined;
}

function readPriority(spec: Place): number | undefined {
  const at = field(spec, 'priority');
  if (at === undefined) {
    spec.report.error('spec.priority', `is missing; a number from 0 to ${PRIORITY_MAX}, the lowest first`);
    return undefined;
  }
  const { value } = at;
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= PRIORITY_MAX) return value;
  at.report.error(at.path, `must be a number from 0 to ${PRIORITY_MAX}, is ${describe(value)}`);
  return undefined;
}

/** CNP-3. */
function readSubject(spec: Place): ClusterNetworkPolicySubject | undefined {
  const { report } = spec;
  const place = field(spec, 'subject');
  if (place === undefined) report.error('spec.subject', 'is missing', 'for every pod: namespaces: {}');
  if (place === undefined || !expectObject(place)) return undefined;
  checkFields(place, ['namespaces', 'pods'], {
    namespaceSelector: 'put it below pods, with podSelector beside it',
    podSelector: 'put it below pods, with namespaceSelector beside it',
    matchLabels: 'put it below namespaces',
  });
  const namespaces = field(place, 'namespaces');
  const pods = field(place, 'pods');
  if ((namespaces === undefined) === (pods === undefined)) {
    report.error('spec.subject', 'must have exactly one of namespaces and pods', 'for every pod: namespaces: {}');
    return undefined;
  }
  if (namespaces !== undefined) return { namespaces: readLabelSelector(namespaces) };
  const read = pods && readPods(pods);
  return read && { pods: read };
}

/** Where something that is not a list, or a misspelt field, may have been rules, one stands for them. */
function readRules(spec: Place, name: 'ingress' | 'egress', fieldsKnown: boolean): readonly ClusterNetworkPolicyRule[] {
  const place = field(spec, name);
  if (place === undefined) return fieldsKnown ? [] : CLOSED;
  const before = spec.report.errors;
  const rules = limited(place).map((item) => readRule(item, name));
  if (spec.report.errors > before) return CLOSED;
  return rules.filter((rule) => rule !== undefined);
}

/** Items of a list with at most ITEMS_MAX. */
function limited(place: Place | undefined): readonly Place[] {
  const items = readList(place);
  if (items.length <= ITEMS_MAX) return items;
  place?.report.error(place.path, `has ${items.length} items; at most ${ITEMS_MAX} are allowed`);
  return items.slice(0, ITEMS_MAX);
}

function readRule(place: Place, direction: 'ingress' | 'egress'): ClusterNetworkPolicyRule | undefined {
  if (!expectObject(place)) return undefined;
  const { report, path } = place;
  const before = report.errors;
  const [peersField, other] = direction === 'ingress' ? (['from', 'to'] as const) : (['to', 'from'] as const);
  const underPeers = `put it in a peer, below ${peersField}`;
  checkFields(place, ['name', 'action', 'protocols', peersField], {
    [other]: `the peers of an ${direction} rule are called ${peersField}`,
    ports: 'a ClusterNetworkPolicy has protocols: [{tcp: {destinationPort: {number: 80}}}]',
    namespaces: underPeers,
    pods: underPeers,
    networks: underPeers,
  });
  const name = readString(field(place, 'name')) ?? '';
  if (name.length > RULE_NAME_CHARACTERS_MAX) {
    report.error(`${path}.name`, `must not be longer than ${RULE_NAME_CHARACTERS_MAX} characters`);
  }
  const action = readChoice(place, 'action', ACTIONS);
  const peerPlaces = limited(field(place, peersField));
  if (peerPlaces.length === 0 && report.errors === before) {
    report.error(`${path}.${peersField}`, 'must name at least one peer', 'for every pod: namespaces: {}');
  }
  const peers = peerPlaces
    .map((item) => readClusterPeer(item, { direction, action }))
    .filter((peer) => peer !== undefined);
  const onlyPods = peers.every(({ namespaces, pods }) => namespaces !== undefined || pods !== undefined);
  const protocols = limited(field(place, 'protocols'))
    .map((item) => readClusterProtocol(item, onlyPods))
    .filter((protocol) => protocol !== undefined);
  const emptyProtocols = field(place, 'protocols') !== undefined && protocols.length === 0 && report.errors === before;
  if (emptyProtocols)
    report.error(`${path}.protocols`, 'must not be empty', 'leave it out for all protocols and ports');
  return action === undefined || report.errors > before ? undefined : { name, action, peers, protocols };
}
