/** Short ways to write the objects that policy reads, with everything that does not matter defaulted. */
import { Compiler, type CompileResult, type CompilerOptions } from '../../src/policy/compiler.ts';
import type {
  ClusterChange,
  IpBlock,
  Labels,
  LabelSelector,
  LabelSelectorRequirement,
  LocalEndpoint,
  NamedPort,
  Namespace,
  NetworkPolicy,
  NetworkPolicyPeer,
  NetworkPolicyPort,
  NetworkPolicyRule,
  Node,
  Pod,
  PolicyType,
  Protocol,
} from '../../src/policy/model.ts';
import { TableReader, type Direction } from '../../src/policy/simulate.ts';

export const NODE = 'node-1';
export const IPPROTO: Readonly<Record<Protocol | 'ICMP' | 'ICMPv6' | 'GRE', number>> = {
  TCP: 6,
  UDP: 17,
  SCTP: 132,
  ICMP: 1,
  ICMPv6: 58,
  GRE: 47,
};

/** `shop/web` is pod web of namespace shop; a bare name is in namespace `default`. */
export function splitName(name: string): { readonly namespace: string; readonly name: string } {
  const [first = '', second] = name.split('/');
  return second === undefined ? { namespace: 'default', name: first } : { namespace: first, name: second };
}

export function makePod(name: string, fields: Partial<Pod> & { readonly ip?: string } = {}): Pod {
  const { ip, ...rest } = fields;
  return {
    ...splitName(name),
    uid: `uid-${name}`,
    nodeName: 'node-2',
    labels: { app: splitName(name).name },
    podIPs: ip === undefined ? [] : [ip],
    hostNetwork: false,
    terminal: false,
    namedPorts: [],
    ...rest,
  };
}

/** Labels always include the name (NP-25). */
export function makeNamespace(name: string, labels: Labels = {}): Namespace {
  return { name, labels: { 'kubernetes.io/metadata.name': name, ...labels } };
}

export function makeNode(name: string, fields: Partial<Node> = {}): Node {
  return { name, podCIDRs: [], addresses: [], ...fields };
}

export function makeEndpoint(id: number, pod: string, addresses: readonly string[], uid = `uid-${pod}`): LocalEndpoint {
  return { id, ...splitName(pod), uid, addresses };
}

/** Selector by matchLabels and, after them, matchExpressions. */
export function selector(
  matchLabels: Labels = {},
  ...matchExpressions: readonly LabelSelectorRequirement[]
): LabelSelector {
  return { matchLabels, matchExpressions };
}

export function requirement(
  key: string,
  operator: LabelSelectorRequirement['operator'],
  ...values: readonly string[]
): LabelSelectorRequirement {
  return { key, operator, values };
}

export interface PolicyFields {
  readonly subject?: LabelSelector;
  readonly types?: readonly PolicyType[];
  readonly ingress?: readonly NetworkPolicyRule[];
  readonly egress?: readonly NetworkPolicyRule[];
  readonly invalid?: true;
}

/** Types default to the directions that have rules, and to Ingress without any (NP-5). */
export function makePolicy(name: string, fields: PolicyFields = {}): NetworkPolicy {
  const { subject = selector(), ingress, egress, invalid } = fields;
  const implied: PolicyType[] =
    egress === undefined ? ['Ingress'] : ingress === undefined ? ['Egress'] : ['Egress', 'Ingress'];
  return {
    ...splitName(name),
    podSelector: subject,
    policyTypes: fields.types ?? implied,
    ingress: ingress ?? [],
    egress: egress ?? [],
    ...(invalid && { invalid }),
  };
}

export function rule(
  peers: readonly NetworkPolicyPeer[] = [],
  ports: readonly NetworkPolicyPort[] = [],
): NetworkPolicyRule {
  return { peers, ports };
}

export function pods(labels: Labels = {}, ...expressions: readonly LabelSelectorRequirement[]): NetworkPolicyPeer {
  return { podSelector: selector(labels, ...expressions) };
}

export function namespaces(labels: Labels = {}, podLabels?: Labels): NetworkPolicyPeer {
  const namespaceSelector = selector(labels);
  return podLabels === undefined ? { namespaceSelector } : { namespaceSelector, podSelector: selector(podLabels) };
}

export function block(cidr: string, ...except: readonly string[]): NetworkPolicyPeer {
  const ipBlock: IpBlock = { cidr, except };
  return { ipBlock };
}

