/**
 * The real programs in the kernel, with tables written by hand: two pods' interfaces in a namespace of their own, so that a
 * test can push one frame and look at the verdict, the counters, the flows and the events.
 */
import { BpfObject } from '../../src/kernel/bpf-object.ts';
import * as abi from '../../src/kernel/abi.gen.ts';
import { progRun, type ProgRunResult } from '../../src/kernel/prog-run.ts';
import { withNetns } from '../../src/kernel/namespace.ts';
import { parseAddress, tableBytes } from '../../src/net/address.ts';
import { macBytes } from './packet.ts';
import { makeNetns, type TestNetns } from './netns.ts';

export const OBJECT: string = new URL('../../dist/bpf/sluice.bpf.o', import.meta.url).pathname;

/** Tables of a few flows: making the real ones takes longer than a test. */
const SMALL = {
  flows_new: { maxEntries: 1024 },
  flows_live: { maxEntries: 1024 },
  event_limit: { maxEntries: 1024 },
  fragments: { maxEntries: 1024 },
  slots: { maxEntries: 1024 },
} as const;

export interface TestPod {
  readonly id: number;
  readonly ifindex: number;
  readonly mac: string;
  readonly hostMac: string;
  readonly ipv4: string;
  readonly ipv6: string;
  readonly peerClass: number;
}

export type ProgramName = 'from_pod' | 'to_pod';

function encoded<T>(size: number, encode: (view: DataView, offset: number, value: T) => void, value: T): Uint8Array {
  const bytes = new Uint8Array(size);
  encode(new DataView(bytes.buffer), 0, value);
  return bytes;
}

export class LoadedPrograms implements Disposable {
  readonly object: BpfObject;
  readonly netns: TestNetns;
  readonly a: TestPod;
  readonly b: TestPod;
  /** Index of the interface that stands for the wire to other nodes. */
  readonly uplink: number;
  readonly #cells = new Map<number, Uint8Array>();
  #generation = 1;

  /** maps: other sizes than SMALL. */
  constructor(
    constants: Readonly<Record<string, bigint | number>> = {},
    maps: Readonly<Record<string, { readonly maxEntries: number }>> = {},
  ) {
    this.netns = makeNetns('prog');
    this.object = BpfObject.load({
      source: OBJECT,
      name: 'sluice',
      abiHash: abi.ABI_HASH,
      maps: { ...SMALL, ...maps },
      constants,
    });
    const index = (name: string): number => {
      this.netns.exec('ip', 'link', 'add', name, 'type', 'veth', 'peer', 'name', `${name}-peer`);
      return Number(this.netns.ip('link', 'show', name)[0]?.['ifindex']);
    };
    this.a = this.#pod(1, index('poda'), 11);
    this.b = this.#pod(2, index('podb'), 12);
    this.uplink = index('uplink');
    this.commit();
  }

