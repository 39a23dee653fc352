/**
 * The maps that other builds of Sluice, or other sizes, left pinned in this instance's directory: usually those of the
 * build that is replaced; also those of a replacement that was interrupted. They are read by the names of their fields.
 */
import * as abi from '../../kernel/abi.gen.ts';
import type { AbiField } from '../../kernel/bpf-abi.ts';
import { BpfMap } from '../../kernel/bpf-map.ts';
import { mapLayout } from '../../kernel/map-layout.ts';
import { ConfigError } from '../../lib/errors.ts';
import { wiringOf } from '../adopt.ts';
import type { EndpointWiring } from '../datapath.ts';
import { isInForce } from '../elements.ts';
import { ENDPOINT, ENDPOINT_KEY, viewOf } from './codecs.ts';
import { LayoutError } from './field-copy.ts';
import { convertAll, planMapCopy } from './map-copy.ts';
import type { Pins } from './pins.ts';

const READ = ['config', 'endpoints', 'flows_new', 'flows_live', 'fragments', 'endpoint_usage'] as const;
export type PredecessorMap = (typeof READ)[number];

/** Fields without which an endpoint cannot be known again. */
const ENDPOINT_REQUIRED = ['id', 'flags', 'mac', 'host_mac', 'ipv4', 'ipv6'];
const GRACE_FIELD = 'grace_until_ns';
const GRACE_BYTES = 8;
const COMMIT_GENERATION_MASK = 0xffff_ffffn;

export class Predecessors implements Disposable {
  readonly #maps: ReadonlyMap<PredecessorMap, readonly BpfMap[]>;

  private constructor(maps: ReadonlyMap<PredecessorMap, readonly BpfMap[]>) {
    this.#maps = maps;
  }

  /** Empty on a plain start or restart. */
  static open(pins: Pins): Predecessors {
    using opened = new DisposableStack();
    const maps = new Map(
      READ.map((name) => [name, pins.othersOf(name).map((path) => opened.use(BpfMap.openPinned(path)))] as const),
    );
    opened.move();
    return new Predecessors(maps);
  }

  /** Whether tables of another build may be in force. */
  get hasTables(): boolean {
    return this.maps('config').length > 0;
  }

  get hasFlows(): boolean {
    return this.maps('flows_new').length + this.maps('flows_live').length > 0;
  }

  maps(name: PredecessorMap): readonly BpfMap[] {
    return this.#maps.get(name) ?? [];
  }

  /**
   * The latest generation that any of their tables had in force.
   * @param own this build's `config`.
   * @throws ConfigError when a commit word cannot be found: flows judged by it could not be told from those judged here.
   */
  generation(own: BpfMap): number | undefined {
    let latest: number | undefined;
    for (const map of this.maps('config')) {
      const generation = generationIn(map, own);
      if (latest === undefined || !isInForce(latest, generation)) latest = generation;
    }
    return latest;
  }

  /**
   * Every endpoint that their tables name; the same one may come twice.
   * @param own this build's `endpoints`.
   * @throws LayoutError when they cannot be read.
   */
  *endpoints(own: BpfMap): Generator<EndpointWiring> {
    for (const map of this.maps('endpoints')) {
      const { count, keys, values } = convertAll(map, own, planMapCopy(map, own, ENDPOINT_REQUIRED));
      for (let index = 0; index < count; index += 1) {
        const { ifindex } = ENDPOINT_KEY.decode(viewOf(keys), index * ENDPOINT_KEY.size);
        yield wiringOf(ifindex, ENDPOINT.decode(viewOf(values), index * ENDPOINT.size));
      }
    }
  }

  /** Has their programs admit segments without a flow as replies until then (CLOCK_MONOTONIC), where they can. */
  admitRepliesUntil(timeNs: bigint): void {
    for (const map of this.maps('config')) {
      const field = mapLayout(map)?.value.find(({ name }) => name === GRACE_FIELD);
      if (field === undefined || !isWord64(field)) continue;
      for (const { key, value } of map.entries()) {
        viewOf(value).setBigUint64(field.offset, timeNs, true);
        // The commit word is written over with itself: nobody else writes while no agent of theirs runs.
        map.update(key, value);
      }
    }
  }

  [Symbol.dispose](): void {
    for (const map of [...this.#maps.values()].flat()) map.close();
  }
}

function generationIn(map: BpfMap, own: BpfMap): number {
  try {
    const { values } = convertAll(map, own, planMapCopy(map, own, ['commit']));
    return Number(abi.decodeConfig(viewOf(values), 0).commit & COMMIT_GENERATION_MASK);
  } catch (error) {
    if (!(error instanceof LayoutError)) throw error;
    throw new ConfigError(
      `${error.message}; its programs go on enforcing: go back to the build that made it, or drain the node and remove the pin`,
      { cause: error },
    );
  }
}

function isWord64({ width, length }: AbiField): boolean {
  return width === GRACE_BYTES && length === undefined;
}
