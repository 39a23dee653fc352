/**
 * Whether one peer or port of a rule matches a flow, and if not, which terms failed, in words: what explanations are made
 * of. Verdicts are not made here; the compiler makes them, and a property test holds the two together.
 */
import { parseAddress } from '../net/address.ts';
import { containsAddress, parseCidr } from '../net/cidr.ts';
import type { Party } from './dry-run.ts';
import type {
  IpBlock,
  Labels,
  LabelSelector,
  LabelSelectorRequirement,
  Namespace,
  NetworkPolicyPeer,
  NetworkPolicyPort,
  Pod,
} from './model.ts';

/** One term that does not hold. */
export interface Failure {
  /** How far off it is: the rule with the smallest sum came closest. */
  readonly distance: number;
  /** Kind of term: failures of a kind are told once for many addresses. */
  readonly kind:
    | 'label'
    | 'namespace'
    | 'not-a-pod'
    | 'block'
    | 'except'
    | 'protocol'
    | 'port'
    | 'named-port'
    /** Of a ClusterNetworkPolicy (CNP-8). */
    | 'not-enforced'
    /** Of a ClusterNetworkPolicy: an earlier rule of its tier takes the flow. */
    | 'passed-on';
  readonly text: string;
}

export interface PeerQuestion {
  readonly party: Party;
  readonly address: string;
  /** Of the policy. */
  readonly namespace: string;
  readonly namespaces: ReadonlyMap<string, Namespace>;
}

export interface PortQuestion {
  readonly protocol: string;
  /** Without meaning for protocols that have none. */
  readonly port: number;
  /** Whose port names count: the destination's (NP-45). Undefined where it is no pod. */
  readonly destination: Pod | undefined;
  /** The destination is named by an ipBlock, and so has no port names (NP-48). */
  readonly throughBlock: boolean;
}

/** Another kind of thing altogether. */
export const FAR = 8;

/** NP-20, NP-21, NP-27, NP-60 to NP-62. Empty: it matches. */
export function peerFailures(peer: NetworkPolicyPeer, question: PeerQuestion): readonly Failure[] {
  const { party, address } = question;
  if (party.kind === 'unknown-pod') {
    return [fail(FAR, 'not-a-pod', `${address} is in a range of pods, but no one pod is known to have it`)];
  }
  if (peer.ipBlock !== undefined) return blockFailures(peer.ipBlock, address, party);
  if (party.kind !== 'pod')
    return [fail(FAR, 'not-a-pod', `${address} is ${whatItIs(party)}; selectors match pods only`)];
  const { pod } = party;
  return [...namespaceFailures(peer, pod, question), ...selectorFailures(peer.podSelector, pod.labels, 'label')];
}

export function whatItIs(party: Exclude<Party, { readonly kind: 'pod' }>): string {
  if (party.kind === 'node') return `an address of node ${party.nodes.join(', ')}`;
  return party.kind === 'outside' ? 'outside the cluster' : 'in a range of pods, but no one pod is known to have it';
}

function namespaceFailures(peer: NetworkPolicyPeer, pod: Pod, question: PeerQuestion): readonly Failure[] {
  if (peer.namespaceSelector === undefined) {
    if (pod.namespace === question.namespace) return [];
    const text = `namespace is ${pod.namespace}, and without a namespaceSelector only pods of ${question.namespace} match`;
    return [fail(2, 'namespace', text)];
  }
  const namespace = question.namespaces.get(pod.namespace);
  if (namespace === undefined) return [fail(2, 'namespace', `namespace ${pod.namespace} is not known`)];
  return selectorFailures(peer.namespaceSelector, namespace.labels, `namespace ${pod.namespace}: label`).map(
    (failure) => ({
      ...failure,
      kind: 'namespace',
    }),
  );
}

function blockFailures(block: IpBlock, address: string, party: Party): readonly Failure[] {
  if (!isInside(block.cidr, address)) {
    const distance = party.kind === 'pod' ? FAR : 2;
    return [fail(distance, 'block', `address ${address} is not in ${block.cidr}`)];
  }
  const except = block.except.find((text) => isInside(text, address));
  if (except === undefined) return [];
  return [fail(1, 'except', `address ${address} is excepted: it is in ${except}`)];
}

