/**
 * Whether what one selector, peer or list of ports matches is part of what another matches, in every cluster there can
 * be. Sound, not complete: `false` may also mean that it cannot be told.
 */
import { parseCidr } from '../net/cidr.ts';
import { type AddressRange, rangeOfCidr, withoutRanges } from './address-range.ts';
import type {
  IpBlock,
  LabelSelector,
  LabelSelectorRequirement,
  NetworkPolicyPeer,
  NetworkPolicyPort,
  PolicyType,
} from './model.ts';
import { portSpec, unpackPortTerm, PORT_MAX, type PortRange } from './port-term.ts';

const NAME_LABEL = 'kubernetes.io/metadata.name';
const EVERYTHING: LabelSelector = { matchLabels: {}, matchExpressions: [] };

/** Every object that `narrow` selects, `wide` selects too. */
export function selectorCovers(wide: LabelSelector, narrow: LabelSelector): boolean {
  const known = requirementsOf(narrow);
  return requirementsOf(wide).every((needed) => known.some((given) => implies(given, needed)));
}

function requirementsOf({ matchLabels, matchExpressions }: LabelSelector): readonly LabelSelectorRequirement[] {
  const labels = Object.entries(matchLabels).map(([key, value]) => ({ key, operator: 'In' as const, values: [value] }));
  return [...labels, ...matchExpressions];
}

/** NP-23: NotIn also holds for an absent key. Requirements the API would reject match nothing, and imply nothing here. */
function implies(given: LabelSelectorRequirement, needed: LabelSelectorRequirement): boolean {
  if (given.key !== needed.key || !isValid(given) || !isValid(needed)) return false;
  switch (needed.operator) {
    case 'In':
      return given.operator === 'In' && given.values.every((value) => needed.values.includes(value));
    case 'NotIn':
      if (given.operator === 'DoesNotExist') return true;
      if (given.operator === 'In') return !given.values.some((value) => needed.values.includes(value));
      return given.operator === 'NotIn' && needed.values.every((value) => given.values.includes(value));
    case 'Exists':
      return given.operator === 'In' || given.operator === 'Exists';
    case 'DoesNotExist':
      return given.operator === 'DoesNotExist';
  }
}

function isValid({ operator, values }: LabelSelectorRequirement): boolean {
  return operator === 'In' || operator === 'NotIn' ? values.length > 0 : values.length === 0;
}

/** Both peers of policies of this namespace. */
export function peerCovers(wide: NetworkPolicyPeer, narrow: NetworkPolicyPeer, namespace: string): boolean {
  if (wide.ipBlock !== undefined && narrow.ipBlock !== undefined) return blockCovers(wide.ipBlock, narrow.ipBlock);
  if (wide.ipBlock !== undefined || narrow.ipBlock !== undefined) return false;
  const scopes = [wide, narrow].map((peer) => peer.namespaceSelector ?? ownNamespace(namespace));
  const selectors = [wide, narrow].map((peer) => peer.podSelector ?? EVERYTHING);
  return selectorCovers(scopes[0]!, scopes[1]!) && selectorCovers(selectors[0]!, selectors[1]!);
}

/** NP-21, NP-25. */
function ownNamespace(namespace: string): LabelSelector {
  return { matchLabels: { [NAME_LABEL]: namespace }, matchExpressions: [] };
}

function blockCovers(wide: IpBlock, narrow: IpBlock): boolean {
  const wideParts = blockRanges(wide);
  return blockRanges(narrow).every((inner) => wideParts.some((outer) => isWithin(inner, outer)));
}

/** What a block matches. */
export function blockRanges({ cidr, except }: IpBlock): readonly AddressRange[] {
  const whole = parseCidr(cidr);
  if (whole === undefined) return [];
  const holes = except.flatMap((text) => {
    const hole = parseCidr(text);
    return hole === undefined ? [] : [rangeOfCidr(hole)];
  });
  return withoutRanges(rangeOfCidr(whole), holes);
}

function isWithin(inner: AddressRange, outer: AddressRange): boolean {
  return inner.family === outer.family && inner.first >= outer.first && inner.last <= outer.last;
}

/** NP-9, NP-41 to NP-48. `peer` is the one that the wide ports stand beside. */
export function portsCover(
  wide: readonly NetworkPolicyPort[],
  narrow: readonly NetworkPolicyPort[],
  direction: PolicyType,
  peer: NetworkPolicyPeer | undefined,
): boolean {
  const [outer, inner] = [portSpec(wide), portSpec(narrow)];
  if (outer.all) return true;
  if (inner.all) return false;
  const ranges = outer.terms.map(unpackPortTerm);
  const areNamesUsed = direction === 'Ingress' || peer?.ipBlock === undefined;
  return (
    inner.terms.every((term) => isCovered(unpackPortTerm(term), ranges)) &&
    inner.names.every((name) => (areNamesUsed && outer.names.includes(name)) || isProtocolCovered(name, narrow, ranges))
  );
}

/** Ranges are sorted by their first port. */
function isCovered(inner: PortRange, ranges: readonly PortRange[]): boolean {
  let next = inner.first;
  for (const { protocol, first, last } of ranges) {
    if (protocol === inner.protocol && first <= next && last >= next) next = last + 1;
  }
  return next > inner.last;
}

function isProtocolCovered(name: string, ports: readonly NetworkPolicyPort[], ranges: readonly PortRange[]): boolean {
  const protocol = ports.find((port) => `${port.protocol}/${port.port}` === name)?.protocol;
  if (protocol === undefined) return false;
  const [term] = portSpec([{ protocol }]).terms;
  return term !== undefined && isCovered({ ...unpackPortTerm(term), first: 1, last: PORT_MAX }, ranges);
}
