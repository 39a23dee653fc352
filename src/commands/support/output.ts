/** How answers are written: the chosen format, tables that fit the terminal, and an end of output that is no failure. */
import { styleText } from 'node:util';
import { stringify } from 'yaml';
import { ConfigError } from '../../lib/errors.ts';

/** Columns when the output is no terminal. */
const WIDTH_DEFAULT = 120;
const WIDTH_MIN = 60;
/** A last column narrower than this is not wrapped. */
const WRAP_MIN = 24;

export type Format = 'table' | 'json' | 'yaml' | 'markdown' | 'junit' | 'sarif';

/** @throws ConfigError for a format that the command does not have. */
export function readFormat<T extends Format>(given: string, allowed: readonly T[]): T {
  const format = allowed.find((known) => known === given);
  if (format === undefined) throw new ConfigError(`--output ${JSON.stringify(given)}: use ${orList(allowed)}`);
  return format;
}

export function orList(words: readonly string[]): string {
  if (words.length < 2) return words.join('');
  return `${words.slice(0, -1).join(', ')} or ${words.at(-1)}`;
}

/** Writes text and ends the line. Whoever reads may stop early (`| head`). */
export function print(text: string): void {
  if (process.stdout.listenerCount('error', stopQuietly) === 0) process.stdout.on('error', stopQuietly);
  process.stdout.write(text.endsWith('\n') ? text : `${text}\n`);
}

function stopQuietly(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EPIPE') throw error;
}

export function printData(format: 'json' | 'yaml', data: unknown): void {
  print(
    format === 'json'
      ? JSON.stringify(data, undefined, 2)
      : stringify(data, { lineWidth: 0, aliasDuplicateObjects: false }),
  );
}

export function terminalWidth(): number {
  return Math.max(WIDTH_MIN, process.stdout.columns ?? WIDTH_DEFAULT);
}

type Style = Parameters<typeof styleText>[0];

/** Coloured where the terminal shows it and NO_COLOR does not forbid it. */
export function paint(style: Style, text: string): string {
  return styleText(style, text, { stream: process.stdout });
}

/**
 * Rows in columns as wide as they need to be; the last column is wrapped to the width. The first row is the head.
 */
export function formatTable(rows: readonly (readonly string[])[], width: number = terminalWidth()): string {
  const [head = []] = rows;
  const last = head.length - 1;
  const widths = head.map((_, column) => Math.max(...rows.map((row) => (row[column] ?? '').length)));
  const before = widths.slice(0, last).reduce((sum, own) => sum + own + 2, 0);
  const room = Math.max(WRAP_MIN, width - before);
  const lines = rows.flatMap((row, i) => {
    const [first = '', ...more] = wrap(row[last] ?? '', room);
    const cells = row.slice(0, last).map((cell, column) => cell.padEnd(widths[column] ?? 0));
    const line = [...cells, first].join('  ').trimEnd();
    return [i === 0 ? paint('bold', line) : line, ...more.map((text) => `${' '.repeat(before)}${text}`)];
  });
  return lines.join('\n');
}

/** Lines of at most that many characters where words allow it. */
export function wrap(text: string, width: number): readonly string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else {
      line = line === '' ? word : `${line} ${word}`;
    }
  }
  return [...lines, line];
}

/** The text with every line moved to the right. */
export function indent(text: string, by: number): string {
  return text
    .split('\n')
    .map((line) => (line === '' ? line : `${' '.repeat(by)}${line}`))
    .join('\n');
}

export function markdownTable(rows: readonly (readonly string[])[]): string {
  const [head = [], ...body] = rows;
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...body.map(line)].join('\n');
}

/** `1 pod`, `3 pods`. */
export function count(number: number, one: string, many = `${one}s`): string {
  return `${number} ${number === 1 ? one : many}`;
}
