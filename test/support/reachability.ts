/** Who reaches whom: what is expected, what real sockets observe, and the table that shows where the two differ. */
import { mapLimited } from './map-limited.ts';
import type { TestNetns } from './netns.ts';
import { describeResult, PATIENCE_MS, probe, type ProbeResult, PROBES_AT_ONCE, SILENCE_MS } from './probe.ts';

const DIFFERENCES_SHOWN = 30;

/** One who sends or answers. */
export interface End {
  /** What its servers answer with. */
  readonly name: string;
  readonly netns: TestNetns;
  readonly addresses: { readonly ipv4: string; readonly ipv6: string };
  /** Sends from its addresses explicitly: the namespace has others. */
  readonly bindsSource?: true;
}

export interface Check {
  readonly from: End;
  readonly to: End;
  readonly family: 4 | 6;
  readonly protocol: 'TCP' | 'UDP';
  readonly port: number;
  readonly isAllowed: boolean;
}

export interface Observation extends Check {
  readonly result: ProbeResult;
  /** The right one answered, or nobody did, as expected. A refusal is no denial (NP-106). */
  readonly isAsExpected: boolean;
}

/** What is expected to be answered is waited for with patience; what is not, only as long as silence takes. */
export function observeAll(checks: readonly Check[]): Promise<readonly Observation[]> {
  return mapLimited(checks, PROBES_AT_ONCE, observe);
}

async function observe(check: Check): Promise<Observation> {
  const key = check.family === 4 ? 'ipv4' : 'ipv6';
  const target = { protocol: check.protocol, address: check.to.addresses[key], port: check.port };
  const result = await probe(check.from.netns, target, {
    timeoutMs: check.isAllowed ? PATIENCE_MS : SILENCE_MS,
    ...(check.from.bindsSource === true ? { sourceAddress: check.from.addresses[key] } : {}),
  });
  const isAsExpected = check.isAllowed
    ? result.kind === 'answered' && result.by === check.to.name
    : result.kind === 'timeout';
  return { ...check, result, isAsExpected };
}

/** A line for each probe that went another way than expected; at most DIFFERENCES_SHOWN. Empty when there is none. */
export function differences(observations: readonly Observation[]): string {
  const odd = observations.filter(({ isAsExpected }) => !isAsExpected);
  const lines = odd.slice(0, DIFFERENCES_SHOWN).map(({ from, to, protocol, port, family, isAllowed, result }) => {
    const expected = isAllowed ? `connected to ${to.name}` : 'timeout';
    const what = `${from.name} -> ${to.name} ${protocol} ${port} IPv${family}`;
    return `  ${what}: expected ${expected}, observed ${describeResult(result)}`;
  });
  if (odd.length > lines.length) lines.push(`  and ${odd.length - lines.length} more`);
  return lines.join('\n');
}

/** For each protocol, port and family with a difference: expected beside observed, and what each odd probe met. */
export function truthTables(observations: readonly Observation[]): string {
  const groups = Map.groupBy(observations, (o) => `${o.protocol} ${o.port}, IPv${o.family}`);
  return [...groups]
    .filter(([, group]) => group.some((observation) => !observation.isAsExpected))
    .map(([title, group]) => truthTable(title, group))
    .join('\n');
}

function truthTable(title: string, group: readonly Observation[]): string {
  const names = [...new Set(group.flatMap(({ from, to }) => [from.name, to.name]))];
  const width = Math.max(...names.map((name) => name.length));
  const found = new Map(group.map((o) => [`${o.from.name} ${o.to.name}`, o]));
  const row = (from: string, mark: (o: Observation) => string): string =>
    names.map((to) => optional(found.get(`${from} ${to}`), mark).padEnd(width)).join(' ');
  const lines = names.map((from) => {
    const expected = row(from, (o) => (o.isAllowed ? '.' : 'X'));
    const observed = row(from, (o) => `${o.result.kind === 'answered' ? '.' : 'X'}${o.isAsExpected ? '' : '!'}`);
    return `${from.padEnd(width)} | ${expected} | ${observed}`;
  });
  const header = names.map((name) => name.padEnd(width)).join(' ');
  return [
    `${title}: from the left, to the top; expected | observed ('.' reached, 'X' not, '!' differs)`,
    `${' '.repeat(width)} | ${header} | ${header}`,
    ...lines,
    differences(group),
  ].join('\n');
}

function optional(observation: Observation | undefined, mark: (o: Observation) => string): string {
  return observation === undefined ? ' ' : mark(observation);
}
