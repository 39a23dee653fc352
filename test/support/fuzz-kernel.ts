/** Plays steps on the real programs: tables written into their maps, packets by BPF_PROG_TEST_RUN. */
import * as abi from '../../src/kernel/abi.gen.ts';
import type { BpfMap } from '../../src/kernel/bpf-map.ts';
import { BpfObject } from '../../src/kernel/bpf-object.ts';
import { withNetns } from '../../src/kernel/namespace.ts';
import { progRun } from '../../src/kernel/prog-run.ts';
import { parseAddress, tableBytes } from '../../src/net/address.ts';
import { FLOWS_MAX, rowBits, VXLAN_PORT } from './fuzz-reference.ts';
import { FUZZ_PODS, type PacketStep, type Step } from './fuzz-step.ts';
import { OBJECT } from './loaded-programs.ts';
import { makeNetns, type TestNetns } from './netns.ts';
import { macBytes } from './packet.ts';
import { TIMEOUT_S } from './reference-flow.ts';
import type { Entrance } from './reference-judge.ts';

const SMALL = { maxEntries: 2048 } as const;
const GRACE_NS = 3_600_000_000_000n;
const TABLES = [
  'endpoints',
  'locals',
  'addresses',
  'prefixes',
  'rows',
  'frontends',
  'backends',
  'service_ranges',
] as const;
const LEARNED = ['flows_new', 'flows_live', 'fragments', 'affinities', 'endpoint_usage', 'event_limit'] as const;

type ServiceFuzzStep = Extract<
  Step,
  { readonly kind: 'backend' | 'backend-gone' | 'frontend' | 'frontend-gone' | 'service-range' }
>;

export interface KernelOutcome {
  readonly retval: number;
  readonly frame: Uint8Array;
}

/** Packets and bytes, by reason * 2 + direction. */
export type Counters = readonly { readonly packets: number; readonly bytes: number }[];

export interface KernelFlow {
  readonly key: abi.FlowKey;
  readonly value: abi.FlowValue;
  readonly isLive: boolean;
}

function encoded<T>(size: number, encode: (view: DataView, offset: number, value: T) => void, value: T): Uint8Array {
  const bytes = new Uint8Array(size);
  encode(new DataView(bytes.buffer), 0, value);
  return bytes;
}

