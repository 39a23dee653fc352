/**
 * Why one end of a flow allows or denies it: which policies isolate the pod there, what each of their rules says, and for
 * a denial the near miss. The verdict is the compiler's.
 */
import type { DryRun, FlowProtocol, Party } from './dry-run.ts';
import { clusterMisses } from './explain-cluster-miss.ts';
import { type ClusterRule, decideByTiers, isClusterPolicyKey } from './explain-tiers.ts';
import { type Failure, peerFailures, portFailures } from './match.ts';
import type { NetworkPolicy, NetworkPolicyPeer, NetworkPolicyPort, NetworkPolicyRule, Pod } from './model.ts';
import type { Direction } from './simulate.ts';

/** The first packet of a new flow. Addresses in canonical text. */
export interface Flow {
  readonly source: string;
  readonly destination: string;
  readonly protocol: FlowProtocol;
  /** Without meaning for protocols that have none. */
  readonly port: number;
}

/** A rule by its policy, `namespace/name` or `cnp:NAME`, and its place in the policy's list of that direction. */
export interface RuleRef {
  readonly policy: string;
  readonly direction: Direction;
  readonly index: number;
}

/** The rule that came closest to allowing, and what it would have needed. */
export interface NearMiss {
  readonly rule: RuleRef;
  /** Peer and port of the rule that came closest; undefined: the rule names none. */
  readonly peerIndex: number | undefined;
  readonly portIndex: number | undefined;
  readonly failures: readonly Failure[];
}

export type EndReason =
  /** No policy isolates the pod in this direction. */
  | 'not-isolated'
  /** At least one rule allows. */
  | 'rule'
  /** Isolated, and no rule allows. */
  | 'no-rule'
  /** A rule of a ClusterNetworkPolicy allows or denies. */
  | 'cluster-rule'
  /** Two pods claim the subject's address: it is closed. */
  | 'unknown-pod';

export interface EndExplanation {
  readonly direction: Direction;
  /** Whose end it is, `namespace/name`. */
  readonly pod: string;
  readonly verdict: 'allow' | 'deny';
  readonly reason: EndReason;
  /** Policies that have a say: those that isolate the pod in this direction, and `cnp:NAME` of ClusterNetworkPolicies. */
  readonly policies: readonly string[];
  /** Those among them that failed validation: they isolate and allow nothing. */
  readonly invalid: readonly string[];
  /** Every rule that allows the flow. */
  readonly allowedBy: readonly RuleRef[];
  /** Of a denial, where there are rules that could have allowed: of NetworkPolicies, and Accept of ClusterNetworkPolicies. */
  readonly nearMiss: NearMiss | undefined;
  /** Some rule asks for an ipBlock, so the answer may depend on which address the peer has. */
  readonly blocksAsked: boolean;
  /** Of `cluster-rule`. */
  readonly clusterRule: ClusterRule | undefined;
}

