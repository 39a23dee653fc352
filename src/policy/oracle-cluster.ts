/**
 * The oracle's reading of ClusterNetworkPolicies: one rule after the other, tier after tier, as it is written (CNP-20 to
 * CNP-30). Like the rest of the oracle it shares no code with the compiler.
 *
 * A rule matches, does not, or may, because not enough is known: of a pod whose namespace is not known, or of an unknown
 * pod, of which only the address is. Then a flow passes only if it passes either way.
 */
import type {
  ClusterNetworkPolicy,
  ClusterNetworkPolicyPeer,
  ClusterNetworkPolicyProtocol,
  ClusterNetworkPolicyRule,
  ClusterNetworkPolicyTier,
  NamespacedPods,
  PolicyType,
} from './model.ts';
import {
  EVERYTHING,
  isInside,
  type OracleCluster,
  peerAddress,
  protocolOf,
  type Question,
  selects,
  type Verdict,
} from './oracle-question.ts';

/** Which rule, by its policy's name and its place in the policy's list, or which stage decided a flow. */
export type Decision =
  | { readonly stage: 'Admin' | 'Baseline'; readonly policy: string; readonly index: number }
  | { readonly stage: 'NetworkPolicy' | 'default' };

export interface Decided {
  readonly verdict: Verdict;
  readonly decision: Decision;
}

type Match = 'yes' | 'maybe' | 'no';
type Step = {
  readonly policy: string;
  readonly index: number;
  readonly rule: ClusterNetworkPolicyRule;
  readonly subject: Match;
};

/** `isolated`: the verdict of the NetworkPolicies that isolate the pod; undefined when none does. */
export function judgeTiers(question: Question, isolated: Verdict | undefined): Decided {
  const fallback = (): Decided => ({ verdict: 'allow', decision: { stage: 'default' } });
  const behindAdmin = (): Decided =>
    isolated === undefined
      ? walk('Baseline', stepsOf('Baseline', question), question, fallback)
      : { verdict: isolated, decision: { stage: 'NetworkPolicy' } };
  return walk('Admin', stepsOf('Admin', question), question, behindAdmin);
}

/** CNP-2: by priority, then by name; CNP-4: then as written. */
function stepsOf(tier: ClusterNetworkPolicyTier, question: Question): readonly Step[] {
  const policies = [...question.cluster.clusterPolicies.values()].filter((policy) => policy.tier === tier);
  policies.sort((a, b) => a.priority - b.priority || (a.name < b.name ? -1 : 1));
  return policies.flatMap((policy) => {
    const subject = subjectMatch(policy, question);
    const rules = question.type === 'Ingress' ? policy.ingress : policy.egress;
    return rules.map((rule, index): Step => ({ policy: policy.name, index, rule, subject }));
  });
}

function subjectMatch({ subject }: ClusterNetworkPolicy, { cluster, subject: pod }: Question): Match {
  return podMatch(podsOf(subject), cluster, pod);
}

/** The verdict of the rest of a tier; `next` is that of the tiers behind it. */
function walk(
  stage: ClusterNetworkPolicyTier,
  steps: readonly Step[],
  question: Question,
  next: () => Decided,
): Decided {
  for (const [i, { policy, index, rule, subject }] of steps.entries()) {
    const decision = { stage, policy, index };
    const { action, match } = ruleMatch(rule, question);
    const whole = weaker(subject, match);
    if (whole === 'no') continue;
    if (action === 'Deny') return { verdict: 'deny', decision };
    if (whole === 'yes') return action === 'Accept' ? { verdict: 'allow', decision } : next();
    if (action === 'Accept') continue;
    const passed = next();
    return passed.verdict === 'deny' ? passed : walk(stage, steps.slice(i + 1), question, next);
  }
  return next();
}

/** CNP-8: a rule with a peer that is not understood accepts nothing, and otherwise denies all it could be about. */
function ruleMatch(
  { action, peers, protocols }: ClusterNetworkPolicyRule,
  question: Question,
): { readonly action: ClusterNetworkPolicyRule['action']; readonly match: Match } {
  const understood = peers.every(({ namespaces, pods, networks }) => namespaces ?? pods ?? networks);
  if (!understood && action === 'Accept') return { action, match: 'no' };
  let match: Match = 'no';
  for (const peer of peers) {
    const ofPeer = peerMatch(peer, question);
    const ofPort =
      protocols.length === 0 ? 'yes' : strongest(protocols.map((one) => protocolMatch(one, peer, question)));
    match = strongest([match, weaker(ofPeer, ofPort)]);
  }
  return { action: understood ? action : 'Deny', match };
}

/** CNP-6, CNP-27, CNP-28. */
function peerMatch(peer: ClusterNetworkPolicyPeer, question: Question): Match {
  const party = question.peer;
  if (peer.networks !== undefined) {
    if (!peer.networks.some((network) => isInside(network, peerAddress(question)))) return 'no';
    return party.kind === 'unknown pod' ? 'maybe' : 'yes';
  }
  if (peer.namespaces !== undefined || peer.pods !== undefined) {
    if (party.kind === 'unknown pod') return 'maybe';
    return party.kind === 'pod' ? podMatch(podsOf(peer), question.cluster, party.pod) : 'no';
  }
  return peer.nodes !== undefined && party.kind === 'pod' ? 'no' : 'maybe';
}

function podsOf({ namespaces, pods }: ClusterNetworkPolicyPeer): NamespacedPods {
  return pods ?? { namespaceSelector: namespaces ?? EVERYTHING, podSelector: EVERYTHING };
}

function podMatch(
  { namespaceSelector, podSelector }: NamespacedPods,
  cluster: OracleCluster,
  pod: Question['subject'],
): Match {
  if (!selects(podSelector, pod.labels)) return 'no';
  const namespace = cluster.namespaces.get(pod.namespace);
  if (namespace === undefined) return 'maybe';
  return selects(namespaceSelector, namespace.labels) ? 'yes' : 'no';
}

/** CNP-7, CNP-29, CNP-30. */
function protocolMatch(rule: ClusterNetworkPolicyProtocol, peer: ClusterNetworkPolicyPeer, question: Question): Match {
  const { flow, type } = question;
  const protocol = protocolOf(flow);
  if (protocol === undefined) return 'no';
  if (rule.protocol !== undefined) {
    const last = rule.endPort ?? rule.port;
    const within = flow.destinationPort >= rule.port && flow.destinationPort <= last;
    return rule.protocol === protocol && within ? 'yes' : 'no';
  }
  const destination = destinationOf(type, question, peer);
  if (destination === undefined) return 'maybe';
  const declares = destination.namedPorts.some(
    (named) =>
      named.name === rule.destinationNamedPort &&
      named.protocol === protocol &&
      named.containerPort === flow.destinationPort,
  );
  return declares ? 'yes' : 'no';
}

/** Whose port names count; undefined where they are not known. */
function destinationOf(
  type: PolicyType,
  question: Question,
  peer: ClusterNetworkPolicyPeer,
): Question['subject'] | undefined {
  if (type === 'Ingress') return question.subject;
  const byPod = peer.namespaces !== undefined || peer.pods !== undefined;
  return byPod && question.peer.kind === 'pod' ? question.peer.pod : undefined;
}

function strongest(matches: readonly Match[]): Match {
  if (matches.includes('yes')) return 'yes';
  return matches.includes('maybe') ? 'maybe' : 'no';
}

function weaker(a: Match, b: Match): Match {
  if (a === 'no' || b === 'no') return 'no';
  return a === 'maybe' || b === 'maybe' ? 'maybe' : 'yes';
}
