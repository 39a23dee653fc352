/** What the page of a matrix looks like and does: no part of it is made of names, so that it can be pinned by its hash. */
import { DARK_VARS, GRAPH_CSS, LIGHT_VARS } from './matrix-svg.ts';

export const PAGE_CSS: string = `
:root { color-scheme: light dark; ${LIGHT_VARS} --hover: #eef2f7; --all-bg: #d6f0e0; --ports-bg: #dbe9fb; --partly-bg: #fbe7cf; }
@media (prefers-color-scheme: dark) {
  :root { ${DARK_VARS} --hover: #222932; --all-bg: #173d2a; --ports-bg: #1b3455; --partly-bg: #47300f; }
}
* { box-sizing: border-box; }
body { margin: 0; padding: 1.5rem; font: 15px/1.45 system-ui, sans-serif; background: var(--surface); color: var(--ink); }
h1 { font-size: 1.35rem; margin: 0 0 .25rem; }
h2 { font-size: 1.05rem; margin: 2rem 0 .5rem; }
p { margin: .25rem 0; color: var(--soft); max-width: 75ch; }
.bar { display: flex; flex-wrap: wrap; gap: .75rem 1.5rem; align-items: center; margin: 1rem 0; }
.bar label { display: inline-flex; gap: .5rem; align-items: center; }
input[type=search] { font: inherit; padding: .35rem .6rem; width: 18rem; max-width: 60vw; color: inherit; background: var(--surface); border: 1px solid var(--soft); border-radius: 6px; }
.key { display: flex; flex-wrap: wrap; gap: .5rem 1rem; padding: 0; margin: 0; list-style: none; color: var(--soft); }
.key span { display: inline-block; width: 1em; height: 1em; margin-right: .4em; vertical-align: -.15em; border-radius: 3px; border: 1px solid var(--line); }
.scroll { overflow: auto; max-height: 78vh; border: 1px solid var(--line); border-radius: 8px; width: fit-content; max-width: 100%; }
table { border-collapse: separate; border-spacing: 0; font-size: 13px; }
th, td { padding: .3rem .55rem; border-right: 1px solid var(--line); border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
th { background: var(--surface); font-weight: 600; min-width: 5.5rem; max-width: 14rem; overflow-wrap: break-word; }
tbody th { white-space: nowrap; max-width: 22rem; overflow: hidden; text-overflow: ellipsis; }
thead th { position: sticky; top: 0; z-index: 2; vertical-align: bottom; }
tbody th { position: sticky; left: 0; z-index: 1; }
thead th:first-child { left: 0; z-index: 3; font-weight: 400; color: var(--soft); }
td { min-width: 5.5rem; max-width: 16rem; }
.all { background: var(--all-bg); } .ports { background: var(--ports-bg); } .partly { background: var(--partly-bg); }
td.none, td.no-say { color: var(--soft); }
td:hover { box-shadow: inset 0 0 0 1px var(--soft); }
td:focus { outline: 2px solid var(--ports); outline-offset: -2px; }
th small { display: block; font-weight: 400; color: var(--soft); }
#detail { min-height: 1.5em; margin: .6rem 0 0; color: var(--ink); font-variant-numeric: tabular-nums; }
.graph { max-width: 100%; height: auto; }
.graph.chosen .flow { opacity: .06; } .graph.chosen .flow.on { opacity: 1; }
.graph .node { cursor: pointer; } .graph .node:focus { outline: none; }
.graph .node:focus circle, .graph .node.on circle { fill: var(--ports); stroke: var(--ports); }
[hidden] { display: none !important; }
@media print { .bar, #detail { display: none; } .scroll { max-height: none; overflow: visible; } }
${GRAPH_CSS}`;

