/** Where the ends of a graph stand: on a circle, those of a namespace side by side with a gap to the next. */
import { byNamespace } from './matrix-diagram.ts';
import type { EndView } from './matrix-view.ts';

export interface Place {
  readonly x: number;
  readonly y: number;
  /** Radians; 0 points to the right, and the circle is walked clockwise from the top. */
  readonly angle: number;
}

export interface Circle {
  readonly places: readonly Place[];
  readonly radius: number;
  /** Width and height of the square that holds circle and labels; the middle is at 0, 0. */
  readonly size: number;
  /** Namespaces as arcs, from and to in radians. */
  readonly arcs: readonly { readonly name: string; readonly from: number; readonly to: number }[];
}

const SPACE_PX = 26;
const RADIUS_MIN_PX = 150;
/** Gap between namespaces, in ends. */
const GAP = 1;
const LETTER_PX = 7.2;
const LABEL_MAX = 40;

export function placeOnCircle(ends: readonly EndView[]): Circle {
  const groups = [...byNamespace(ends)];
  const slots = ends.length + (groups.length > 1 ? groups.length * GAP : 0);
  const radius = Math.max(RADIUS_MIN_PX, (slots * SPACE_PX) / (2 * Math.PI));
  const step = (2 * Math.PI) / slots;
  const places: Place[] = ends.map(() => ({ x: 0, y: 0, angle: 0 }));
  const arcs: { name: string; from: number; to: number }[] = [];
  let slot = 0;
  for (const [name, members] of groups) {
    const from = angleOf(slot, step);
    for (const member of members) {
      const angle = angleOf(slot++, step);
      places[member] = { x: Math.cos(angle) * radius, y: Math.sin(angle) * radius, angle };
    }
    if (name !== '') arcs.push({ name, from, to: angleOf(slot - 1, step) });
    slot += GAP;
  }
  const letters = Math.max(...ends.map(({ name }) => Math.min(LABEL_MAX, name.length)));
  return { places, radius, size: 2 * (radius + letters * LETTER_PX + 36), arcs };
}

export function shortLabel(name: string): string {
  return name.length <= LABEL_MAX ? name : `${name.slice(0, LABEL_MAX - 1)}…`;
}

function angleOf(slot: number, step: number): number {
  return slot * step - Math.PI / 2 + step / 2;
}
