/** `sluice matrix --by cluster`: all pairs of pods in a few lines. */
import type { FamilyCount, PairCount } from '../../policy/pair-count.ts';
import type { PortInterval } from '../../policy/port-set.ts';
import { count, formatTable, markdownTable } from '../support/output.ts';

/** As printed with -o json; docs/matrix.md. */
export interface PairCountView {
  readonly by: 'cluster';
  readonly pods: number;
  readonly kinds: number;
  readonly families: readonly FamilyView[];
  readonly notes: readonly string[];
}

interface FamilyView {
  readonly family: 'IPv4' | 'IPv6';
  readonly pods: number;
  /** Ordered, of two different pods. */
  readonly pairs: number;
  readonly passes: readonly {
    readonly text: string;
    readonly pairs: number;
    readonly ports: readonly PortInterval[];
  }[];
}

/** Lines of the table; the rest is added up. */
const LINES_MAX = 20;

export function viewPairs(
  { pods, kinds, families, sets, problems }: PairCount,
  notes: readonly string[],
): PairCountView {
  const view = ({ family, pods: own, pairs }: FamilyCount): FamilyView => ({
    family: family === 4 ? 'IPv4' : 'IPv6',
    pods: own,
    pairs: own * (own - 1),
    passes: pairs.map((each) => ({
      text: sets.text(each.ports),
      pairs: each.pairs,
      ports: sets.intervals(each.ports),
    })),
  });
  return { by: 'cluster', pods, kinds, families: families.map(view), notes: [...notes, ...problems] };
}

export function pairsTable(view: PairCountView): string {
  return [...sectionsOf(view).flatMap(({ title, rows }) => [title, formatTable(rows), '']), ...footOf(view)].join('\n');
}

export function pairsMarkdown(view: PairCountView): string {
  const sections = sectionsOf(view).map(({ title, rows }) => `${title}\n\n${markdownTable(rows)}\n`);
  return [...sections, ...footOf(view)].join('\n');
}

/** One where both families say the same. */
function sectionsOf({ families }: PairCountView): readonly { readonly title: string; readonly rows: string[][] }[] {
  const [first, second] = families;
  const isSame = second !== undefined && JSON.stringify(first?.passes) === JSON.stringify(second.passes);
  return (isSame ? families.slice(0, 1) : families).map(({ family, pods, pairs, passes }) => ({
    title: `${isSame ? 'IPv4 and IPv6' : family}: ${count(pods, 'pod')}, ${count(pairs, 'pair')}`,
    rows: rowsOf(passes, pairs),
  }));
}

function rowsOf(passes: FamilyView['passes'], all: number): string[][] {
  const row = (pairs: number, text: string): string[] => [`${pairs}`, shareOf(pairs, all), text];
  const shown = passes.slice(0, LINES_MAX);
  const rest = passes.slice(LINES_MAX);
  const more = rest.reduce((sum, { pairs }) => sum + pairs, 0);
  return [
    ['PAIRS', 'SHARE', 'WHAT PASSES FROM ONE TO THE OTHER'],
    ...shown.map(({ pairs, text }) => row(pairs, text)),
    ...(rest.length === 0 ? [] : [row(more, `${rest.length} other sets of ports`)]),
  ];
}

function shareOf(part: number, all: number): string {
  const share = (100 * part) / all;
  if (share > 0 && share < 0.01) return '<0.01 %';
  return share < 100 && share > 99.99 ? '>99.99 %' : `${share.toFixed(2)} %`;
}

function footOf({ pods, kinds, notes }: PairCountView): readonly string[] {
  return [
    `${count(pods, 'pod')}; policies tell ${count(kinds, 'kind')} of them apart`,
    ...notes.map((note) => `note: ${note}`),
  ];
}
