/** SL050 and SL051: ipBlocks that meet the cluster's own addresses (NP-64). */
import { parseAddress } from '../net/address.ts';
import { parseCidr } from '../net/cidr.ts';
import { addressNumber, type AddressRange, rangeOfCidr } from './address-range.ts';
import { blockRanges } from './covers.ts';
import type { LintFinding, LintInput } from './lint-rules.ts';
import { keyOf, livePods, peersField, type RulePlace, rulesOf, validPolicies } from './lint-subject.ts';
import type { IpBlock } from './model.ts';

/** Something of the cluster's that has addresses. */
interface OwnRange {
  readonly range: AddressRange;
  readonly what: string;
  readonly isPods: boolean;
}

export function* checkBlocks(input: LintInput): Generator<LintFinding> {
  const own = ownRanges(input);
  if (own.length === 0) return;
  for (const place of validPolicies(input.dryRun).flatMap(rulesOf)) {
    for (const [index, { ipBlock }] of place.rule.peers.entries()) {
      if (ipBlock === undefined) continue;
      const finding = checkBlock(
        place,
        `${place.path}.${peersField(place.direction)}[${index}].ipBlock.cidr`,
        ipBlock,
        own,
      );
      if (finding !== undefined) yield finding;
    }
  }
}

/** Addresses that were given, not those made up for the dry run. */
function ownRanges({ dryRun, isMadeUp }: LintInput): readonly OwnRange[] {
  const ranges: OwnRange[] = [];
  const addAddress = (text: string, what: string, isPods: boolean): void => {
    const address = parseAddress(text);
    if (address === undefined) return;
    const number = addressNumber(address);
    ranges.push({ range: { family: address.family, first: number, last: number }, what, isPods });
  };
  for (const { name, podCIDRs, addresses } of dryRun.nodes.values()) {
    for (const text of podCIDRs) {
      const cidr = parseCidr(text);
      if (cidr !== undefined)
        ranges.push({ range: rangeOfCidr(cidr), what: `the podCIDR ${text} of node ${name}`, isPods: true });
    }
    for (const text of addresses) addAddress(text, `the address ${text} of node ${name}`, false);
  }
  for (const pod of livePods(dryRun)) {
    if (isMadeUp(keyOf(pod))) continue;
    for (const text of pod.podIPs) addAddress(text, `the address ${text} of pod ${keyOf(pod)}`, true);
  }
  return ranges;
}

function checkBlock(place: RulePlace, path: string, block: IpBlock, own: readonly OwnRange[]): LintFinding | undefined {
  const parsed = parseCidr(block.cidr);
  // Everybody knows that /0 covers the cluster.
  if (parsed === undefined || parsed.length === 0) return undefined;
  const whole = rangeOfCidr(parsed);
  const parts = blockRanges(block);
  const met = own.filter(({ range }) => parts.some((part) => overlap(part, range)));
  const [first] = met;
  if (first === undefined) return undefined;
  const inside = met.find(({ range, isPods }) => isPods && range.first <= whole.first && range.last >= whole.last);
  if (inside !== undefined) {
    return {
      id: 'SL050',
      policy: place.key,
      path,
      message: `${block.cidr} lies in ${inside.what}: pods do not keep their addresses, and the next pod there inherits the rule`,
      hint: 'use podSelector and namespaceSelector',
    };
  }
  const more = met.length === 1 ? '' : ` and ${met.length - 1} more`;
  return {
    id: 'SL051',
    policy: place.key,
    path,
    message: `${block.cidr} also covers ${first.what}${more}`,
    hint: 'if only addresses outside the cluster are meant, except its ranges',
  };
}

function overlap(a: AddressRange, b: AddressRange): boolean {
  return a.family === b.family && a.first <= b.last && b.first <= a.last;
}
