/** A matrix for a terminal, for Markdown, for a spreadsheet, and as data. */
import { count, formatTable, markdownTable, terminalWidth } from '../support/output.ts';
import { escapeMarkdown, quoteCsv } from './escape.ts';
import type { CellView, MatrixView } from './matrix-view.ts';

/** Columns of a Markdown table; more ends are listed instead. */
const MARKDOWN_COLUMNS_MAX = 12;
const NO_SAY = '-';

/** A grid where it fits the terminal, otherwise a list by source. */
export function matrixTable(view: MatrixView, width: number = terminalWidth()): string {
  const grid = gridRows(view);
  const [head = []] = grid;
  const widths = head.map((_, column) => Math.max(...grid.map((row) => row[column]?.length ?? 0)));
  const total = widths.reduce((sum, own) => sum + own + 2, 0);
  const body = total - 2 <= width ? formatTable(grid, width) : formatTable(listRows(view), width);
  return [body, ...footLines(view)].join('\n');
}

export function matrixMarkdown(view: MatrixView): string {
  const rows = view.ends.length <= MARKDOWN_COLUMNS_MAX ? gridRows(view) : listRows(view);
  const notes = view.notes.map((note) => `\n> ${escapeMarkdown(note)}`);
  return [markdownTable(rows.map((row) => row.map(escapeCell))), ...notes].join('\n');
}

/** markdownTable escapes `|` itself. */
function escapeCell(text: string): string {
  return escapeMarkdown(text).replaceAll('\\|', '|');
}

export function matrixCsv({ ends, cells }: MatrixView): string {
  const lines = ['from,to,always,partly'];
  for (const [row, from] of ends.entries()) {
    for (const [column, to] of ends.entries()) {
      const cell = cells[row]?.[column];
      if (cell) lines.push([from.name, to.name, cell.always, cell.partly].map(quoteCsv).join(','));
    }
  }
  return lines.join('\n');
}

export function matrixData({ by, ends, cells, notes }: MatrixView): unknown {
  return {
    by,
    ends: ends.map(({ name, kind, pods }) => ({ name, kind, pods })),
    flows: ends.flatMap((from, row) =>
      ends.flatMap((to, column) => {
        const cell = cells[row]?.[column];
        if (!cell) return [];
        const { text, alwaysPorts, partlyPorts } = cell;
        return [{ from: from.name, to: to.name, text, always: alwaysPorts, partly: partlyPorts }];
      }),
    ),
    notes,
  };
}

function gridRows({ ends, cells }: MatrixView): readonly (readonly string[])[] {
  const body = ends.map(({ name }, row) => [name, ...ends.map((_, column) => cells[row]?.[column]?.text ?? NO_SAY)]);
  return [['FROM \\ TO', ...ends.map(({ name }) => name)], ...body];
}

/** One line for all destinations that a source reaches on the same ports. */
function listRows({ ends, cells }: MatrixView): readonly (readonly string[])[] {
  const rows: string[][] = [['FROM', 'ON', 'TO']];
  for (const [row, from] of ends.entries()) {
    const byText = new Map<string, { readonly cell: CellView; readonly names: string[] }>();
    for (const [column, to] of ends.entries()) {
      const cell = cells[row]?.[column];
      if (!cell) continue;
      const same = byText.get(cell.text);
      if (same === undefined) byText.set(cell.text, { cell, names: [to.name] });
      else same.names.push(to.name);
    }
    const groups = [...byText.values()].sort((a, b) => ORDER[a.cell.tone] - ORDER[b.cell.tone]);
    for (const [i, { cell, names }] of groups.entries()) {
      const isRest = cell.tone === 'none' && i > 0;
      rows.push([i === 0 ? from.name : '', cell.text, isRest ? `the other ${names.length}` : names.join(', ')]);
    }
  }
  return rows;
}

const ORDER: Readonly<Record<CellView['tone'], number>> = { all: 0, ports: 1, partly: 2, none: 3 };

function footLines({ ends, cells, notes }: MatrixView): readonly string[] {
  const pods = ends.reduce((sum, end) => sum + end.pods, 0);
  const hasPartly = cells.some((row) => row.some((cell) => cell?.tone === 'partly'));
  return [
    '',
    `${count(ends.length, 'end')}, ${count(pods, 'pod')}`,
    ...(hasPartly ? ['partly: between some pods of the two, not between all'] : []),
    ...notes.map((note) => `note: ${note}`),
  ];
}
