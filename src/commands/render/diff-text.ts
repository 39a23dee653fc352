/** A diff for a terminal, for a comment on a pull request, and as data. */
import { count, markdownTable, paint, terminalWidth, wrap, indent } from '../support/output.ts';
import type { ChangedEndView, DiffGroupView, DiffView } from './diff-view.ts';
import { escapeMarkdown } from './escape.ts';
import { listNames } from './pod-names.ts';

/** A comment has room for about this many; code hosts cut off what is longer than 65,536 letters. */
const MARKDOWN_GROUPS_MAX = 50;

export function diffTable(view: DiffView, width: number = terminalWidth()): string {
  const lines = [headLine(view)];
  for (const group of view.groups) lines.push('', ...groupLines(group, width));
  for (const line of [...asideLines(view), ...view.notes.map((note) => `note: ${note}`)])
    lines.push('', ...wrap(line, width));
  return lines.join('\n');
}

function headLine({ groups, commonPods }: DiffView): string {
  const pods = `between the ${count(commonPods, 'pod')} that both sides have, or to and from outside`;
  if (groups.length === 0) return `No flow changes ${pods}.`;
  const denied = groups.filter(({ change }) => change === 'denied').length;
  const parts = [
    ...(denied > 0 ? [`${count(denied, 'group')} of flows denied that passed before`] : []),
    ...(groups.length > denied
      ? [`${count(groups.length - denied, 'group')} of flows allowed that did not pass before`]
      : []),
  ];
  return parts.join(', ');
}

function groupLines(group: DiffGroupView, width: number): readonly string[] {
  const isDenied = group.change === 'denied';
  const sign = paint(isDenied ? 'red' : 'green', isDenied ? '- denied ' : '+ allowed');
  const ends = `${listNames(group.sources)} -> ${listNames(group.destinations)} on ${group.ports}`;
  const [first = '', ...more] = wrap(ends, width - 11);
  return [
    `${sign}  ${first}`,
    ...more.map((line) => indent(line, 11)),
    ...wrap(`for example ${witnessText(group)}`, width - 4).map((line) => indent(line, 4)),
    ...group.because.flatMap((end) => endLines(end, width)),
  ];
}

function endLines({ direction, pod, before, after }: ChangedEndView, width: number): readonly string[] {
  const state = (word: string, text: string): readonly string[] => {
    const [first = '', ...more] = wrap(text, width - 14);
    return [`      ${word.padEnd(7)} ${first}`, ...more.map((line) => indent(line, 14))];
  };
  return [`    ${direction} of ${pod}`, ...state('before:', before.text), ...state('after:', after.text)];
}

function witnessText({ witness }: DiffGroupView): string {
  const { source, destination, protocol, port } = witness;
  const end = (name: string, address: string): string => (address === '' ? name : `${name} (${address})`);
  const on = port === 0 ? protocol : `${protocol} ${port}`;
  return `${end(source, witness.sourceAddress)} -> ${end(destination, witness.destinationAddress)} on ${on}`;
}

/** What the diff cannot speak of. */
function asideLines({ onlyBefore, onlyAfter }: DiffView): readonly string[] {
  return [
    ...(onlyBefore.length > 0 ? [`only before: ${listNames(onlyBefore)}`] : []),
    ...(onlyAfter.length > 0 ? [`only after: ${listNames(onlyAfter)}`] : []),
  ];
}

/** Starts with what a reviewer must know; reasons are folded. */
export function diffMarkdown(view: DiffView): string {
  const lines = ['### Network policy changes', ''];
  if (view.groups.length === 0) lines.push(headLine(view));
  else {
    const shown = view.groups.slice(0, MARKDOWN_GROUPS_MAX);
    lines.push(markdownTable([['', 'From', 'To', 'On'], ...shown.map(markdownRow)]));
    if (view.groups.length > shown.length) {
      lines.push('', `and ${count(view.groups.length - shown.length, 'more group')}: run \`sluice diff\` to see all.`);
    }
    lines.push(
      '',
      '<details><summary>Why, with an example of each</summary>',
      '',
      ...shown.flatMap(markdownReason),
      '</details>',
    );
  }
  for (const line of asideLines(view)) lines.push('', escapeMarkdown(line));
  for (const note of view.notes) lines.push('', `> ${escapeMarkdown(note)}`);
  return lines.join('\n');
}

function markdownRow({ change, sources, destinations, ports }: DiffGroupView): readonly string[] {
  const sign = change === 'denied' ? ':no_entry: denied' : ':white_check_mark: allowed';
  return [sign, ...[listNames(sources), listNames(destinations), ports].map(cellText)];
}

/** markdownTable escapes `|` itself. */
function cellText(text: string): string {
  return escapeMarkdown(text).replaceAll('\\|', '|');
}

function markdownReason(group: DiffGroupView, index: number): readonly string[] {
  return [
    `${index + 1}. **${group.change}**: ${escapeMarkdown(witnessText(group))}`,
    ...group.because.flatMap(({ direction, pod, before, after }) => [
      `   - ${direction} of ${escapeMarkdown(pod)}: before ${escapeMarkdown(before.text)}; now ${escapeMarkdown(after.text)}`,
    ]),
    '',
  ];
}

export function diffData({ changed, groups, onlyBefore, onlyAfter, commonPods, notes }: DiffView): unknown {
  return {
    changed,
    groups: groups.map(({ change, ports, portList, sources, destinations, witness, because }) => ({
      change,
      ports,
      intervals: portList,
      sources,
      destinations,
      witness,
      because: because.map(({ direction, pod, before, after }) => ({ direction, pod, before, after })),
    })),
    onlyBefore,
    onlyAfter,
    commonPods,
    notes,
  };
}