/** Undefined when the pod is no subject: it has finished, or is on its node's network. */
export function explainEnd(dryRun: DryRun, direction: Direction, pod: Pod, flow: Flow): EndExplanation | undefined {
  const key = keyOf(pod);
  const peerAddress = direction === 'egress' ? flow.destination : flow.source;
  const verdict = dryRun.judge(key, direction, peerAddress, flow.protocol, flow.port);
  if (verdict === undefined) return undefined;
  const policies = dryRun.policiesOf(key)[direction];
  const isolating = policies.filter((policy) => !isClusterPolicyKey(policy));
  const tiers = isolating.length < policies.length ? decideByTiers(dryRun, direction, flow) : undefined;
  const clusterRule = tiers?.stage === 'cluster' ? tiers.rule : undefined;
  const objects = policies.flatMap((policy) => dryRun.policies.get(policy) ?? []);
  const party = dryRun.partyAt(peerAddress);
  const ruled = objects
    .flatMap((policy) => rulesOf(policy, direction))
    .map((rule) => {
      return { rule, miss: ruleMiss(dryRun, rule, direction, pod, party, flow) };
    });
  const allowedBy =
    clusterRule !== undefined
      ? []
      : ruled.filter(({ miss }) => miss.failures.length === 0).map(({ rule }) => refOf(rule));
  const misses = verdict === 'allow' ? [] : clusterRule === undefined ? ruled.map(({ miss }) => miss) : [];
  if (verdict === 'deny' && tiers !== undefined)
    misses.push(...clusterMisses(dryRun, direction, pod, party, flow, clusterRule));
  return {
    direction,
    pod: key,
    verdict,
    reason: clusterRule === undefined ? reasonOf(verdict, isolating) : 'cluster-rule',
    clusterRule,
    policies,
    invalid: objects.filter(({ invalid }) => invalid === true).map(keyOf),
    allowedBy,
    nearMiss: misses.toSorted((a, b) => distanceOf(a) - distanceOf(b))[0],
    blocksAsked: ruled.some(({ rule: { rule } }) => rule.peers.some(({ ipBlock }) => ipBlock !== undefined)),
  };
}

/** Closed without a policy that isolates: the address is another pod's, too. */
function reasonOf(verdict: 'allow' | 'deny', isolating: readonly string[]): EndReason {
  if (isolating.length === 0) return verdict === 'allow' ? 'not-isolated' : 'unknown-pod';
  return verdict === 'allow' ? 'rule' : 'no-rule';
}

interface PlacedRule {
  readonly policy: NetworkPolicy;
  readonly direction: Direction;
  readonly index: number;
  readonly rule: NetworkPolicyRule;
}

function rulesOf(policy: NetworkPolicy, direction: Direction): readonly PlacedRule[] {
  if (policy.invalid === true) return [];
  return policy[direction].map((rule, index) => ({ policy, direction, index, rule }));
}

function refOf({ policy, direction, index }: PlacedRule): RuleRef {
  return { policy: keyOf(policy), direction, index };
}

/** NP-9, NP-10: of all pairs of a peer and a port the one with the least that is wrong; no failures: the rule allows. */
function ruleMiss(
  dryRun: DryRun,
  placed: PlacedRule,
  direction: Direction,
  subject: Pod,
  party: Party,
  flow: Flow,
): NearMiss {
  const { rule, policy } = placed;
  const address = direction === 'egress' ? flow.destination : flow.source;
  const destination = direction === 'ingress' ? subject : party.kind === 'pod' ? party.pod : undefined;
  const question = { party, address, namespace: policy.namespace, namespaces: dryRun.namespaces };
  let best: NearMiss | undefined;
  for (const [peerIndex, peer] of orNone(rule.peers)) {
    const peerMisses = peer === undefined ? [] : peerFailures(peer, question);
    const throughBlock = direction === 'egress' && peer?.ipBlock !== undefined;
    for (const [portIndex, port] of orNone(rule.ports)) {
      const portMisses = port === undefined ? [] : portFailures(port, { ...flow, destination, throughBlock });
      const miss = { rule: refOf(placed), peerIndex, portIndex, failures: [...peerMisses, ...portMisses] };
      if (best === undefined || distanceOf(miss) < distanceOf(best)) best = miss;
    }
  }
  return best ?? { rule: refOf(placed), peerIndex: undefined, portIndex: undefined, failures: [] };
}

/** The items with their places; one without a place for a list that is empty, which means all. */
function orNone<T extends NetworkPolicyPeer | NetworkPolicyPort>(
  list: readonly T[],
): readonly (readonly [number | undefined, T | undefined])[] {
  return list.length === 0 ? [[undefined, undefined]] : list.map((item, i) => [i, item]);
}

function distanceOf({ failures }: NearMiss): number {
  return failures.reduce((sum, { distance }) => sum + distance, 0);
}

function keyOf({ namespace, name }: { readonly namespace: string; readonly name: string }): string {
  return `${namespace}/${name}`;
}
