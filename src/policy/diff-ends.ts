/** The ends of a diff: pods, and addresses outside, that neither side's policies tell apart. */
import { type Family, parseAddress } from '../net/address.ts';
import type { DiffSide } from './diff-side.ts';
import { RULE_SET_OPEN } from './ids.ts';
import { keyOfAddress, type OutsideCell } from './outside.ts';
import type { PodKey } from './pod-kind.ts';

/** One address, and its class before and after. */
export interface Lane {
  readonly family: Family;
  readonly classes: readonly number[];
  /** Canonical text before and after: a pod may have moved. */
  readonly addresses: readonly string[];
}

export interface DiffEnd {
  /** Sorted; empty: addresses outside. */
  readonly pods: readonly PodKey[];
  /** Of what is outside; empty for pods. */
  readonly label: string;
  readonly lanes: readonly Lane[];
  /** Rule sets before and after. */
  readonly egress: readonly number[];
  readonly ingress: readonly number[];
  /** Equal texts: the same policies isolate them before, and the same after. */
  readonly egressPolicies: string;
  readonly ingressPolicies: string;
}

/** Kinds that the compiled tables give equal answers are joined. The first pod of each list speaks for it. */
export function podDiffEnds(
  kinds: readonly (readonly PodKey[])[],
  sides: readonly [DiffSide, DiffSide],
): readonly DiffEnd[] {
  const ends = new Map<string, DiffEnd>();
  for (const pods of kinds) {
    const [speaker] = pods;
    if (speaker === undefined) continue;
    const end = endOfPod(speaker, pods, sides);
    const key = JSON.stringify([
      end.lanes.map(({ family, classes }) => [family, classes]),
      end.egress,
      end.ingress,
      end.egressPolicies,
      end.ingressPolicies,
    ]);
    const known = ends.get(key);
    ends.set(key, known === undefined ? end : { ...known, pods: [...known.pods, ...pods] });
  }
  return [...ends.values()];
}

export function outsideDiffEnds(cells: readonly OutsideCell[]): readonly DiffEnd[] {
  return cells.map(({ label, family, address, classes }) => ({
    pods: [],
    label,
    lanes: [{ family, classes, addresses: [address, address] }],
    egress: [RULE_SET_OPEN, RULE_SET_OPEN],
    ingress: [RULE_SET_OPEN, RULE_SET_OPEN],
    egressPolicies: '',
    ingressPolicies: '',
  }));
}

function endOfPod(speaker: PodKey, pods: readonly PodKey[], sides: readonly [DiffSide, DiffSide]): DiffEnd {
  const atoms = sides.map(({ reach }) => reach.atomOfPod(speaker));
  const policies = sides.map(({ dryRun }) => dryRun.policiesOf(speaker));
  return {
    pods,
    label: '',
    lanes: lanesOf(speaker, sides),
    egress: atoms.map(({ egress }) => egress),
    ingress: atoms.map(({ ingress }) => ingress),
    egressPolicies: policies.map(({ egress }) => egress.join(' ')).join('\n'),
    ingressPolicies: policies.map(({ ingress }) => ingress.join(' ')).join('\n'),
  };
}

/** Addresses that the pod has before and after, by family and place: the first IPv4 address with the first. */
function lanesOf(pod: PodKey, [before, after]: readonly [DiffSide, DiffSide]): readonly Lane[] {
  return pairAddresses(before.dryRun.pods.get(pod)?.podIPs ?? [], after.dryRun.pods.get(pod)?.podIPs ?? []).map(
    ({ family, addresses: [old, now] }) => ({
      family,
      addresses: [old, now],
      classes: [before.dryRun.reader.classOf(keyOfAddress(old)), after.dryRun.reader.classOf(keyOfAddress(now))],
    }),
  );
}

export interface AddressPair {
  readonly family: Family;
  readonly addresses: readonly [string, string];
}

export function pairAddresses(before: readonly string[], after: readonly string[]): readonly AddressPair[] {
  return ([4, 6] as const).flatMap((family) => {
    const ofFamily = (list: readonly string[]): readonly string[] =>
      list.filter((text) => parseAddress(text)?.family === family);
    const now = ofFamily(after);
    return ofFamily(before).flatMap((old, i): readonly AddressPair[] => {
      const other = now[i];
      return other === undefined ? [] : [{ family, addresses: [old, other] }];
    });
  });
}