  #pod(id: number, ifindex: number, peerClass: number): TestPod {
    return {
      id,
      ifindex,
      peerClass,
      mac: `02:00:00:00:00:0${id}`,
      hostMac: `02:00:00:00:01:0${id}`,
      ipv4: `10.244.0.${id + 1}`,
      ipv6: `fd00:244::${id + 1}`,
    };
  }

  /** Writes endpoint and addresses of a pod. */
  setPod(pod: TestPod, rules: { ingress: number; egress: number; flags?: number; generation?: number }): void {
    this.object.map('endpoints').update(
      encoded(abi.ENDPOINT_KEY_SIZE, abi.encodeEndpointKey, { ifindex: pod.ifindex }),
      encoded(abi.ENDPOINT_VALUE_SIZE, abi.encodeEndpointValue, {
        id: pod.id,
        flags: rules.flags ?? 0,
        mac: macBytes(pod.mac),
        hostMac: macBytes(pod.hostMac),
        generation: rules.generation ?? this.#generation,
        ingressOld: abi.RuleSet.CLOSED,
        ingressNew: rules.ingress,
        egressOld: abi.RuleSet.CLOSED,
        egressNew: rules.egress,
        ipv4: parseAddress(pod.ipv4)!.bytes,
        ipv6: parseAddress(pod.ipv6)!.bytes,
        pad: 0,
      }),
    );
    for (const address of [pod.ipv4, pod.ipv6]) {
      this.setAddress(address, { classNew: pod.peerClass, pod, endpointFlags: rules.flags ?? 0 });
    }
  }

  setAddress(
    text: string,
    value: {
      classNew: number;
      classOld?: number;
      generation?: number;
      flags?: number;
      pod?: TestPod;
      endpointFlags?: number;
    },
  ): void {
    const address = parseAddress(text)!;
    const key = encoded(abi.ADDRESS_KEY_SIZE, abi.encodeAddressKey, {
      family: address.family,
      pad: new Uint8Array(3),
      address: tableBytes(address),
    });
    const { pod, classNew } = value;
    this.object.map('addresses').update(
      key,
      encoded(abi.ADDRESS_VALUE_SIZE, abi.encodeAddressValue, {
        generation: value.generation ?? this.#generation,
        classOld: value.classOld ?? classNew,
        classNew,
        flags: value.flags ?? 0,
      }),
    );
    if (pod === undefined) {
      this.object.map('locals').delete(key);
      return;
    }
    this.object.map('locals').update(
      key,
      encoded(abi.LOCAL_VALUE_SIZE, abi.encodeLocalValue, {
        endpointId: pod.id,
        ifindex: pod.ifindex,
        mac: macBytes(pod.mac),
        hostMac: macBytes(pod.hostMac),
        endpointFlags: value.endpointFlags ?? 0,
      }),
    );
  }

  setPrefix(text: string, length: number, peerClass: number): void {
    const address = parseAddress(text)!;
    this.object.map('prefixes').update(
      encoded(abi.PREFIX_KEY_SIZE, abi.encodePrefixKey, {
        bits: 32 + length,
        family: address.family,
        pad: new Uint8Array(3),
        address: tableBytes(address),
      }),
      encoded(abi.PREFIX_VALUE_SIZE, abi.encodePrefixValue, {
        generation: this.#generation,
        classOld: peerClass,
        classNew: peerClass,
        pad: 0,
      }),
    );
  }

  /** A row that allows these port classes of block 0. */
  setRow(ruleSet: number, peerClass: number, allowed: readonly number[], audited: readonly number[] = []): void {
    const bits = (classes: readonly number[]): Uint8Array => {
      const bytes = new Uint8Array(32);
      for (const n of classes) bytes[n >> 3]! |= 1 << (n & 7);
      return bytes;
    };
    this.object
      .map('rows')
      .update(
        encoded(abi.ROW_KEY_SIZE, abi.encodeRowKey, { ruleSet, peerClass, block: 0 }),
        encoded(abi.ROW_VALUE_SIZE, abi.encodeRowValue, { allow: bits(allowed), audit: bits(audited) }),
      );
  }

  setPortClass(protocol: number, port: number, portClass: number, table = 0): void {
    const key = new Uint8Array(4);
    const index = table * abi.Limit.PORT_TABLE_CELLS + ((protocol * 65_536 + port) >> 2);
    new DataView(key.buffer).setUint32(0, index, true);
    const cell = this.object.map('ports').lookup(key)!;
    new DataView(cell.buffer).setUint16((port & 3) * 2, portClass, true);
    this.object.map('ports').update(key, cell);
    this.#cells.set(index, key);
  }

  /** Back to empty tables; counters go on counting. Cheaper than loading anew. */
  reset(): void {
    for (const name of [
      'endpoints',
      'addresses',
      'locals',
      'prefixes',
      'rows',
      'flows_new',
      'flows_live',
      'event_limit',
      'fragments',
      'endpoint_usage',
      'frontends',
      'backends',
      'service_ranges',
      'affinities',
    ]) {
      const map = this.object.map(name);
      for (const { key } of map.entries()) map.delete(key);
    }
    for (const key of this.#cells.values()) this.object.map('ports').update(key, new Uint8Array(8));
    this.#cells.clear();
    this.commit({ generation: 1 });
  }

  /** Brings generation (default: the present one) and port table in force. */
  commit(fields: { generation?: number; portTable?: number; graceUntilNs?: bigint; flags?: number } = {}): void {
    this.#generation = fields.generation ?? this.#generation;
    this.object.map('config').update(
      new Uint8Array(4),
      encoded(abi.CONFIG_SIZE, abi.encodeConfig, {
        commit: (BigInt(fields.portTable ?? 0) << 32n) | BigInt(this.#generation),
        graceUntilNs: fields.graceUntilNs ?? 0n,
        flags: fields.flags ?? 0,
        pad: 0,
      }),
    );
  }

  get generation(): number {
    return this.#generation;
  }

  run(program: ProgramName, pod: TestPod, packet: Uint8Array, ingressIfindex = 0): ProgRunResult {
    const fd = this.object.program(program);
    return withNetns(this.netns.fd, () => progRun(fd, { packet, ifindex: pod.ifindex, ingressIfindex }));
  }

  /** Packets counted for a reason and direction. */
  counted(reason: abi.Reason, direction: abi.Direction): number {
    const key = new Uint8Array(4);
    new DataView(key.buffer).setUint32(0, reason * 2 + direction, true);
    const perCpu = this.object.map('counters').lookupPerCpu(key) ?? [];
    return perCpu.reduce(
      (sum, bytes) => sum + Number(abi.decodeCounterValue(new DataView(bytes.buffer, bytes.byteOffset), 0).packets),
      0,
    );
  }

  flows(table: 'flows_new' | 'flows_live'): readonly abi.FlowValue[] {
    return [...this.object.map(table).entries()].map(({ value }) =>
      abi.decodeFlowValue(new DataView(value.buffer, value.byteOffset), 0),
    );
  }

  [Symbol.dispose](): void {
    this.object.close();
    this.netns.remove();
  }
}
