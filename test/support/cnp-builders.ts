/** Short ways to write ClusterNetworkPolicies, and a scenario that asks tables and oracle at once. */
import type {
  ClusterChange,
  ClusterNetworkPolicy,
  ClusterNetworkPolicyAction,
  ClusterNetworkPolicyPeer,
  ClusterNetworkPolicyProtocol,
  ClusterNetworkPolicyRule,
  Labels,
  LocalEndpoint,
  Protocol,
} from '../../src/policy/model.ts';
import {
  changeCluster,
  type Decision,
  emptyCluster,
  evaluateFlow,
  type FlowEvaluation,
  type OracleCluster,
} from '../../src/policy/oracle.ts';
import type { Direction } from '../../src/policy/simulate.ts';
import { IPPROTO, NODE, Scenario, selector } from './policy-builders.ts';

export function clusterPolicy(name: string, fields: Partial<ClusterNetworkPolicy> = {}): ClusterNetworkPolicy {
  return {
    name,
    tier: 'Admin',
    priority: 50,
    subject: { namespaces: selector() },
    ingress: [],
    egress: [],
    ...fields,
  };
}

export const setClusterPolicy = (name: string, fields: Partial<ClusterNetworkPolicy> = {}): ClusterChange => ({
  kind: 'ClusterNetworkPolicy',
  op: 'set',
  object: clusterPolicy(name, fields),
});

export const removeClusterPolicy = (key: string): ClusterChange => ({
  kind: 'ClusterNetworkPolicy',
  op: 'delete',
  key,
});

function ruleOf(action: ClusterNetworkPolicyAction) {
  return (
    peer: ClusterNetworkPolicyPeer | readonly ClusterNetworkPolicyPeer[],
    ...protocols: readonly ClusterNetworkPolicyProtocol[]
  ): ClusterNetworkPolicyRule => ({ name: '', action, peers: 'length' in peer ? peer : [peer], protocols });
}

type MakeRule = ReturnType<typeof ruleOf>;
export const accept: MakeRule = ruleOf('Accept');
export const deny: MakeRule = ruleOf('Deny');
export const pass: MakeRule = ruleOf('Pass');

export function inNamespaces(labels: Labels = {}): ClusterNetworkPolicyPeer {
  return { namespaces: selector(labels) };
}

export function podsIn(namespaceLabels: Labels, podLabels: Labels = {}): ClusterNetworkPolicyPeer {
  return { pods: { namespaceSelector: selector(namespaceLabels), podSelector: selector(podLabels) } };
}

export function networks(...cidrs: readonly string[]): ClusterNetworkPolicyPeer {
  return { networks: cidrs };
}

export function ports(protocol: Protocol, port: number, endPort?: number): ClusterNetworkPolicyProtocol {
  return { protocol, port, ...(endPort !== undefined && { endPort }) };
}

/** Judges by the compiler's tables and by the oracle; the two must agree. */
export class JudgedScenario {
  readonly #compiled: Scenario;
  #cluster: OracleCluster;

  constructor(changes: readonly ClusterChange[]) {
    this.#compiled = new Scenario(changes);
    this.#cluster = changes.reduce(changeCluster, emptyCluster(NODE));
  }

  get compiled(): Scenario {
    return this.#compiled;
  }

  change(...changes: readonly ClusterChange[]): this {
    this.#compiled.change(...changes);
    this.#cluster = changes.reduce(changeCluster, this.#cluster);
    return this;
  }

  /** Whether endpoint 1 may send to (egress) or receive from (ingress) the peer. */
  verdict(
    direction: Direction,
    peer: string,
    protocol: keyof typeof IPPROTO = 'TCP',
    port = 80,
  ): 'allow' | 'deny' | undefined {
    const told = this.#evaluate(direction, peer, protocol, port)[direction];
    const found = this.#compiled.reader.judge(1, direction, peer, IPPROTO[protocol], port);
    if (told !== found) throw new Error(`${direction} ${peer} ${protocol} ${port}: oracle ${told}, tables ${found}`);
    return found;
  }

  /** What decides it, by the oracle. */
  decision(direction: Direction, peer: string, port = 80): Decision | undefined {
    const told = this.#evaluate(direction, peer, 'TCP', port);
    return direction === 'egress' ? told.egressDecision : told.ingressDecision;
  }

  #evaluate(direction: Direction, peer: string, protocol: keyof typeof IPPROTO, port: number): FlowEvaluation {
    const own = this.#ownAddress(peer.includes(':'));
    const [source, destination] = direction === 'egress' ? [own, peer] : [peer, own];
    return evaluateFlow(this.#cluster, { source, destination, protocol: IPPROTO[protocol], destinationPort: port });
  }

  #ownAddress(isIpv6: boolean): string {
    const endpoint: LocalEndpoint | undefined = this.#cluster.endpoints.get(1);
    return endpoint?.addresses.find((address) => address.includes(':') === isIpv6) ?? '';
  }
}
