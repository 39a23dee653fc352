/**
 * The ends of a question, as addresses: a pod has its own, a range is cut wherever an address may be answered differently
 * from its neighbour. One address of a cell therefore speaks for all of it.
 */
import type { Family } from '../net/address.ts';
import { addressFromTable, parseAddress } from '../net/address.ts';
import { type AddressRange, addressNumber, formatNumber, formatRange, rangeOfCidr } from './address-range.ts';
import type { DryRun } from './dry-run.ts';
import { ADDRESS_KEY_BYTES, PREFIX_KEY_BYTES } from './ids.ts';
import type { Pod } from './model.ts';

export interface FlowCell {
  readonly family: Family;
  /** Any address of it, canonical text. */
  readonly address: string;
  /** What it is to a person: `shop/web-1`, `10.0.0.0/8`. */
  readonly label: string;
  /** Whether it was asked for as a pod; an address in a range may be a pod's all the same. */
  readonly pod: Pod | undefined;
  readonly range: AddressRange | undefined;
}

export function podCells(pod: Pod): readonly FlowCell[] {
  return pod.podIPs.flatMap((address) => {
    const parsed = parseAddress(address);
    if (parsed === undefined) return [];
    return [{ family: parsed.family, address, label: `${pod.namespace}/${pod.name}`, pod, range: undefined }];
  });
}

/** In order of the addresses. */
export function rangeCells(dryRun: DryRun, ranges: readonly AddressRange[]): readonly FlowCell[] {
  return ranges.flatMap((range) => {
    const cuts = cutsIn(dryRun, range);
    return cuts.map((first, i): FlowCell => {
      const part = { family: range.family, first, last: (cuts[i + 1] ?? range.last + 1n) - 1n };
      const address = formatNumber(range.family, first);
      return { family: range.family, address, label: formatRange(part), pod: undefined, range: part };
    });
  });
}

/** First addresses of the cells, sorted. */
function cutsIn(dryRun: DryRun, range: AddressRange): readonly bigint[] {
  const cuts = new Set([range.first]);
  const cut = (number: bigint): void => {
    if (number > range.first && number <= range.last) cuts.add(number);
  };
  for (const known of boundaries(dryRun)) {
    if (known.family !== range.family) continue;
    cut(known.first);
    cut(known.last + 1n);
  }
  return [...cuts].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
}

function* boundaries(dryRun: DryRun): Generator<AddressRange> {
  const { addresses, prefixes } = dryRun.result.tables;
  for (let at = 0; at < addresses.keys.length; at += ADDRESS_KEY_BYTES) {
    const family = addresses.keys[at] === 4 ? 4 : 6;
    const number = addressNumber(addressFromTable(family, addresses.keys.subarray(at + 1, at + ADDRESS_KEY_BYTES)));
    yield { family, first: number, last: number };
  }
  for (let at = 0; at < prefixes.keys.length; at += PREFIX_KEY_BYTES) {
    const family = prefixes.keys[at] === 4 ? 4 : 6;
    const { bytes } = addressFromTable(family, prefixes.keys.subarray(at + 2, at + PREFIX_KEY_BYTES));
    yield rangeOfCidr({ family, bytes, length: prefixes.keys[at + 1]! });
  }
  for (const address of dryRun.knownAddresses()) {
    const parsed = parseAddress(address);
    if (parsed === undefined) continue;
    const number = addressNumber(parsed);
    yield { family: parsed.family, first: number, last: number };
  }
}
