/** SL040 and SL041: port names that resolve to nothing (NP-45 to NP-48). */
import type { LintFinding, LintInput } from './lint-rules.ts';
import { livePods, peerPods, type RulePlace, rulesOf, selectedPods, somePods, validPolicies } from './lint-subject.ts';
import type { NetworkPolicyPort, Pod } from './model.ts';

export function* checkPorts({ dryRun }: LintInput): Generator<LintFinding> {
  for (const place of validPolicies(dryRun).flatMap(rulesOf)) {
    for (const [index, port] of place.rule.ports.entries()) {
      if (typeof port.port !== 'string') continue;
      const path = `${place.path}.ports[${index}].port`;
      const blocks = place.rule.peers.filter(({ ipBlock }) => ipBlock !== undefined);
      if (place.direction === 'egress' && blocks.length > 0) yield besideBlock(place, path, port);
      if (blocks.length > 0 && blocks.length === place.rule.peers.length && place.direction === 'egress') continue;
      const finding = unknownName(dryRun, place, path, port);
      if (finding !== undefined) yield finding;
    }
  }
}

function besideBlock({ key }: RulePlace, path: string, { port }: NetworkPolicyPort): LintFinding {
  return {
    id: 'SL041',
    policy: key,
    path,
    message: `${port} matches nothing at the addresses of an ipBlock: only pods declare port names`,
    hint: 'give the number',
  };
}

/** Undefined as well when no pod is concerned: that is another rule's finding. */
function unknownName(
  dryRun: LintInput['dryRun'],
  place: RulePlace,
  path: string,
  { port, protocol }: NetworkPolicyPort,
): LintFinding | undefined {
  const pods = destinations(dryRun, place).filter(({ hostNetwork }) => !hostNetwork);
  if (pods.length === 0) return undefined;
  if (pods.some((pod) => pod.namedPorts.some((named) => named.name === port && named.protocol === protocol)))
    return undefined;
  const known = new Set(pods.flatMap((pod) => pod.namedPorts.map((named) => `${named.name} (${named.protocol})`)));
  const others = known.size === 0 ? 'they declare no names' : `they declare ${[...known].sort().join(', ')}`;
  const whose = place.direction === 'ingress' ? 'the policy selects' : 'the rule matches';
  return {
    id: 'SL040',
    policy: place.key,
    path,
    message: `no pod that ${whose} (${somePods(pods)}) has a ${protocol} port named ${port}: it matches nothing; ${others}`,
    hint: 'name a containerPort of those pods, or give the number',
  };
}

/** The pods whose names count (NP-45). */
function destinations(dryRun: LintInput['dryRun'], { policy, direction, rule }: RulePlace): readonly Pod[] {
  if (direction === 'ingress') return selectedPods(dryRun, policy);
  if (rule.peers.length === 0) return livePods(dryRun);
  return rule.peers.flatMap((peer) => peerPods(dryRun, peer, policy.namespace));
}