export function port(value?: number | string, protocol: Protocol = 'TCP', endPort?: number): NetworkPolicyPort {
  return {
    protocol,
    ...(value !== undefined && { port: value }),
    ...(endPort !== undefined && { endPort }),
  };
}

export function namedPort(name: string, containerPort: number, protocol: Protocol = 'TCP'): NamedPort {
  return { name, containerPort, protocol };
}

export const set = {
  pod: (object: Pod): ClusterChange => ({ kind: 'Pod', op: 'set', object }),
  namespace: (object: Namespace): ClusterChange => ({ kind: 'Namespace', op: 'set', object }),
  policy: (object: NetworkPolicy): ClusterChange => ({ kind: 'NetworkPolicy', op: 'set', object }),
  node: (object: Node): ClusterChange => ({ kind: 'Node', op: 'set', object }),
  endpoint: (object: LocalEndpoint): ClusterChange => ({ kind: 'LocalEndpoint', op: 'set', object }),
  nodeAddresses: (...object: readonly string[]): ClusterChange => ({ kind: 'NodeAddresses', op: 'set', object }),
};

export const remove = {
  pod: (name: string): ClusterChange => ({ kind: 'Pod', op: 'delete', key: keyOf(name) }),
  policy: (name: string): ClusterChange => ({ kind: 'NetworkPolicy', op: 'delete', key: keyOf(name) }),
  namespace: (key: string): ClusterChange => ({ kind: 'Namespace', op: 'delete', key }),
  node: (key: string): ClusterChange => ({ kind: 'Node', op: 'delete', key }),
  endpoint: (id: number): ClusterChange => ({ kind: 'LocalEndpoint', op: 'delete', id }),
};

function keyOf(name: string): string {
  const split = splitName(name);
  return `${split.namespace}/${split.name}`;
}

/** A compiler that has taken some changes, and its newest result: changes in, verdicts out. */
export class Scenario {
  readonly compiler: Compiler;
  result: CompileResult;
  reader: TableReader;

  constructor(changes: readonly ClusterChange[], options: Partial<CompilerOptions> = {}) {
    this.compiler = new Compiler({ node: NODE, ...options });
    for (const change of changes) this.compiler.update(change);
    this.result = this.compiler.compile();
    this.reader = new TableReader(this.result.tables);
  }

  change(...changes: readonly ClusterChange[]): this {
    for (const change of changes) this.compiler.update(change);
    this.result = this.compiler.compile();
    this.reader = new TableReader(this.result.tables);
    return this;
  }

  /** Whether endpoint 1 may send to (egress) or receive from (ingress) the peer. */
  allows(direction: Direction, peer: string, destination: number | keyof typeof IPPROTO = 80, endpoint = 1): boolean {
    const [protocol, number] =
      typeof destination === 'number' ? (['TCP', destination] as const) : ([destination, 0] as const);
    return this.reader.judge(endpoint, direction, peer, IPPROTO[protocol], number) === 'allow';
  }

  /** The same for a port of any protocol. */
  allowsPort(direction: Direction, peer: string, protocol: Protocol, number: number, endpoint = 1): boolean {
    return this.reader.judge(endpoint, direction, peer, IPPROTO[protocol], number) === 'allow';
  }

  ruleSet(direction: Direction, endpoint = 1): number {
    const found = this.reader.ruleSetsOf(endpoint);
    if (found === undefined) throw new Error(`no endpoint ${endpoint}`);
    return found[direction];
  }
}

/** Endpoint 1 is local pod `web` (10.1.0.1); around it what the other changes say. */
export function webScenario(...changes: readonly ClusterChange[]): Scenario {
  return new Scenario([...webPod(), ...changes]);
}

export function webPod(fields: Partial<Pod> = {}): readonly ClusterChange[] {
  return [
    set.namespace(makeNamespace('default')),
    set.node(makeNode(NODE, { podCIDRs: ['10.1.0.0/24', 'fd01::/64'], addresses: ['192.168.0.1'] })),
    set.node(makeNode('node-2', { podCIDRs: ['10.2.0.0/24', 'fd02::/64'], addresses: ['192.168.0.2'] })),
    set.pod(makePod('web', { nodeName: NODE, podIPs: ['10.1.0.1'], ...fields })),
    set.endpoint(makeEndpoint(1, 'web', ['10.1.0.1', 'fd01::1'])),
  ];
}
