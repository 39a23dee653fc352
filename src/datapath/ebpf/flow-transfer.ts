/**
 * Brings the flows of another build's tables into this build's. May be repeated: what this side has already is merged,
 * not overwritten (flow-merge.ts).
 *
 * Every flow that was judged is judged again at its first packet: its epochs become one that is not in force. An end that
 * was not judged stays so. Endpoint ids, times and marks keep their meaning.
 */
import * as abi from '../../kernel/abi.gen.ts';
import type { BpfMap } from '../../kernel/bpf-map.ts';
import { viewOf } from './codecs.ts';
import { mergeFlow } from './flow-merge.ts';
import { addIfAbsent, type Converted, convertAll, element, type MapCopy, planMapCopy } from './map-copy.ts';

/** The two tables of one build. */
export interface FlowTables {
  readonly fresh: BpfMap;
  readonly live: BpfMap;
}

/** Without one of these an entry would be another flow, or none. */
const REQUIRED = [
  'last_seen_ns',
  'opened_ns',
  'egress_epoch',
  'ingress_epoch',
  'origin',
  'path',
  'opener',
  'opener_tcp',
  'responder_tcp',
  'flags',
  'opener_endpoint',
  'responder_endpoint',
];
const EPOCHS: readonly string[] = ['egress_epoch', 'ingress_epoch'];

/** Programs note when a flow was seen every 100 ms: what is older than this before a moment was not seen after it. */
const SEEN_STEP_NS = 1_000_000_000n;

interface Flow {
  readonly value: Uint8Array;
  readonly isLive: boolean;
}

interface Source {
  readonly map: BpfMap;
  /** Whether it holds flows seen both ways. */
  readonly isLive: boolean;
  readonly plan: MapCopy;
}

export class FlowTransfer {
  readonly #sources: readonly Source[];
  readonly #target: FlowTables;
  /** Of the target; written without looking at what is there. */
  readonly #empty: Set<BpfMap>;

  /**
   * @param empty those of the target's maps that were made anew.
   * @throws LayoutError when flows of a source cannot become flows of the target.
   */
  constructor(
    sources: { readonly fresh: readonly BpfMap[]; readonly live: readonly BpfMap[] },
    target: FlowTables,
    empty: Iterable<BpfMap>,
  ) {
    this.#target = target;
    this.#empty = new Set(empty);
    this.#sources = [
      ...sources.live.map((map) => ({ map, isLive: true, plan: planMapCopy(map, target.live, REQUIRED) })),
      ...sources.fresh.map((map) => ({ map, isLive: false, plan: planMapCopy(map, target.fresh, REQUIRED) })),
    ];
  }

  /** Everything. Returns how many flows that were. @param generation in force in this build's tables. */
  bringAll(generation: number): number {
    let count = 0;
    for (const source of this.#sources) {
      const map = this.#table(source.isLive);
      const flows = convertAll(source.map, map, source.plan);
      makeStale(flows, source.plan, generation);
      if (this.#empty.delete(map)) writeAll(map, flows);
      else this.#mergeAll(flows, source.isLive, 0n);
      count += flows.count;
    }
    return count;
  }

  /**
   * Only what was seen after a moment (CLOCK_MONOTONIC) at which everything was brought. Flows that were opened before and
   * are not here any more stay away: they ended, or found no room.
   */
  bringSince(timeNs: bigint, generation: number): void {
    for (const source of this.#sources) {
      const map = this.#table(source.isLive);
      const seen = source.plan.from.value.find(({ name, integer }) => name === 'last_seen_ns' && integer === 'u64');
      const isRecent = (values: DataView, offset: number): boolean =>
        seen === undefined || values.getBigUint64(offset + seen.offset, true) + SEEN_STEP_NS >= timeNs;
      const flows = convertAll(source.map, map, source.plan, isRecent);
      makeStale(flows, source.plan, generation);
      this.#mergeAll(flows, source.isLive, timeNs);
    }
  }

  #table(isLive: boolean): BpfMap {
    return isLive ? this.#target.live : this.#target.fresh;
  }

  #mergeAll({ count, keys, values }: Converted, isLive: boolean, openedSinceNs: bigint): void {
    const map = this.#table(isLive);
    for (let index = 0; index < count; index += 1) {
      const key = element(keys, index, map.keySize);
      const value = element(values, index, map.valueBytes);
      const own = this.#find(key);
      if (own !== undefined) this.#merge(key, { value, isLive }, own);
      else if (flowIn(value).openedNs >= openedSinceNs) addIfAbsent(map, key, value);
    }
  }

  #find(key: Uint8Array): Flow | undefined {
    for (const isLive of [true, false]) {
      const value = this.#table(isLive).lookup(key);
      if (value !== undefined) return { value, isLive };
    }
    return undefined;
  }

  /** What a program writes between the look at `own` and the write here is lost: marks of one packet. */
  #merge(key: Uint8Array, other: Flow, own: Flow): void {
    const isLive = other.isLive || own.isLive;
    if (isLive === own.isLive && Buffer.compare(own.value, other.value) === 0) return;
    const before = flowIn(own.value);
    const merged = mergeFlow(before, flowIn(other.value));
    if (isLive === own.isLive && merged === before) return;
    const bytes = new Uint8Array(abi.FLOW_VALUE_SIZE);
    abi.encodeFlowValue(viewOf(bytes), 0, merged);
    this.#table(isLive).update(key, bytes);
    if (isLive && !own.isLive) this.#target.fresh.delete(key);
  }
}

function makeStale({ count, values }: Converted, { to }: MapCopy, generation: number): void {
  const stale = lastGeneration(generation);
  const offsets = to.value.filter(({ name }) => EPOCHS.includes(name)).map(({ offset }) => offset);
  const view = viewOf(values);
  for (let at = 0; at < values.length; at += values.length / count) {
    for (const offset of offsets) {
      if (view.getUint32(at + offset, true) !== 0) view.setUint32(at + offset, stale, true);
    }
  }
}

/** A table that is too small keeps the flows that are written last: those seen last. */
function writeAll(map: BpfMap, flows: Converted): void {
  if (flows.count <= map.maxEntries) {
    map.updateBatch(flows.keys, flows.values);
    return;
  }
  const order = Array.from({ length: flows.count }, (_, index) => index);
  const seenNs = order.map((index) => flowIn(element(flows.values, index, map.valueBytes)).lastSeenNs);
  order.sort((a, b) => (seenNs[a]! < seenNs[b]! ? -1 : 1));
  for (const index of order.slice(-map.maxEntries)) {
    map.update(element(flows.keys, index, map.keySize), element(flows.values, index, map.valueBytes));
  }
}

function flowIn(value: Uint8Array): abi.FlowValue {
  return abi.decodeFlowValue(viewOf(value), 0);
}

/** Any generation that is not in force would do; 0 means that an end was not judged. */
function lastGeneration(generation: number): number {
  return generation <= 1 ? 0xffff_ffff : generation - 1;
}
