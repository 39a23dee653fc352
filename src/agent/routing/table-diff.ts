/**
 * From what `iptables-save` says of a table to the input of `iptables-restore --noflush` that makes our part of it be as
 * planned (pure). Rules of others are never named, but for those that lead into our chains.
 */
import { isOwnChain, type Jump, type TableRules } from './firewall-rules.ts';

/** What a table holds of ours. */
export interface SavedTable {
  /** Own chain -> its rules, without `-A name`. */
  readonly chains: ReadonlyMap<string, readonly string[]>;
  /** Rules of other chains that lead into ours, as printed, without `-A`. */
  readonly jumps: readonly string[];
  /** Policy of a chain of the kernel's: `DROP`. */
  readonly policies: ReadonlyMap<string, string>;
}

const CHAIN_LINE = /^:(\S+) (\S+)/;
const RULE_LINE = /^-A ((\S+) (.*))$/;
const TARGET = /(?:^| )-[jg] (\S+)/;

export function readTable(saved: string, interfacePrefix: string): SavedTable {
  const chains = new Map<string, string[]>();
  const jumps: string[] = [];
  const policies = new Map<string, string>();
  const isOwn = (chain: string): boolean => isOwnChain(interfacePrefix, chain);
  for (const line of saved.split('\n')) {
    const [, declared, policy] = CHAIN_LINE.exec(line) ?? [];
    if (declared !== undefined && policy !== undefined) {
      if (isOwn(declared)) chains.set(declared, []);
      else if (policy !== '-') policies.set(declared, policy);
      continue;
    }
    const [, whole, chain, rule] = RULE_LINE.exec(line) ?? [];
    if (whole === undefined || chain === undefined || rule === undefined) continue;
    if (isOwn(chain)) chains.get(chain)?.push(rule);
    else if (isOwn(TARGET.exec(rule)?.[1] ?? '')) jumps.push(whole);
  }
  return { chains, jumps, policies };
}

/** Text that is equal when what a table holds of ours is equal. */
export function fingerprint(saved: SavedTable): string {
  const chains = [...saved.chains].toSorted(([a], [b]) => (a < b ? -1 : 1));
  return JSON.stringify([chains, saved.jumps.toSorted()]);
}

/** Whether the table holds just what is planned, in the words of it. */
export function isAsPlanned(saved: SavedTable, planned: TableRules): boolean {
  const wanted = new Map(planned.chains.map(({ name, rules }) => [name, rules]));
  const jumps = planned.jumps.map(({ chain, rule }) => `${chain} ${rule}`);
  return fingerprint({ chains: wanted, jumps, policies: new Map() }) === fingerprint(saved);
}

/** Undefined when there is nothing to make and nothing to remove. */
export function restoreInput(table: string, saved: SavedTable, planned: TableRules): string | undefined {
  const stale = [...saved.chains.keys()].filter((chain) => !planned.chains.some(({ name }) => name === chain));
  const lines = [
    // Declaring a chain makes it, or empties it.
    ...[...planned.chains.map(({ name }) => name), ...stale].map((name) => `:${name} - [0:0]`),
    ...planned.chains.flatMap(({ name, rules }) => rules.map((rule) => `-A ${name} ${rule}`)),
    ...jumpLines(saved.jumps, planned.jumps),
    ...stale.map((name) => `-X ${name}`),
  ];
  return lines.length === 0 ? undefined : [`*${table}`, ...lines, 'COMMIT', ''].join('\n');
}

/** One of each is kept where it stands; doubles (from a restored save) and those that lead from elsewhere go. */
function jumpLines(present: readonly string[], wanted: readonly Jump[]): string[] {
  const kept = new Set<string>();
  const lines: string[] = [];
  for (const jump of present) {
    const isWanted = wanted.some(({ chain, rule }) => `${chain} ${rule}` === jump);
    if (isWanted && !kept.has(jump)) kept.add(jump);
    else lines.push(`-D ${jump}`);
  }
  for (const { chain, rule, place } of wanted) {
    if (kept.has(`${chain} ${rule}`)) continue;
    lines.push(place === 'first' ? `-I ${chain} 1 ${rule}` : `-A ${chain} ${rule}`);
  }
  return lines;
}
