/**
 * Shows the drops that the agents report while they come: one line for each new combination of policies and direction.
 * Events are limited at the source, so they are not counted here.
 */
import { styleText } from 'node:util';
import type { Drop } from '../test/support/agent-client.ts';

const LINES_MAX = 12;
const FLOW_WIDTH = 58;

export class DropBoard {
  readonly #print: (line: string) => void;
  readonly #groups = new Set<string>();

  constructor(print: (line: string) => void) {
    this.#print = print;
  }

  add(node: string, drop: Drop): void {
    const key = `${drop.direction} ${drop.policies.join(' ')}`;
    if (drop.reason !== 'policy' || this.#groups.has(key)) return;
    this.#groups.add(key);
    if (this.#groups.size <= LINES_MAX) this.#print(dropLine(node, drop));
  }

  /** Combinations of policies and direction that dropped something. */
  get size(): number {
    return this.#groups.size;
  }
}

function dropLine(node: string, drop: Drop): string {
  const from = drop.sourcePod ?? drop.source;
  const to = drop.destinationPod ?? drop.destination;
  const what = `${from} → ${to} ${drop.protocol} ${drop.destinationPort}`.padEnd(FLOW_WIDTH);
  const mark = styleText('red', '✗');
  return `    ${mark} ${node} ${drop.direction.padEnd(7)} ${what} ${styleText('dim', namesOf(drop.policies))}`;
}

/** The policies of a pod are all of its namespace: `shop: default-deny, storefront`. */
function namesOf(policies: readonly string[]): string {
  const [namespace = ''] = policies[0]?.split('/') ?? [];
  return `${namespace}: ${policies.map((policy) => policy.slice(namespace.length + 1)).join(', ')}`;
}
