/** A matrix in words: what every form of output is made of. */
import type { Matrix, MatrixEnd } from '../../policy/matrix.ts';
import { EVERYTHING, NO_PORTS_AT_ALL, type PortInterval, type PortSetId } from '../../policy/port-set.ts';

export interface EndView {
  readonly name: string;
  readonly kind: MatrixEnd['kind'];
  readonly pods: number;
  /** Of a pod's or workload's name; empty outside, and where ends are namespaces. */
  readonly namespace: string;
}

export interface CellView {
  /** `all`: everything, between all; `ports`: some ports, between all; `partly`: not between all pods; `none`. */
  readonly tone: 'all' | 'ports' | 'partly' | 'none';
  /** What passes between every pod of one end and every pod of the other. */
  readonly always: string;
  /** What passes between some only; empty: nothing more. */
  readonly partly: string;
  /** Both in one line. */
  readonly text: string;
  readonly alwaysPorts: readonly PortInterval[];
  readonly partlyPorts: readonly PortInterval[];
}

export interface MatrixView {
  readonly by: string;
  readonly ends: readonly EndView[];
  /** Row: from. Column: to. Null: policies have no say there. */
  readonly cells: readonly (readonly (CellView | null)[])[];
  readonly notes: readonly string[];
}

export function viewMatrix(matrix: Matrix, by: string, notes: readonly string[]): MatrixView {
  const words = new CellWords(matrix);
  return {
    by,
    ends: matrix.ends.map(({ name, kind, pods }) => {
      const namespace = kind === 'pods' && by !== 'namespace' ? (name.split('/')[0] ?? '') : '';
      return { name, kind, pods, namespace };
    }),
    cells: matrix.ends.map((from) => matrix.ends.map((to) => words.of(from, to))),
    notes: [...notes, ...matrix.problems],
  };
}

/** Few different cells make many: each is put into words once. */
class CellWords {
  readonly #matrix: Matrix;
  readonly #known = new Map<string, CellView>();

  constructor(matrix: Matrix) {
    this.#matrix = matrix;
  }

  of(from: MatrixEnd, to: MatrixEnd): CellView | null {
    const passage = this.#matrix.passage(from, to);
    if (passage === undefined) return null;
    const { always, sometimes } = passage;
    const key = `${always} ${sometimes}`;
    let cell = this.#known.get(key);
    if (cell === undefined) {
      cell = this.#word(always, sometimes);
      this.#known.set(key, cell);
    }
    return cell;
  }

  #word(always: PortSetId, sometimes: PortSetId): CellView {
    const { sets } = this.#matrix;
    const rest = sets.without(sometimes, always);
    const partly = rest === NO_PORTS_AT_ALL ? '' : sets.text(rest);
    const own = sets.text(always);
    return {
      tone: toneOf(always, rest),
      always: own,
      partly,
      text: partly === '' ? own : always === NO_PORTS_AT_ALL ? `partly ${partly}` : `${own}; partly ${partly}`,
      alwaysPorts: sets.intervals(always),
      partlyPorts: sets.intervals(rest),
    };
  }
}

function toneOf(always: PortSetId, rest: PortSetId): CellView['tone'] {
  if (rest !== NO_PORTS_AT_ALL) return 'partly';
  if (always === EVERYTHING) return 'all';
  return always === NO_PORTS_AT_ALL ? 'none' : 'ports';
}
