/** SL042 and SL052: policies see pods behind a Service, never the Service itself (NP-66). */
import { parseAddress } from '../net/address.ts';
import { containsAddress, parseCidr } from '../net/cidr.ts';
import type { LintFinding, LintInput, LintService } from './lint-rules.ts';
import {
  keyOf,
  livePods,
  peerPods,
  peersField,
  type RulePlace,
  rulesOf,
  selectedPods,
  validPolicies,
} from './lint-subject.ts';
import type { IpBlock, NetworkPolicyPort, Pod } from './model.ts';

export function* checkServices(input: LintInput): Generator<LintFinding> {
  const services = input.services;
  if (services.length === 0) return;
  for (const place of validPolicies(input.dryRun).flatMap(rulesOf)) {
    yield* portsOfServices(input, place);
    if (place.direction === 'egress') yield* blocksOfServices(input, place);
  }
}

function* portsOfServices({ dryRun, services }: LintInput, place: RulePlace): Generator<LintFinding> {
  const numbers = place.rule.ports.filter((rule) => typeof rule.port === 'number' && rule.endPort === undefined);
  if (numbers.length === 0) return;
  const pods = destinations(dryRun, place);
  for (const [index, port] of place.rule.ports.entries()) {
    if (!numbers.includes(port)) continue;
    const found = confusedWith(services, pods, port, place.rule.ports);
    if (found === undefined) continue;
    const { service, target, pod } = found;
    yield {
      id: 'SL042',
      policy: place.key,
      path: `${place.path}.ports[${index}].port`,
      message: `${port.protocol} ${port.port} is the port of Service ${keyOf(service)}; what reaches ${keyOf(pod)} through it arrives on port ${target}`,
      hint: `write ${target}: policies see the port of the pod, not that of the Service`,
    };
  }
}

/** Pods whose ports count. */
function destinations(dryRun: LintInput['dryRun'], { policy, direction, rule }: RulePlace): readonly Pod[] {
  if (direction === 'ingress') return selectedPods(dryRun, policy);
  return rule.peers.flatMap((peer) => peerPods(dryRun, peer, policy.namespace));
}

/** A Service whose port it is, where no Service leads to that port of any of the pods, and none of them declares it. */
function confusedWith(
  services: readonly LintService[],
  pods: readonly Pod[],
  { port, protocol }: NetworkPolicyPort,
  others: readonly NetworkPolicyPort[],
): { readonly service: LintService; readonly target: number; readonly pod: Pod } | undefined {
  let found: { readonly service: LintService; readonly target: number; readonly pod: Pod } | undefined;
  for (const pod of pods) {
    if (pod.namedPorts.some((named) => named.containerPort === port && named.protocol === protocol)) return undefined;
    for (const service of services.filter((each) => isBehind(each, pod))) {
      for (const own of service.ports.filter((each) => each.protocol === protocol)) {
        const target = targetOf(own, pod);
        if (target === port) return undefined;
        if (own.port === port && target !== undefined) found ??= { service, target, pod };
      }
    }
  }
  // Both are named: whoever wrote that knows the difference.
  return others.some((other) => other.port === found?.target && other.protocol === protocol) ? undefined : found;
}

/** Whether the Service selects the pod. */
export function isBehind({ namespace, selector }: LintService, pod: Pod): boolean {
  const labels = Object.entries(selector);
  return namespace === pod.namespace && labels.length > 0 && labels.every(([key, value]) => pod.labels[key] === value);
}

/** Undefined: the pod does not declare the name. */
function targetOf({ port, targetPort, protocol }: LintService['ports'][number], pod: Pod): number | undefined {
  if (targetPort === undefined) return port;
  if (typeof targetPort === 'number') return targetPort;
  return pod.namedPorts.find(({ name, protocol: own }) => name === targetPort && own === protocol)?.containerPort;
}

function* blocksOfServices({ dryRun, services }: LintInput, place: RulePlace): Generator<LintFinding> {
  for (const [index, { ipBlock }] of place.rule.peers.entries()) {
    if (ipBlock === undefined || parseCidr(ipBlock.cidr)?.length === 0) continue;
    const met = services.filter(({ clusterIPs }) => clusterIPs.some((address) => isIn(ipBlock, address)));
    const [first] = met;
    // A block that holds pods too is not meant for Services.
    if (first === undefined || livePods(dryRun).some(({ podIPs }) => podIPs.some((ip) => isIn(ipBlock, ip)))) continue;
    const more = met.length === 1 ? '' : ` and ${met.length - 1} more`;
    yield {
      id: 'SL052',
      policy: place.key,
      path: `${place.path}.${peersField(place.direction)}[${index}].ipBlock.cidr`,
      message: `${ipBlock.cidr} holds the address of Service ${keyOf(first)}${more}, which matches nothing: policies see the pod behind it`,
      hint: 'name the pods by podSelector and namespaceSelector',
    };
  }
}

function isIn({ cidr, except }: IpBlock, text: string): boolean {
  const address = parseAddress(text);
  const block = parseCidr(cidr);
  if (address === undefined || block === undefined || !containsAddress(block, address)) return false;
  return !except.some((hole) => {
    const parsed = parseCidr(hole);
    return parsed !== undefined && containsAddress(parsed, address);
  });
}
