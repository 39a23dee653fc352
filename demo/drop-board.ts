/**
 * Shows the drops that the agents report while they come: one line for each new combination of policies and direction,
 * then how many there were in all. Events are limited at the source; what was left out of them is counted.
 */
import { styleText } from 'node:util';
import type { Drop } from '../test/support/agent-client.ts';

const LINES_MAX = 12;

export class DropBoard {
  readonly #print: (line: string) => void;
  readonly #groups = new Map<string, number>();
  #drops = 0;

  constructor(print: (line: string) => void) {
    this.#print = print;
  }

  add(node: string, drop: Drop): void {
    const count = 1 + drop.suppressed;
    this.#drops += count;
    const policies = drop.policies.length > 0 ? drop.policies.join(', ') : drop.reason;
    const key = `${drop.direction} ${policies}`;
    if (!this.#groups.has(key) && this.#groups.size < LINES_MAX) this.#print(dropLine(node, drop, policies));
    this.#groups.set(key, (this.#groups.get(key) ?? 0) + count);
  }

  summary(): string {
    const more = this.#groups.size - LINES_MAX;
    const hidden = more > 0 ? `, ${more} of them not shown` : '';
    return `${this.#drops} packets dropped, for ${this.#groups.size} sets of policies${hidden}`;
  }
}

function dropLine(node: string, drop: Drop, policies: string): string {
  const from = drop.sourcePod ?? drop.source;
  const to = drop.destinationPod ?? drop.destination;
  const what = `${from} → ${to} ${drop.protocol} ${drop.destinationPort}`;
  return `    ${styleText('red', '✗')} ${node} ${drop.direction.padEnd(7)} ${what}  ${styleText('dim', `denied by ${policies}`)}`;
}
