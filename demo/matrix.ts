/** A port's matrix: what the oracle expects beside what the kernel did, a column for every letter on the left. */
import { styleText } from 'node:util';
import type { Observation } from '../test/support/reachability.ts';
import type { ProbedPort } from './scenario.ts';

const LETTERS = 'abcdefghijklmnopqrstuvwxyz';
const GAP = '     ';

/** `same`: itself, or nobody to ask. Both families of a pair make one cell: `odd` when either is not as expected. */
type Cell = 'same' | 'allowed' | 'denied' | 'odd';

const MARKS: Readonly<Record<Cell, () => string>> = {
  same: () => ' ',
  allowed: () => styleText('green', '●'),
  denied: () => styleText('dim', '·'),
  odd: () => styleText(['bold', 'red'], '✗'),
};

export function renderMatrix(names: readonly string[], port: ProbedPort, observations: readonly Observation[]): string {
  const cells = new Map<string, Observation[]>();
  for (const observation of observations) {
    if (observation.protocol !== port.protocol || observation.port !== port.port) continue;
    const key = cellKey(observation.from.name, observation.to.name);
    cells.set(key, [...(cells.get(key) ?? []), observation]);
  }
  const width = Math.max(...names.map((name) => name.length)) + 2;
  const letters = names.map((_, index) => LETTERS.charAt(index)).join(' ');
  const expectedTitle = 'expected'.padEnd(names.length * 2 - 1);
  const title = styleText('bold', `${port.protocol} ${port.port} ${port.name}`.padEnd(width));
  const lines = names.map((from, index) => {
    const row = names.map((to) => cells.get(cellKey(from, to)) ?? []);
    const expected = row.map((pair) => draw(expectedCell(pair))).join(' ');
    const observed = row.map((pair) => draw(observedCell(pair))).join(' ');
    return `  ${styleText('dim', LETTERS.charAt(index))} ${from.padEnd(width - 2)}  ${expected}${GAP}${observed}`;
  });
  const header = `${' '.repeat(width)}  ${letters}${GAP}${letters}`;
  return [`  ${title}  ${expectedTitle}${GAP}the kernel`, `  ${styleText('dim', header)}`, ...lines].join('\n');
}

/** What the marks of a matrix mean. */
export function legend(): string {
  return `  from the left to the top, IPv4 and IPv6:  ${draw('allowed')} answered  ${draw('denied')} silence  ${draw('odd')} not as expected`;
}

function cellKey(from: string, to: string): string {
  return `${from} ${to}`;
}

function expectedCell(pair: readonly Observation[]): Cell {
  const [first] = pair;
  if (first === undefined) return 'same';
  return first.isAllowed ? 'allowed' : 'denied';
}

function observedCell(pair: readonly Observation[]): Cell {
  return pair.every(({ isAsExpected }) => isAsExpected) ? expectedCell(pair) : 'odd';
}

function draw(cell: Cell): string {
  return MARKS[cell]();
}
