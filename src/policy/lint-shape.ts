/** SL030 and SL032: ways to write a policy that mean something else than they look like. */
import type { LintFinding, LintInput } from './lint-rules.ts';
import { keyOf, peersField, rulesOf, validPolicies } from './lint-subject.ts';
import type { LabelSelector, NetworkPolicy } from './model.ts';
import { isRecord } from './validate-place.ts';

export function* checkShape({ dryRun, raw }: LintInput): Generator<LintFinding> {
  for (const policy of validPolicies(dryRun)) {
    const fields = raw(policy);
    if (fields !== undefined && impliesIngress(fields, policy)) {
      yield {
        id: 'SL030',
        policy: keyOf(policy),
        path: 'spec.egress',
        message: 'has egress rules and no policyTypes, so it isolates ingress as well, and allows none',
        hint: 'add policyTypes: [Egress], or [Ingress, Egress] if that is meant',
      };
    }
    yield* splitPeers(policy);
  }
}

/** NP-5: Ingress is always among the types that are not written. */
function impliesIngress(fields: Readonly<Record<string, unknown>>, policy: NetworkPolicy): boolean {
  const spec = fields['spec'];
  if (!isRecord(spec) || policy.egress.length === 0 || policy.ingress.length > 0) return false;
  const types = spec['policyTypes'];
  const areTypesWritten = Array.isArray(types) && types.length > 0;
  return !areTypesWritten && !Array.isArray(spec['ingress']);
}

/** A dash too many: `- namespaceSelector: ...` followed by `- podSelector: ...` (NP-21). */
function* splitPeers(policy: NetworkPolicy): Generator<LintFinding> {
  for (const { rule, direction, path, key } of rulesOf(policy)) {
    for (const [index, peer] of rule.peers.entries()) {
      const next = rule.peers[index + 1];
      if (next === undefined) continue;
      const isSplit =
        (isNarrow(peer.namespaceSelector) && peer.podSelector === undefined && isOnlyPods(next)) ||
        (isOnlyPods(peer) && isNarrow(next.namespaceSelector) && next.podSelector === undefined);
      if (!isSplit) continue;
      yield {
        id: 'SL032',
        policy: key,
        path: `${path}.${peersField(direction)}[${index + 1}]`,
        message: `is a peer beside the one before, not a part of it: every pod of those namespaces matches, and so do those pods in namespace ${policy.namespace}`,
        hint: 'to match those pods of those namespaces only, remove the dash so that both selectors are one peer',
      };
    }
  }
}

function isOnlyPods(peer: {
  readonly podSelector?: LabelSelector;
  readonly namespaceSelector?: LabelSelector;
}): boolean {
  return isNarrow(peer.podSelector) && peer.namespaceSelector === undefined;
}

/** Selects some, not all. */
function isNarrow(selector: LabelSelector | undefined): boolean {
  return (
    selector !== undefined && (Object.keys(selector.matchLabels).length > 0 || selector.matchExpressions.length > 0)
  );
}
