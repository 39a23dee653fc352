/** Figures as a table for people: value, reference, ratio with its spread, and what was asked for. */
import { type Bound, type Figure, standing } from './figure.ts';
import type { Summary } from './statistics.ts';

const HEAD = ['figure', 'measured', 'reference', 'ratio (half of the rounds)', 'must', 'aim', ''];

const MARKS = { aim: 'aim met', must: 'met', short: 'SHORT', shown: '' } as const;

/** One line a figure, columns aligned; notes below. */
export function renderTable(figures: readonly Figure[]): string {
  const rows = [HEAD, ...figures.map(rowOf)];
  const widths = HEAD.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  const lines = rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column]!))
      .join('  ')
      .trimEnd(),
  );
  const notes = figures.flatMap(({ name, note }) => (note === undefined ? [] : [`  ${name}: ${note}`]));
  return [...lines, ...notes].join('\n');
}

/** The same as a Markdown table, without the notes. */
export function renderMarkdown(figures: readonly Figure[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [line(HEAD), line(HEAD.map(() => '---')), ...figures.map((figure) => line(rowOf(figure)))].join('\n');
}

function rowOf(figure: Figure): string[] {
  const { name, unit, value, reference, ratio, must, aim } = figure;
  return [
    name,
    `${formatNumber(value.median)} ${unit}`,
    reference === undefined ? '' : `${formatNumber(reference.value.median)} ${unit} (${reference.name})`,
    ratio === undefined ? spread(value) : `${formatNumber(ratio.median)} ${spread(ratio)}`.trim(),
    formatBound(must),
    formatBound(aim),
    MARKS[standing(figure)],
  ];
}

function spread({ low, high, samples }: Summary): string {
  return samples === 1 ? '' : `[${formatNumber(low)}-${formatNumber(high)}]`;
}

function formatBound(bound: Bound | undefined): string {
  if (bound === undefined) return '';
  return `${bound.at === 'most' ? '<=' : '>='} ${formatNumber(bound.limit)}`;
}

/** Three digits that say something; whole numbers as they are. */
export function formatNumber(value: number): string {
  if (Number.isInteger(value) || Math.abs(value) >= 1000) return Math.round(value).toLocaleString('en-US');
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : Math.abs(value) >= 1 ? 2 : 3;
  return value.toFixed(digits);
}
