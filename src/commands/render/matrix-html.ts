/**
 * A matrix as one page that needs nothing from outside: a table that can be filtered and walked with the keyboard, and the
 * graph. The page's own policy forbids everything but its one script and style, so a name that slipped through could not
 * run either.
 */
import { createHash } from 'node:crypto';
import { count } from '../support/output.ts';
import { escapeMarkup } from './escape.ts';
import { PAGE_CSS, PAGE_SCRIPT } from './matrix-page.ts';
import { drawGraph } from './matrix-svg.ts';
import type { CellView, EndView, MatrixView } from './matrix-view.ts';

export function matrixHtml(view: MatrixView): string {
  const csp = `default-src 'none'; style-src '${hashOf(PAGE_CSS)}'; script-src '${hashOf(PAGE_SCRIPT)}'; base-uri 'none'; form-action 'none'`;
  const pods = view.ends.reduce((sum, end) => sum + end.pods, 0);
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${csp}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>Who reaches whom, by ${view.by}</title>
<style>${PAGE_CSS}</style>
</head>
<body>
<h1>Who reaches whom</h1>
<p>${count(view.ends.length, 'end')} by ${view.by}, ${count(pods, 'pod')}. Rows send, columns receive: what both ends' network policies let through. A pod always reaches itself and its own node.</p>
${view.notes.map((note) => `<p>Note: ${escapeMarkup(note)}</p>`).join('\n')}
<div class="bar">
<label>Filter <input type="search" id="filter" placeholder="part of a name ( / )" autocomplete="off" spellcheck="false"></label>
<label><input type="checkbox" id="only-open"> only ends that something passes between</label>
<ul class="key"><li><span class="all"></span>everything</li><li><span class="ports"></span>some ports</li><li><span class="partly"></span>between some pods only</li><li><span></span>nothing</li></ul>
<p id="count" role="status"></p>
</div>
<div class="scroll">
<table>
<thead><tr><th scope="col">from \\ to</th>${view.ends.map((end) => headCell(end, 'col')).join('')}</tr></thead>
<tbody>
${view.ends.map((end, row) => `<tr>${headCell(end, 'row')}${(view.cells[row] ?? []).map(dataCell).join('')}</tr>`).join('\n')}
</tbody>
</table>
</div>
<p id="detail" role="status" aria-live="polite">Arrow keys walk the table.</p>
<h2>Graph</h2>
<p>Thick: everything. Thin: some ports. Dashed: between some pods only. Point at an end, or press Enter on it, to see its flows alone.</p>
${drawGraph(view)}
<script>${PAGE_SCRIPT}</script>
</body>
</html>
`;
}

function headCell({ name, kind, pods, namespace }: EndView, scope: 'row' | 'col'): string {
  const short = namespace === '' ? name : name.slice(namespace.length + 1);
  const below =
    kind === 'outside' ? 'outside' : [namespace, count(pods, 'pod')].filter((word) => word !== '').join(', ');
  return `<th scope="${scope}" data-name="${escapeMarkup(name)}">${escapeMarkup(short)}<small>${escapeMarkup(below)}</small></th>`;
}

function dataCell(cell: CellView | null): string {
  if (cell === null) return '<td class="no-say" tabindex="-1" title="policies have no say">–</td>';
  return `<td class="${cell.tone}" tabindex="-1">${escapeMarkup(cell.text)}</td>`;
}

function hashOf(text: string): string {
  return `sha256-${createHash('sha256').update(text).digest('base64')}`;
}
