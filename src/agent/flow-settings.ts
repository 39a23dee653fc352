/**
 * How many flows the kernel remembers, and for how long. Tables are made at the start of the programs and cannot grow, so
 * their size follows the memory of the machine; timeouts are constants of the programs.
 */
import { ConfigError } from '../lib/errors.ts';

export interface FlowSettings {
  /** Unanswered flows, and those of endpoints beyond their limit. */
  readonly newFlows: number;
  /** Flows seen both ways. */
  readonly liveFlows: number;
  /** Of them one endpoint may have so many. */
  readonly endpointFlows: number;
  /** Constants of the programs, by name. */
  readonly constants: Readonly<Record<string, bigint>>;
}

/** Key, value and what the kernel adds to an element of such a table. */
const FLOW_BYTES = 200;
/** The part of the memory that both tables may take. */
const MEMORY_SHARE = 1 / 256;
const LIVE_MIN = 16_384;
const LIVE_MAX = 1_048_576;
/** Unanswered flows end soon: a quarter of the room is plenty. */
const NEW_SHARE = 1 / 4;
/** It takes the flows of eight endpoints at their limit to fill the table. */
const ENDPOINT_SHARE = 1 / 8;
const TIMEOUT_MAX_SECONDS = 7 * 86_400;

/** Names on the command line, the constant of each, and its default in seconds (bpf/maps.h has the same). */
const TIMEOUTS: Readonly<Record<string, { readonly constant: string; readonly seconds: number }>> = {
  'tcp-opening': { constant: 'tcp_opening_timeout_ns', seconds: 60 },
  tcp: { constant: 'tcp_live_timeout_ns', seconds: 86_400 },
  'tcp-closing': { constant: 'tcp_closing_timeout_ns', seconds: 10 },
  'other-opening': { constant: 'other_opening_timeout_ns', seconds: 60 },
  other: { constant: 'other_live_timeout_ns', seconds: 180 },
};

/**
 * @param table `auto`, or the number of flows seen both ways.
 * @param timeouts `name=seconds`, separated by commas; empty: defaults.
 * @throws ConfigError that says which part is wrong and what would be right.
 */
export function readFlowSettings(table: string, timeouts: string, memoryBytes: number): FlowSettings {
  const liveFlows = table === 'auto' ? flowsForMemory(memoryBytes) : readFlows(table);
  const endpointFlows = Math.floor(liveFlows * ENDPOINT_SHARE);
  return {
    liveFlows,
    newFlows: Math.floor(liveFlows * NEW_SHARE),
    endpointFlows,
    constants: { ...readTimeouts(timeouts), endpoint_flows_max: BigInt(endpointFlows) },
  };
}

/** A power of two, so that machines of nearly the same size have the same. */
export function flowsForMemory(memoryBytes: number): number {
  const fitting = (memoryBytes * MEMORY_SHARE) / (FLOW_BYTES * (1 + NEW_SHARE));
  return Math.min(LIVE_MAX, Math.max(LIVE_MIN, 2 ** Math.floor(Math.log2(fitting))));
}

function readFlows(text: string): number {
  const flows = Number(text);
  if (Number.isInteger(flows) && flows >= LIVE_MIN && flows <= LIVE_MAX) return flows;
  throw new ConfigError(
    `--flow-table ${JSON.stringify(text)}: use auto, or a whole number from ${LIVE_MIN} to ${LIVE_MAX}`,
  );
}

function readTimeouts(text: string): Record<string, bigint> {
  const seconds = new Map(Object.entries(TIMEOUTS).map(([name, timeout]) => [name, timeout.seconds]));
  for (const part of text.split(',').filter((each) => each !== '')) {
    const [name = '', value = ''] = part.split('=', 2);
    const number = Number(value);
    if (!seconds.has(name) || !Number.isInteger(number) || number < 1 || number > TIMEOUT_MAX_SECONDS) {
      throw new ConfigError(
        `--flow-timeouts ${JSON.stringify(part)}: use NAME=SECONDS with NAME one of ${[...seconds.keys()].join(', ')} ` +
          `and 1 to ${TIMEOUT_MAX_SECONDS} seconds`,
      );
    }
    seconds.set(name, number);
  }
  return Object.fromEntries(
    [...seconds].map(([name, value]) => [TIMEOUTS[name]!.constant, BigInt(value) * 1_000_000_000n]),
  );
}
