/** SL010 to SL012: whom policies select, and whom their peers match. */
import type { LintFinding, LintInput } from './lint-rules.ts';
import {
  keyOf,
  livePods,
  peerPods,
  peersField,
  rulesOf,
  selectedPods,
  somePods,
  validPolicies,
} from './lint-subject.ts';
import { selectorFailures } from './match.ts';
import type { NetworkPolicy, NetworkPolicyPeer } from './model.ts';
import { peerText } from './rule-text.ts';

/** Nothing is said of selections when the input has no pods at all. */
export function* checkSelection({ dryRun }: LintInput): Generator<LintFinding> {
  const hasPods = livePods(dryRun).length > 0;
  for (const policy of validPolicies(dryRun)) {
    const selected = selectedPods(dryRun, policy);
    if (selected.length === 0 && hasPods) yield selectsNothing(policy, dryRun);
    const onHost = selected.filter(({ hostNetwork }) => hostNetwork);
    if (onHost.length > 0) {
      yield {
        id: 'SL012',
        policy: keyOf(policy),
        path: 'spec.podSelector',
        message: `selects ${somePods(onHost)} on the network of its node: the policy is not enforced there`,
        hint: 'run the pod without hostNetwork, or select other pods',
      };
    }
    if (hasPods) yield* peersWithoutPods(policy, dryRun);
  }
}

function selectsNothing(policy: NetworkPolicy, dryRun: LintInput['dryRun']): LintFinding {
  const own = livePods(dryRun).filter(({ namespace }) => namespace === policy.namespace);
  const nearest = own
    .map((pod) => ({ pod, failures: selectorFailures(policy.podSelector, pod.labels, 'label') }))
    .sort((a, b) => a.failures.length - b.failures.length)[0];
  const closest =
    nearest === undefined
      ? `namespace ${policy.namespace} has no pods in the input`
      : `closest is ${keyOf(nearest.pod)}: ${nearest.failures.map(({ text }) => text).join(', ')}`;
  return {
    id: 'SL010',
    policy: keyOf(policy),
    path: 'spec.podSelector',
    message: `selects no pod (${closest})`,
    hint: 'a policy selects pods of its own namespace by their labels',
  };
}

function* peersWithoutPods(policy: NetworkPolicy, dryRun: LintInput['dryRun']): Generator<LintFinding> {
  for (const { rule, direction, path, key } of rulesOf(policy)) {
    for (const [index, peer] of rule.peers.entries()) {
      if (peer.ipBlock !== undefined || peerPods(dryRun, peer, policy.namespace).length > 0) continue;
      yield {
        id: 'SL011',
        policy: key,
        path: `${path}.${peersField(direction)}[${index}]`,
        message: `matches no pod of the input: ${peerText(peer, policy.namespace)}${otherNamespace(peer, policy, dryRun)}`,
        hint: 'add the pods to the input if they exist',
      };
    }
  }
}

/** A podSelector alone looks only into the policy's own namespace; often the pods are in another. */
function otherNamespace(peer: NetworkPolicyPeer, policy: NetworkPolicy, dryRun: LintInput['dryRun']): string {
  if (peer.namespaceSelector !== undefined || peer.podSelector === undefined) return '';
  const everywhere: NetworkPolicyPeer = { ...peer, namespaceSelector: { matchLabels: {}, matchExpressions: [] } };
  const elsewhere = peerPods(dryRun, everywhere, policy.namespace);
  return elsewhere.length === 0 ? '' : `; ${somePods(elsewhere)} would, with a namespaceSelector`;
}