function nanoseconds(seconds: number): bigint {
  return BigInt(seconds) * 1_000_000_000n;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function addressKey(text: string): Uint8Array {
  const address = parseAddress(text)!;
  return encoded(abi.ADDRESS_KEY_SIZE, abi.encodeAddressKey, {
    family: address.family,
    pad: new Uint8Array(3),
    address: tableBytes(address),
  });
}

function prefixKey(text: string, length: number): Uint8Array {
  const address = parseAddress(text)!;
  return encoded(abi.PREFIX_KEY_SIZE, abi.encodePrefixKey, {
    bits: 32 + length,
    family: address.family,
    pad: new Uint8Array(3),
    address: tableBytes(address),
  });
}

function frontendKey(text: string, port: number, protocol: number): Uint8Array {
  const address = parseAddress(text)!;
  const fields = { family: address.family, protocol, port, address: tableBytes(address) };
  return encoded(abi.FRONTEND_KEY_SIZE, abi.encodeFrontendKey, fields);
}

function endpointKey(ifindex: number): Uint8Array {
  return encoded(abi.ENDPOINT_KEY_SIZE, abi.encodeEndpointKey, { ifindex });
}

export class KernelSide implements Disposable {
  readonly #netns: TestNetns = makeNetns('fuzz');
  readonly #object: BpfObject;
  readonly #maps: Readonly<Record<string, BpfMap>>;
  readonly #ports: Uint16Array;
  readonly #slots: Uint32Array;
  readonly #cells = new Set<number>();
  readonly #pods: readonly number[];
  readonly #wire: number;
  readonly #programs: Readonly<Record<PacketStep['hook'], number>>;

  /** object: the compiled programs. */
  constructor(object: string = OBJECT) {
    const sizes = Object.fromEntries(LEARNED.map((name) => [name, SMALL]));
    this.#object = BpfObject.load({
      source: object,
      name: 'sluice',
      abiHash: abi.ABI_HASH,
      maps: sizes,
      constants: {
        endpoint_flows_max: FLOWS_MAX,
        vxlan_port: VXLAN_PORT,
        tcp_opening_timeout_ns: nanoseconds(TIMEOUT_S.opening),
        tcp_live_timeout_ns: nanoseconds(TIMEOUT_S.tcpLive),
        tcp_closing_timeout_ns: nanoseconds(TIMEOUT_S.tcpClosing),
        other_opening_timeout_ns: nanoseconds(TIMEOUT_S.opening),
        other_live_timeout_ns: nanoseconds(TIMEOUT_S.otherLive),
      },
    });
    const names = [...TABLES, ...LEARNED, 'config', 'ports', 'counters', 'slots'];
    this.#maps = Object.fromEntries(names.map((name) => [name, this.#object.map(name)]));
    this.#ports = new Uint16Array(this.#object.map('ports').mmap().buffer);
    this.#slots = new Uint32Array(this.#object.map('slots').mmap().buffer);
    this.#programs = { from_pod: this.#object.program('from_pod'), to_pod: this.#object.program('to_pod') };
    const index = (name: string): number => {
      this.#netns.exec('ip', 'link', 'add', name, 'type', 'veth', 'peer', 'name', `${name}-peer`);
      return Number(this.#netns.ip('link', 'show', name)[0]?.['ifindex']);
    };
    this.#pods = FUZZ_PODS.map((_, pod) => index(`pod${pod}`));
    this.#wire = index('wire');
  }

  /** Runs `play` in the namespace that has the interfaces, with empty tables. */
  session<T>(play: () => T): T {
    this.#clear();
    return withNetns(this.#netns.fd, play);
  }

  run({ hook, pod, entrance, frame }: PacketStep): KernelOutcome {
    const { retval, packet } = progRun(this.#programs[hook], {
      packet: frame,
      ifindex: this.#pods[pod]!,
      ingressIfindex: this.#ingressOf(entrance),
    });
    return { retval, frame: packet };
  }

  write(step: Exclude<Step, PacketStep>): void {
    switch (step.kind) {
      case 'endpoint':
        this.#writeEndpoint(step);
        return;
      case 'endpoint-gone':
        this.#map('endpoints').delete(endpointKey(this.#pods[step.pod]!));
        return;
      case 'address':
        this.#writeAddress(step);
        return;
      case 'address-gone':
        this.#map('addresses').delete(addressKey(step.address));
        this.#map('locals').delete(addressKey(step.address));
        return;
      case 'prefix': {
        const [classOld, classNew] = step.classes;
        this.#map('prefixes').update(
          prefixKey(step.address, step.length),
          encoded(abi.PREFIX_VALUE_SIZE, abi.encodePrefixValue, {
            generation: step.generation,
            classOld,
            classNew,
            pad: 0,
          }),
        );
        return;
      }
      case 'row': {
        const { ruleSet, peerClass, block } = step;
        this.#map('rows').update(
          encoded(abi.ROW_KEY_SIZE, abi.encodeRowKey, { ruleSet, peerClass, block }),
          encoded(abi.ROW_VALUE_SIZE, abi.encodeRowValue, { allow: rowBits(step.allow), audit: rowBits([]) }),
        );
        return;
      }
      case 'port': {
        const index = step.table * abi.Limit.PORT_TABLE_CELLS * 4 + step.protocol * 65_536 + step.port;
        this.#ports[index] = step.portClass;
        this.#cells.add(index);
        return;
      }
      case 'backend':
      case 'backend-gone':
      case 'frontend':
      case 'frontend-gone':
      case 'service-range':
        this.#writeService(step);
        return;
      case 'config':
        this.#map('config').update(
          new Uint8Array(4),
          encoded(abi.CONFIG_SIZE, abi.encodeConfig, {
            commit: (BigInt(step.portTable) << 32n) | BigInt(step.generation),
            graceUntilNs: step.isGrace ? process.hrtime.bigint() + GRACE_NS : 0n,
            flags: step.flags,
            pad: 0,
          }),
        );
        return;
      case 'age':
        this.#age(nanoseconds(step.seconds));
    }
  }

  counters(): Counters {
    const map = this.#map('counters');
    const { count, values } = map.snapshot();
    return Array.from({ length: count }, (_, i) => {
      let packets = 0;
      let bytes = 0;
      for (const one of map.splitPerCpu(values.subarray(i * map.valueBytes, (i + 1) * map.valueBytes))) {
        const value = abi.decodeCounterValue(viewOf(one), 0);
        packets += Number(value.packets);
        bytes += Number(value.bytes);
      }
      return { packets, bytes };
    });
  }

  flows(): readonly KernelFlow[] {
    return (['flows_new', 'flows_live'] as const).flatMap((table) =>
      [...this.#map(table).entries()].map(({ key, value }) => ({
        key: abi.decodeFlowKey(viewOf(key), 0),
        value: abi.decodeFlowValue(viewOf(value), 0),
        isLive: table === 'flows_live',
      })),
    );
  }

  /** Flows that are charged to endpoints, by id. */
  usage(): ReadonlyMap<number, number> {
    const out = new Map<number, number>();
    for (const { key, value } of this.#map('endpoint_usage').entries()) {
      const { tcpFlows, otherFlows } = abi.decodeUsageValue(viewOf(value), 0);
      out.set(viewOf(key).getUint32(0, true), sum(tcpFlows) + sum(otherFlows));
    }
    return out;
  }

  [Symbol.dispose](): void {
    this.#object.close();
    this.#netns.remove();
  }

  #map(name: string): BpfMap {
    const map = this.#maps[name];
    if (map === undefined) throw new Error(`the object has no map ${name}`);
    return map;
  }

  #ingressOf(entrance: Entrance): number {
    if (entrance === 'node') return 0;
    return entrance === 'wire' ? this.#wire : this.#pods[entrance]!;
  }

  #writeEndpoint(step: Extract<Step, { kind: 'endpoint' }>): void {
    const pod = FUZZ_PODS[step.pod]!;
    this.#map('endpoints').update(
      endpointKey(this.#pods[step.pod]!),
      encoded(abi.ENDPOINT_VALUE_SIZE, abi.encodeEndpointValue, {
        id: step.id,
        flags: step.flags,
        mac: macBytes(pod.mac),
        hostMac: macBytes(pod.hostMac),
        generation: step.generation,
        ingressOld: step.old[0],
        ingressNew: step.new[0],
        egressOld: step.old[1],
        egressNew: step.new[1],
        ipv4: step.hasIpv4 ? parseAddress(pod.ipv4)!.bytes : new Uint8Array(4),
        ipv6: step.hasIpv6 ? parseAddress(pod.ipv6)!.bytes : new Uint8Array(16),
        pad: 0,
      }),
    );
  }

  #writeAddress(step: Extract<Step, { kind: 'address' }>): void {
    const key = addressKey(step.address);
    this.#map('addresses').update(
      key,
      encoded(abi.ADDRESS_VALUE_SIZE, abi.encodeAddressValue, {
        generation: step.generation,
        classOld: step.classes[0],
        classNew: step.classes[1],
        flags: step.flags,
      }),
    );
    if (step.local === undefined) {
      this.#map('locals').delete(key);
      return;
    }
    const { mac, hostMac } = FUZZ_PODS[step.local.pod]!;
    this.#map('locals').update(
      key,
      encoded(abi.LOCAL_VALUE_SIZE, abi.encodeLocalValue, {
        endpointId: step.local.id,
        ifindex: this.#pods[step.local.pod]!,
        mac: macBytes(mac),
        hostMac: macBytes(hostMac),
        endpointFlags: step.local.flags,
      }),
    );
  }

  #writeService(step: ServiceFuzzStep): void {
    const id = (value: number): Uint8Array => new Uint8Array(Uint32Array.of(value).buffer);
    switch (step.kind) {
      case 'backend': {
        const address = parseAddress(step.address)!;
        const { port, frontend } = step;
        const fields = { address: tableBytes(address), port, family: address.family, pad: 0, frontend };
        const value = encoded(abi.BACKEND_VALUE_SIZE, abi.encodeBackendValue, fields);
        this.#map('backends').update(id(step.id), value);
        return;
      }
      case 'backend-gone':
        this.#map('backends').delete(id(step.id));
        return;
      case 'frontend': {
        const { address, port, protocol, flags, firstSlot, slots } = step;
        this.#slots.set(slots, firstSlot);
        const fields = { id: step.id, flags, firstSlot, slotCount: slots.length, affinitySeconds: step.affinityS };
        this.#writeFrontend(frontendKey(address, port, protocol), fields);
        const isAddress = {
          id: 0,
          flags: abi.FrontendFlag.FRONTEND_ADDRESS,
          firstSlot: 0,
          slotCount: 0,
          affinitySeconds: 0,
        };
        this.#writeFrontend(frontendKey(address, 0, 0), isAddress);
        return;
      }
      case 'frontend-gone':
        this.#map('frontends').delete(frontendKey(step.address, step.port, step.protocol));
        return;
      case 'service-range':
        this.#map('service_ranges').update(prefixKey(step.address, step.length), id(0));
    }
  }

  #writeFrontend(key: Uint8Array, fields: abi.FrontendValue): void {
    this.#map('frontends').update(key, encoded(abi.FRONTEND_VALUE_SIZE, abi.encodeFrontendValue, fields));
  }

  /** Everything that was learned was learned that much earlier. When a flow was opened stays: its charge is kept by it. */
  #age(ns: bigint): void {
    for (const name of ['flows_new', 'flows_live', 'fragments', 'affinities']) {
      const map = this.#map(name);
      for (const { key, value } of map.entries()) {
        // last_seen_ns, seen_ns and last_opened_ns are the first of their structs.
        const view = viewOf(value);
        view.setBigUint64(0, view.getBigUint64(0, true) - ns, true);
        map.update(key, value);
      }
    }
  }

  #clear(): void {
    for (const name of [...TABLES, ...LEARNED]) {
      const map = this.#map(name);
      const { count, keys } = map.snapshot();
      for (let i = 0; i < count; i += 1) map.delete(keys.subarray(i * map.keySize, (i + 1) * map.keySize));
    }
    for (const index of this.#cells) this.#ports[index] = 0;
    this.#cells.clear();
    this.write({ kind: 'config', generation: 1, portTable: 0, isGrace: false, flags: 0 });
  }
}

function sum(values: readonly number[] | Uint32Array): number {
  let total = 0;
  for (const value of values) total += value;
  return total;
}
