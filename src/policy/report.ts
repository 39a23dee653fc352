/** Finds the problems of one compile, from what the parts of the compiler know after it. */
import { formatAddressKey } from './address-key.ts';
import { type AddressRecord, podsOf } from './address-book.ts';
import { POLICIES_NAMED, PROBLEMS_REPORTED, type CompileProblem } from './compile-problem.ts';
import { LIMIT_ADDRESSES, LIMIT_PREFIXES, LIMIT_ROWS } from './ids.ts';
import type { CompiledClusterPolicy } from './cluster-policy.ts';
import type { PriorityTie } from './cluster-policy-index.ts';
import type { PolicyType } from './model.ts';
import type { EndpointRecord } from './records.ts';
import type { CompiledPolicy } from './rule-content.ts';
import type { CompiledRule } from './rule-pool.ts';

export interface Findings {
  /** Elements of the tables. */
  readonly sizes: { readonly rows: number; readonly prefixes: number; readonly addresses: number };
  readonly endpoints: Iterable<EndpointRecord>;
  readonly contested: Iterable<AddressRecord>;
  /** In use; a walk over all of them, made only where it is needed. */
  readonly policies: () => ReadonlySet<CompiledPolicy | CompiledClusterPolicy>;
  /** Those of them with texts that could not be read. */
  readonly unreadablePolicies: Iterable<CompiledPolicy | CompiledClusterPolicy>;
  readonly ties: Iterable<PriorityTie>;
  /** Texts by the object they are in. */
  readonly unreadable: ReadonlyMap<string, readonly string[]>;
  readonly portClasses: { readonly taken: number; readonly missing: number; readonly limit: number };
}

export function findProblems(findings: Findings): CompileProblem[] {
  return [
    ...limits(findings),
    ...unknownPods(findings.endpoints),
    ...contestedAddresses(findings.contested).take(PROBLEMS_REPORTED),
    ...priorityTies(findings.ties).take(PROBLEMS_REPORTED),
    ...unreadableTexts(findings).take(PROBLEMS_REPORTED),
  ];
}

function* limits({ sizes, policies, portClasses }: Findings): Generator<CompileProblem> {
  if (portClasses.missing > 0) {
    const needed = portClasses.taken + portClasses.missing;
    yield limit('LIMIT_PORT_CLASSES', 'port classes', needed, portClasses.limit, mostOf(policies(), countPorts));
  }
  const { rows, prefixes, addresses } = sizes;
  if (rows > LIMIT_ROWS) yield limit('LIMIT_ROWS', 'verdict rows', rows, LIMIT_ROWS, mostOf(policies(), countPeers));
  if (prefixes > LIMIT_PREFIXES) {
    yield limit('LIMIT_PREFIXES', 'prefixes', prefixes, LIMIT_PREFIXES, mostOf(policies(), countPrefixes));
  }
  if (addresses > LIMIT_ADDRESSES) yield limit('LIMIT_ADDRESSES', 'addresses', addresses, LIMIT_ADDRESSES, []);
}

type CountedRule = Pick<CompiledRule, 'peers' | 'ports'>;
type Limit = Extract<CompileProblem, { kind: 'limit' }>;

function limit(
  name: Limit['limit'],
  what: string,
  needed: number,
  available: number,
  policies: readonly string[],
): CompileProblem {
  const cause = policies.length === 0 ? '' : `; most are needed by ${policies.join(', ')}`;
  const message = `the policies of this node's pods need ${needed} ${what}, ${available} fit${cause}`;
  return { kind: 'limit', limit: name, needed, available, policies, message };
}

function mostOf(policies: ReturnType<Findings['policies']>, count: (rule: CountedRule) => number): string[] {
  const directions: readonly PolicyType[] = ['Ingress', 'Egress'];
  const counted = Array.from(policies, (policy) => ({
    key: policy.key,
    count: directions
      .flatMap((direction): readonly CountedRule[] => policy.rules(direction))
      .reduce((sum, rule) => sum + count(rule), 0),
  }));
  counted.sort((a, b) => b.count - a.count || (a.key < b.key ? -1 : 1));
  return counted.slice(0, POLICIES_NAMED).map(({ key }) => key);
}

function countPorts({ ports }: CountedRule): number {
  return ports.terms.length + ports.names.length;
}

function countPeers({ peers }: CountedRule): number {
  return peers.length;
}

function countPrefixes({ peers }: CountedRule): number {
  return peers.reduce((sum, peer) => sum + (peer.kind === 'block' ? 1 + peer.excepts.length : 0), 0);
}

function* unknownPods(endpoints: Iterable<EndpointRecord>): Generator<CompileProblem> {
  for (const { id, pod, endpoint } of endpoints) {
    if (pod !== undefined) continue;
    const name = `${endpoint.namespace}/${endpoint.name}`;
    const message = `endpoint ${id} is closed: pod ${name}${endpoint.uid === '' ? '' : ` with uid ${endpoint.uid}`} is not known or not running`;
    yield { kind: 'unknown-pod', endpoint: id, pod: name, message };
  }
}

function* contestedAddresses(records: Iterable<AddressRecord>): Generator<CompileProblem> {
  for (const record of records) {
    const claimants = [
      ...record.endpoints.map(({ id }) => `endpoint ${id}`),
      ...podsOf(record).map(({ key }) => `pod ${key}`),
      ...(record.ownNode ? ['node'] : []),
    ].sort();
    const address = formatAddressKey(record.key);
    const message = `${address} is claimed by ${claimants.join(', ')}`;
    yield { kind: 'contested-address', address, claimants, message };
  }
}

function* priorityTies(ties: Iterable<PriorityTie>): Generator<CompileProblem> {
  for (const { tier, priority, policies } of ties) {
    const message = `tier ${tier}, priority ${priority} is that of ${policies.join(', ')}: the order of their names decides`;
    yield { kind: 'priority-tie', policies, message };
  }
}

function* unreadableTexts({ unreadable, unreadablePolicies }: Findings): Generator<CompileProblem> {
  for (const [object, texts] of unreadable) for (const text of texts) yield unreadableText(object, text);
  for (const policy of unreadablePolicies)
    for (const text of policy.unreadable) yield unreadableText(`policy ${policy.key}`, text);
}

function unreadableText(object: string, text: string): CompileProblem {
  const message = `${object}: ${JSON.stringify(text)} is not an address or prefix; left out`;
  return { kind: 'unreadable', object, text, message };
}
