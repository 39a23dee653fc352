/**
 * A long list of prefixes as chains that a packet crosses in few steps: a chain has at most CHAIN_RULES_MAX rules; a
 * longer list is cut by its addresses into parts, each with a prefix that covers it, in chains of their own. Pure.
 */
import { type Cidr, containsCidr, formatCidr, maskCidr } from '../../net/cidr.ts';
import { CHAIN_RULES_MAX } from './limits.ts';

export interface Chain {
  readonly name: string;
  /** What follows `-A name`. */
  readonly rules: readonly string[];
}

/** What a packet meets: an address of the list leads to `target`, any other to `otherwise`; both are `-j X` or `-g X`. */
export interface PrefixQuestion {
  /** Source or destination address. */
  readonly side: '-s' | '-d';
  readonly target: string;
  readonly otherwise: string;
}

/**
 * The chain of that name and those that it leads to, named `name-0`, `name-1`, ... Parts are gone to and not called
 * (`-g`), so that RETURN in any of them leaves them all.
 */
export function prefixChains(name: string, prefixes: readonly Cidr[], question: PrefixQuestion): readonly Chain[] {
  const { side, target, otherwise } = question;
  const chains: Chain[] = [];
  let parts = 0;
  const build = (chain: string, part: readonly Cidr[]): void => {
    const match = (cidr: Cidr, action: string): string => `${side} ${formatCidr(cidr)} ${action}`;
    const isSmall = part.length <= CHAIN_RULES_MAX;
    const rules = (isSmall ? part.map(alone) : split(part)).map(({ cover, members }) => {
      if (members.length === 1) return match(cover, target);
      const next = `${name}-${parts++}`;
      build(next, members);
      return match(cover, `-g ${next}`);
    });
    chains.push({ name: chain, rules: [...rules, otherwise] });
  };
  build(name, aggregate(prefixes));
  return chains.toReversed();
}

/** The fewest prefixes with the very same addresses, in order. */
export function aggregate(prefixes: readonly Cidr[]): readonly Cidr[] {
  const kept: Cidr[] = [];
  for (const cidr of prefixes.toSorted(byPlace)) {
    const last = kept.at(-1);
    if (last !== undefined && containsCidr(last, cidr)) continue;
    kept.push(cidr);
    for (let pair = joined(kept); pair !== undefined; pair = joined(kept)) kept.splice(-2, 2, pair);
  }
  return kept;
}

/** Of the last two: what is exactly both. */
function joined(kept: readonly Cidr[]): Cidr | undefined {
  const [a, b] = kept.slice(-2);
  if (a === undefined || b === undefined || a.length !== b.length || a.length === 0) return undefined;
  const parent = maskCidr(a, a.length - 1);
  return containsCidr(parent, b) && !containsCidr(a, b) ? parent : undefined;
}

interface Part {
  readonly cover: Cidr;
  readonly members: readonly Cidr[];
}

function alone(cidr: Cidr): Part {
  return { cover: cidr, members: [cidr] };
}

/** Two at first, then the largest again and again, until there are CHAIN_RULES_MAX parts: none overlaps another. */
function split(prefixes: readonly Cidr[]): readonly Part[] {
  const parts: Part[] = [{ cover: coverOf(prefixes), members: prefixes }];
  while (parts.length < CHAIN_RULES_MAX) {
    const largest = parts.reduce((max, part, at) => (part.members.length > parts[max]!.members.length ? at : max), 0);
    const { cover, members } = parts[largest]!;
    if (members.length < 2) break;
    const left = maskCidr(cover, cover.length + 1);
    const halves = [
      members.filter((cidr) => containsCidr(left, cidr)),
      members.filter((cidr) => !containsCidr(left, cidr)),
    ];
    parts.splice(largest, 1, ...halves.map((half) => ({ cover: coverOf(half), members: half })));
  }
  return parts;
}

/** The narrowest prefix that contains the sorted ones. */
function coverOf(prefixes: readonly Cidr[]): Cidr {
  const first = prefixes[0]!;
  const last = prefixes.at(-1)!;
  let cover = first;
  while (!containsCidr(cover, last)) cover = maskCidr(cover, cover.length - 1);
  return cover;
}

function byPlace(a: Cidr, b: Cidr): number {
  return Buffer.compare(a.bytes, b.bytes) || a.length - b.length;
}
