/**
 * Which ClusterNetworkPolicy rule decided one end of a flow, read from the objects tier after tier (CNP-20). Asked only
 * where such a policy has a say; the verdict itself is the compiler's.
 */
import type { DryRun } from './dry-run.ts';
import type { Flow } from './explain.ts';
import type { ClusterNetworkPolicyAction, LocalEndpoint } from './model.ts';
import { type Decision, evaluateFlow, type OracleCluster } from './oracle.ts';
import type { Direction } from './simulate.ts';

/** A rule of a ClusterNetworkPolicy. */
export interface ClusterRule {
  /** Its name. */
  readonly policy: string;
  readonly direction: Direction;
  readonly index: number;
  readonly tier: 'Admin' | 'Baseline';
  readonly action: ClusterNetworkPolicyAction;
  /** The policy failed validation: it denies. */
  readonly invalid: boolean;
}

export type TierDecision =
  | { readonly stage: 'cluster'; readonly rule: ClusterRule }
  /** NetworkPolicies decide. */
  | { readonly stage: 'NetworkPolicy' }
  /** Nobody denies. */
  | { readonly stage: 'default' };

const CLUSTER_POLICY = 'cnp:';

export function isClusterPolicyKey(key: string): boolean {
  return key.startsWith(CLUSTER_POLICY);
}

/** The name in such a key. */
export function clusterPolicyName(key: string): string {
  return key.slice(CLUSTER_POLICY.length);
}

const clusters = new WeakMap<DryRun, OracleCluster>();

/** Undefined where the objects do not say: the subject's address is another pod's, too. */
export function decideByTiers(dryRun: DryRun, direction: Direction, flow: Flow): TierDecision | undefined {
  const { source, destination, protocol, port } = flow;
  const told = evaluateFlow(clusterOf(dryRun), { source, destination, protocol, destinationPort: port });
  const decision = direction === 'egress' ? told.egressDecision : told.ingressDecision;
  return decision && asTierDecision(dryRun, direction, decision);
}

function asTierDecision(dryRun: DryRun, direction: Direction, decision: Decision): TierDecision {
  if (decision.stage !== 'Admin' && decision.stage !== 'Baseline') return { stage: decision.stage };
  const { policy, index, stage: tier } = decision;
  const object = dryRun.clusterPolicies.get(policy);
  const action = object?.[direction][index]?.action ?? 'Deny';
  return { stage: 'cluster', rule: { policy, direction, index, tier, action, invalid: object?.invalid === true } };
}

function clusterOf(dryRun: DryRun): OracleCluster {
  const known = clusters.get(dryRun);
  if (known !== undefined) return known;
  const endpoints = new Map<number, LocalEndpoint>();
  for (const [key, { namespace, name, uid, podIPs }] of dryRun.pods) {
    const id = dryRun.endpointOf(key);
    if (id !== undefined) endpoints.set(id, { id, namespace, name, uid, addresses: podIPs });
  }
  const { namespaces, pods, policies, clusterPolicies, nodes } = dryRun;
  const cluster = { namespaces, pods, policies, clusterPolicies, nodes, endpoints, nodeName: '', nodeAddresses: [] };
  clusters.set(dryRun, cluster);
  return cluster;
}
