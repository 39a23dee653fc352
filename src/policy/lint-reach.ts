/** SL060 and SL061: pods that policies cut off from more than was probably meant. */
import { orderedPolicies, podsOf, selectsPod } from './cluster-steps.ts';
import { selectorCovers } from './covers.ts';
import type { DryRun } from './dry-run.ts';
import { isClusterPolicyKey } from './explain-tiers.ts';
import type { LintFinding, LintInput } from './lint-rules.ts';
import { keyOf, livePods, selectedPods, somePods, validPolicies } from './lint-subject.ts';
import type {
  ClusterNetworkPolicyProtocol,
  NetworkPolicy,
  NetworkPolicyPort,
  NetworkPolicyRule,
  Pod,
} from './model.ts';
import type { Direction } from './simulate.ts';

const DNS_PORT = 53;
/** One pod cannot be a namespace that was locked by mistake. */
const LOCKED_PODS_MIN = 2;

export function* checkReach({ dryRun }: LintInput): Generator<LintFinding> {
  const policies = validPolicies(dryRun);
  for (const policy of policies) {
    // What allows nothing at all was meant to cut off.
    if (policy.egress.length === 0) continue;
    const finding = dnsFinding(dryRun, policy, policies);
    if (finding !== undefined) yield finding;
  }
  yield* lockouts(dryRun, policies);
}

function dnsFinding(
  dryRun: DryRun,
  policy: NetworkPolicy,
  policies: readonly NetworkPolicy[],
): LintFinding | undefined {
  if (allowsDns(policy)) return undefined;
  const selected = selectedPods(dryRun, policy).filter(({ hostNetwork }) => !hostNetwork);
  const cut = selected.filter((pod) => {
    const others = dryRun.policiesOf(keyOf(pod)).egress;
    return !others.some((key) => allowsDns(dryRun.policies.get(key))) && !acceptsDns(dryRun, pod);
  });
  // Without pods: by what the selectors say.
  const isCut =
    selected.length > 0
      ? cut.length > 0
      : !policies.some(
          (other) =>
            other.namespace === policy.namespace &&
            allowsDns(other) &&
            selectorCovers(other.podSelector, policy.podSelector),
        );
  if (!isCut) return undefined;
  return {
    id: 'SL060',
    policy: keyOf(policy),
    path: 'spec.egress',
    message: `${cut.length === 0 ? 'its pods' : somePods(cut)} cannot ask for names: no egress rule allows port 53 over UDP or TCP to anyone`,
    hint: 'allow UDP and TCP 53 to the cluster’s DNS: namespaceSelector kubernetes.io/metadata.name=kube-system, podSelector k8s-app=kube-dns',
  };
}

/** An Admin rule goes before the policies that isolate the pod. */
function acceptsDns(dryRun: DryRun, pod: Pod): boolean {
  return orderedPolicies(dryRun).some(
    (policy) =>
      policy.tier === 'Admin' &&
      selectsPod(dryRun, podsOf(policy.subject), pod) &&
      policy.egress.some(({ action, protocols }) => action === 'Accept' && protocolsAllowDns(protocols)),
  );
}

function protocolsAllowDns(protocols: readonly ClusterNetworkPolicyProtocol[]): boolean {
  return protocols.length === 0 || protocols.some((one) => one.protocol === undefined || isDnsPort(one));
}

function allowsDns(policy: NetworkPolicy | undefined): boolean {
  return policy?.invalid !== true && (policy?.egress ?? []).some(ruleAllowsDns);
}

/** A named port counts: it may well be the DNS server's. */
function ruleAllowsDns({ ports }: NetworkPolicyRule): boolean {
  return ports.length === 0 || ports.some(isDnsPort);
}

function isDnsPort({ protocol, port, endPort }: NetworkPolicyPort): boolean {
  if (protocol === 'SCTP') return false;
  if (port === undefined || typeof port === 'string') return true;
  return port <= DNS_PORT && DNS_PORT <= (endPort ?? port);
}

function* lockouts(dryRun: DryRun, policies: readonly NetworkPolicy[]): Generator<LintFinding> {
  const byNamespace = new Map<string, Pod[]>();
  for (const pod of livePods(dryRun)) byNamespace.set(pod.namespace, [...(byNamespace.get(pod.namespace) ?? []), pod]);
  for (const [namespace, pods] of byNamespace) {
    if (pods.length < LOCKED_PODS_MIN) continue;
    const own = policies.filter((policy) => policy.namespace === namespace);
    for (const direction of ['ingress', 'egress'] as const) {
      const first = lockingPolicy(dryRun, direction, pods, own);
      if (first !== undefined) yield lockout(namespace, direction, pods.length, first);
    }
  }
}

function lockingPolicy(
  dryRun: DryRun,
  direction: Direction,
  pods: readonly Pod[],
  policies: readonly NetworkPolicy[],
): NetworkPolicy | undefined {
  const isLocked = pods.every((pod) =>
    dryRun.policiesOf(keyOf(pod))[direction].some((policy) => !isClusterPolicyKey(policy)),
  );
  if (!isLocked || policies.some((policy) => policy[direction].length > 0)) return undefined;
  const type = direction === 'ingress' ? 'Ingress' : 'Egress';
  return policies.find(({ policyTypes }) => policyTypes.includes(type));
}

function lockout(namespace: string, direction: Direction, pods: number, policy: NetworkPolicy): LintFinding {
  const what = direction === 'ingress' ? 'reach' : 'be reached by';
  return {
    id: 'SL061',
    policy: keyOf(policy),
    path: 'spec',
    message: `all ${pods} pods of namespace ${namespace} are isolated for ${direction} and no rule allows any: nobody can ${what} them`,
    hint: 'add policies that allow what the pods need',
  };
}
