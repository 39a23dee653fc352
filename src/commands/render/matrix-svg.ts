/** The graph of a matrix as SVG: ends on a circle, an arrow for what passes. Needs nothing from outside. */
import { escapeMarkup } from './escape.ts';
import { type Circle, type Place, placeOnCircle, shortLabel } from './circle-layout.ts';
import { edgesOf } from './matrix-diagram.ts';
import type { MatrixView } from './matrix-view.ts';

/** For the page too. Colours are set where the drawing is put. */
export const GRAPH_CSS = `
.graph text { font: 12px system-ui, sans-serif; fill: var(--ink); }
.graph .node circle { fill: var(--surface); stroke: var(--ink); stroke-width: 1.5; }
.graph .node.outside circle { stroke-dasharray: 2 2; }
.graph .edge { fill: none; stroke-width: 1.5; opacity: .75; }
.graph .edge.all { stroke: var(--all); stroke-width: 2.25; }
.graph .edge.ports { stroke: var(--ports); }
.graph .edge.partly { stroke: var(--partly); stroke-dasharray: 5 3; }
.graph .tip.all { fill: var(--all); } .graph .tip.ports { fill: var(--ports); } .graph .tip.partly { fill: var(--partly); }
.graph .arc { fill: none; stroke: var(--line); stroke-width: 6; stroke-linecap: round; }
`;

export const LIGHT_VARS =
  '--surface:#fff;--ink:#1b1f24;--soft:#5b6570;--line:#d7dce2;--all:#1a7f4b;--ports:#1f6fd1;--partly:#b45f06;';
export const DARK_VARS =
  '--surface:#14181d;--ink:#e6e9ed;--soft:#9aa5b1;--line:#333b45;--all:#4fc588;--ports:#6cb0ff;--partly:#f0a64a;';

const NODE_PX = 6;
/** How far from its node an arrow ends. */
const TIP_PX = 9;

export function matrixSvg(view: MatrixView): string {
  const style = `svg{${LIGHT_VARS}background:var(--surface)}@media(prefers-color-scheme:dark){svg{${DARK_VARS}}}${GRAPH_CSS}`;
  return `<?xml version="1.0" encoding="UTF-8"?>\n${drawGraph(view, `<style>${style}</style>`)}`;
}

/** The drawing alone; `head` comes first in it. */
export function drawGraph(view: MatrixView, head = ''): string {
  const circle = placeOnCircle(view.ends);
  const half = fixed(circle.size / 2);
  const size = fixed(circle.size);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" class="graph" role="img" viewBox="-${half} -${half} ${size} ${size}" width="${size}" height="${size}">`,
    `<title>Who reaches whom</title>`,
    head,
    ...circle.arcs.map((arc) => drawArc(arc, circle.radius)),
    ...edgesOf(view)
      .filter(({ from, to }) => from !== to)
      .map(({ from, to, cell }) => {
        const title = `${view.ends[from]!.name} → ${view.ends[to]!.name}: ${cell.text}`;
        return drawEdge(circle, from, to, cell.tone, title);
      }),
    ...view.ends.map(({ name, kind }, i) => drawNode(circle.places[i]!, i, name, kind)),
    '</svg>',
  ].join('\n');
}

function drawEdge({ places }: Circle, from: number, to: number, tone: string, title: string): string {
  const a = places[from]!;
  const b = places[to]!;
  // Bent towards the middle, and to one side, so that both directions can be told apart.
  const side = 0.12;
  const control = {
    x: (a.x + b.x) * 0.22 - (b.y - a.y) * side,
    y: (a.y + b.y) * 0.22 + (b.x - a.x) * side,
  };
  const start = towards(a, control, NODE_PX);
  const end = towards(b, control, TIP_PX);
  const path = `M${point(start)}Q${point(control)} ${point(end)}`;
  return `<g class="flow" data-from="${from}" data-to="${to}"><path class="edge ${tone}" d="${path}"/>${drawTip(b, control, tone)}<title>${escapeMarkup(title)}</title></g>`;
}

function drawTip(node: Place, control: Point, tone: string): string {
  const tip = towards(node, control, NODE_PX + 1);
  const base = towards(node, control, TIP_PX + 5);
  const across = { x: (base.y - tip.y) * 0.5, y: (tip.x - base.x) * 0.5 };
  const left = { x: base.x + across.x, y: base.y + across.y };
  const right = { x: base.x - across.x, y: base.y - across.y };
  return `<path class="tip ${tone}" d="M${point(tip)}L${point(left)} ${point(right)}Z"/>`;
}

function drawNode({ x, y, angle }: Place, index: number, name: string, kind: string): string {
  const isLeft = Math.cos(angle) < -1e-9;
  const degrees = fixed((angle * 180) / Math.PI + (isLeft ? 180 : 0));
  const anchor = isLeft ? 'end' : 'start';
  const offset = isLeft ? -14 : 14;
  return (
    `<g class="node ${kind}" data-end="${index}" transform="translate(${point({ x, y })})"><circle r="${NODE_PX}"/>` +
    `<text transform="rotate(${degrees})" x="${offset}" dy=".35em" text-anchor="${anchor}">${escapeMarkup(shortLabel(name))}</text>` +
    `<title>${escapeMarkup(name)}</title></g>`
  );
}

/** Inside the circle, under the nodes of one namespace. */
function drawArc({ name, from, to }: Circle['arcs'][number], radius: number): string {
  const at = (angle: number): Point => ({ x: Math.cos(angle) * radius, y: Math.sin(angle) * radius });
  const isLarge = to - from > Math.PI ? 1 : 0;
  const path = `M${point(at(from - 0.001))}A${fixed(radius)} ${fixed(radius)} 0 ${isLarge} 1 ${point(at(to + 0.001))}`;
  return `<path class="arc" d="${path}"><title>namespace ${escapeMarkup(name)}</title></path>`;
}

interface Point {
  readonly x: number;
  readonly y: number;
}

function towards(from: Point, to: Point, px: number): Point {
  const length = Math.hypot(to.x - from.x, to.y - from.y) || 1;
  return { x: from.x + ((to.x - from.x) * px) / length, y: from.y + ((to.y - from.y) * px) / length };
}

function point({ x, y }: Point): string {
  return `${fixed(x)} ${fixed(y)}`;
}

function fixed(number: number): string {
  return `${Math.round(number * 10) / 10}`;
}