/** NP-40 to NP-48. Empty: it matches. */
export function portFailures(rule: NetworkPolicyPort, question: PortQuestion): readonly Failure[] {
  const { protocol, port, destination } = question;
  if (protocol !== rule.protocol) return [fail(2, 'protocol', `protocol ${protocol} is not ${rule.protocol}`)];
  if (rule.port === undefined) return [];
  if (typeof rule.port === 'number') {
    const last = rule.endPort ?? rule.port;
    if (port >= rule.port && port <= last) return [];
    if (last === rule.port) return [fail(1, 'port', `port ${port} is not ${rule.port}`)];
    return [fail(1, 'port', `port ${port} is not in ${rule.port}-${last}`)];
  }
  if (question.throughBlock) {
    return [fail(1, 'named-port', `the port name ${rule.port} matches nothing beside an ipBlock`)];
  }
  if (destination === undefined) {
    return [fail(1, 'named-port', `the port name ${rule.port} matches nothing at an address that is not a pod's`)];
  }
  return namedPortFailures(rule.port, rule, destination, port);
}

function namedPortFailures(name: string, rule: NetworkPolicyPort, pod: Pod, port: number): readonly Failure[] {
  const key = `${pod.namespace}/${pod.name}`;
  const named = pod.namedPorts.filter((known) => known.name === name);
  const numbers = named.filter(({ protocol }) => protocol === rule.protocol).map(({ containerPort }) => containerPort);
  if (numbers.includes(port)) return [];
  if (numbers.length > 0)
    return [fail(1, 'named-port', `port ${port} is not ${name}, which is ${numbers.join(' and ')} on ${key}`)];
  const other = named[0];
  const but = other === undefined ? '' : ` (its ${name} is ${other.protocol} ${other.containerPort})`;
  return [fail(1, 'named-port', `${key} declares no ${rule.protocol} port named ${name}${but}`)];
}

/** NP-22 to NP-24: every requirement that does not hold. `what` names the labels. */
export function selectorFailures(
  selector: LabelSelector | undefined,
  labels: Labels,
  what: string,
): readonly Failure[] {
  if (selector === undefined) return [];
  const failures: Failure[] = [];
  for (const [key, value] of Object.entries(selector.matchLabels)) {
    const text = requirementFailure({ key, operator: 'In', values: [value] }, labels, what);
    if (text !== undefined) failures.push(fail(1, 'label', text));
  }
  for (const requirement of selector.matchExpressions) {
    const text = requirementFailure(requirement, labels, what);
    if (text !== undefined) failures.push(fail(1, 'label', text));
  }
  return failures;
}

function requirementFailure(requirement: LabelSelectorRequirement, labels: Labels, what: string): string | undefined {
  const { key, operator, values } = requirement;
  const value = Object.hasOwn(labels, key) ? labels[key] : undefined;
  const list = values.length === 1 ? `${values[0]}` : `one of ${values.join(', ')}`;
  switch (operator) {
    case 'In':
      if (value === undefined) return `${what} ${key}=${values.join('|')} is missing`;
      return values.includes(value) ? undefined : `${what} ${key} is ${textOf(value)}, not ${list}`;
    case 'NotIn':
      if (values.length === 0) return `${what} ${key}: NotIn without values matches nothing`;
      return value !== undefined && values.includes(value)
        ? `${what} ${key} is ${textOf(value)}, which NotIn excludes`
        : undefined;
    case 'Exists':
      if (values.length > 0) return `${what} ${key}: Exists with values matches nothing`;
      return value === undefined ? `${what} ${key} is missing` : undefined;
    case 'DoesNotExist':
      if (values.length > 0) return `${what} ${key}: DoesNotExist with values matches nothing`;
      return value === undefined ? undefined : `${what} ${key} is there (${textOf(value)}) and must not be`;
  }
}

function textOf(value: string): string {
  return value === '' ? 'empty' : value;
}

export function fail(distance: number, kind: Failure['kind'], text: string): Failure {
  return { distance, kind, text };
}

export function isInside(cidr: string, address: string): boolean {
  const prefix = parseCidr(cidr);
  const parsed = parseAddress(address);
  return prefix !== undefined && parsed !== undefined && containsAddress(prefix, parsed);
}