/** Filter, arrow keys, and what passes at a node. Reads attributes only; writes text, never markup. */
export const PAGE_SCRIPT = `
'use strict';
const table = document.querySelector('table');
const graph = document.querySelector('svg.graph');
const filter = document.getElementById('filter');
const onlyOpen = document.getElementById('only-open');
const detail = document.getElementById('detail');
const heads = [...table.tHead.rows[0].cells].slice(1);
const rows = [...table.tBodies[0].rows];
const names = heads.map((head) => head.dataset.name);

function describe(cell) {
  const from = names[cell.parentElement.rowIndex - 1];
  const to = names[cell.cellIndex - 1];
  detail.textContent = from + ' \\u2192 ' + to + ': ' + (cell.title || cell.textContent);
}

function refilter() {
  const words = filter.value.toLowerCase().split(/\\s+/).filter(Boolean);
  const named = names.map((name) => words.every((word) => name.toLowerCase().includes(word)));
  const all = words.length === 0;
  const shown = (r, c) => all || named[r] || named[c];
  const passes = (r, c) => !onlyOpen.checked || /all|ports|partly/.test(rows[r].cells[c + 1].className);
  const rowOn = names.map((_, r) => names.some((__, c) => shown(r, c) && passes(r, c)));
  const columnOn = names.map((_, c) => names.some((__, r) => shown(r, c) && passes(r, c)));
  rows.forEach((row, r) => {
    row.hidden = !rowOn[r];
    for (let c = 0; c < names.length; c += 1) row.cells[c + 1].hidden = !columnOn[c];
  });
  heads.forEach((head, c) => { head.hidden = !columnOn[c]; });
  for (const flow of graph.querySelectorAll('.flow')) flow.toggleAttribute('hidden', !shown(+flow.dataset.from, +flow.dataset.to));
  const count = rows.filter((row) => !row.hidden).length;
  document.getElementById('count').textContent = all && !onlyOpen.checked ? '' : count + ' of ' + rows.length + ' sources shown';
}

function move(cell, rowStep, columnStep) {
  let row = cell.parentElement;
  let next = cell;
  if (columnStep !== 0) {
    do next = columnStep > 0 ? next.nextElementSibling : next.previousElementSibling; while (next && next.hidden);
  } else {
    do row = rowStep > 0 ? row.nextElementSibling : row.previousElementSibling; while (row && row.hidden);
    next = row && row.cells[cell.cellIndex];
  }
  if (!next || next.tagName !== 'TD') return;
  cell.tabIndex = -1;
  next.tabIndex = 0;
  next.focus();
  // A page that the window manager has not given the focus gets no focus events.
  describe(next);
}

const STEPS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
table.addEventListener('keydown', (event) => {
  const step = STEPS[event.key];
  if (!step || event.target.tagName !== 'TD') return;
  event.preventDefault();
  move(event.target, step[0], step[1]);
});
table.addEventListener('focusin', (event) => { if (event.target.tagName === 'TD') describe(event.target); });
table.addEventListener('click', (event) => {
  const cell = event.target.closest('td');
  if (!cell) return;
  cell.tabIndex = 0;
  cell.focus();
});

let held = null;
function choose(index) {
  graph.classList.toggle('chosen', index !== null);
  for (const node of graph.querySelectorAll('.node')) node.classList.toggle('on', node.dataset.end === index);
  for (const flow of graph.querySelectorAll('.flow')) {
    flow.classList.toggle('on', index !== null && (flow.dataset.from === index || flow.dataset.to === index));
  }
}
for (const node of graph.querySelectorAll('.node')) {
  node.setAttribute('tabindex', '0');
  node.setAttribute('role', 'button');
  node.setAttribute('aria-label', names[+node.dataset.end]);
  node.addEventListener('mouseenter', () => choose(node.dataset.end));
  node.addEventListener('mouseleave', () => choose(held));
  node.addEventListener('focus', () => choose(node.dataset.end));
  node.addEventListener('blur', () => choose(held));
  const hold = () => { held = held === node.dataset.end ? null : node.dataset.end; choose(held); };
  node.addEventListener('click', hold);
  node.addEventListener('keydown', (event) => {
    if (event.key === 'Enter' || event.key === ' ') { event.preventDefault(); hold(); }
    if (event.key === 'Escape') { held = null; choose(null); }
  });
}
filter.addEventListener('input', refilter);
onlyOpen.addEventListener('change', refilter);
document.addEventListener('keydown', (event) => {
  if (event.key === '/' && document.activeElement !== filter) { event.preventDefault(); filter.focus(); }
  if (event.key === 'Escape' && document.activeElement === filter) { filter.value = ''; refilter(); }
});
const first = table.querySelector('tbody td');
if (first) first.tabIndex = 0;
document.documentElement.dataset.ready = 'yes';
`;
