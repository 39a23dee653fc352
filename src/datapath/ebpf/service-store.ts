/**
 * The kernel's service maps as a ServiceStore. Slots are mapped memory, one 32-bit store each; whether services are looked
 * for is a bit of the configuration, which belongs to the store of the verdict tables.
 */
import * as abi from '../../kernel/abi.gen.ts';
import type { BpfMap } from '../../kernel/bpf-map.ts';
import type { MappedMemory } from '../../kernel/bpf-map-memory.ts';
import { ADDRESS_KEY_BYTES, BACKEND_KEY_BYTES, FRONTEND_KEY_BYTES, readKey, writeKey } from '../../service/key.ts';
import type { BackendElement, FrontendElement, ServiceStore, ServiceWrite } from '../service-store.ts';
import { viewOf } from './codecs.ts';

export interface ServiceMaps {
  readonly frontends: BpfMap;
  readonly slots: BpfMap;
  readonly backends: BpfMap;
  readonly ranges: BpfMap;
}

/** Where the bit CONFIG_SERVICES lies. */
export interface ServiceSwitch {
  configFlags(): number;
  setConfigFlags(flags: number): void;
}

const PREFIX_KEY_HEAD_BITS = 32;
const RANGE_KEY_BYTES = 18;
const RANGE_VALUE = new Uint8Array(4);

export class KernelServiceStore implements ServiceStore, Disposable {
  readonly slotCapacity: number;
  readonly #maps: ServiceMaps;
  readonly #switch: ServiceSwitch;
  readonly #memory: MappedMemory;
  readonly #slots: Uint32Array;

  /** The maps stay the caller's. */
  constructor(maps: ServiceMaps, config: ServiceSwitch) {
    this.#maps = maps;
    this.#switch = config;
    this.slotCapacity = maps.slots.maxEntries * abi.Limit.SLOTS_PER_CELL;
    this.#memory = maps.slots.mmap();
    this.#slots = new Uint32Array(this.#memory.buffer, 0, this.slotCapacity);
  }

  isEnabled(): boolean {
    return (this.#switch.configFlags() & abi.ConfigFlag.CONFIG_SERVICES) !== 0;
  }

  *frontends(): Generator<readonly [string, FrontendElement]> {
    for (const { key, value } of this.#maps.frontends.entries()) {
      yield [decodeFrontendKey(key), abi.decodeFrontendValue(viewOf(value), 0)];
    }
  }

  frontend(key: string): FrontendElement | undefined {
    const value = this.#maps.frontends.lookup(encodeFrontendKey(key));
    return value && abi.decodeFrontendValue(viewOf(value), 0);
  }

  *backends(): Generator<readonly [number, BackendElement]> {
    for (const { key, value } of this.#maps.backends.entries()) {
      yield [viewOf(key).getUint32(0, true), decodeBackend(value)];
    }
  }

  *ranges(): Generator<string> {
    for (const { key } of this.#maps.ranges.entries()) yield decodeRange(key);
  }

  slots(first: number, count: number): Uint32Array {
    return this.#slots.slice(first, first + count);
  }

  write(writes: readonly ServiceWrite[]): void {
    for (const write of writes) this.#writeOne(write);
  }

  [Symbol.dispose](): void {
    this.#memory.unmap();
  }

  #writeOne(write: ServiceWrite): void {
    const { frontends, backends, ranges } = this.#maps;
    switch (write.table) {
      case 'frontends':
        put(frontends, encodeFrontendKey(write.key), write.value && encodeFrontend(write.value));
        return;
      case 'backends':
        put(
          backends,
          new Uint8Array(Uint32Array.of(write.id).buffer),
          write.value === undefined ? undefined : encodeBackend(write.value),
        );
        return;
      case 'ranges':
        put(ranges, encodeRange(write.key), write.value === undefined ? undefined : RANGE_VALUE);
        return;
      case 'slots':
        for (const [i, backend] of write.backends.entries()) Atomics.store(this.#slots, write.first + i, backend);
        return;
      case 'enabled': {
        const others = this.#switch.configFlags() & ~abi.ConfigFlag.CONFIG_SERVICES;
        this.#switch.setConfigFlags(write.value ? others | abi.ConfigFlag.CONFIG_SERVICES : others);
      }
    }
  }
}

function put(map: BpfMap, key: Uint8Array, value: Uint8Array | undefined): void {
  if (value === undefined) map.delete(key);
  else map.update(key, value);
}

/** The bytes of a key of `service/key.ts`: family, address, then port and protocol. */
function bytesOf(key: string, size: number): DataView {
  const bytes = new Uint8Array(size);
  writeKey(key, bytes, 0);
  return viewOf(bytes);
}

function addressOf(view: DataView): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset + 1, ADDRESS_KEY_BYTES - 1);
}

function encodeFrontendKey(key: string): Uint8Array {
  const parts = bytesOf(key, FRONTEND_KEY_BYTES);
  const out = new Uint8Array(abi.FRONTEND_KEY_SIZE);
  abi.encodeFrontendKey(viewOf(out), 0, {
    family: parts.getUint8(0),
    protocol: parts.getUint8(BACKEND_KEY_BYTES),
    port: parts.getUint16(ADDRESS_KEY_BYTES),
    address: addressOf(parts),
  });
  return out;
}

function decodeFrontendKey(bytes: Uint8Array): string {
  const { family, protocol, port, address } = abi.decodeFrontendKey(viewOf(bytes), 0);
  return keyOf(family, address, port) + String.fromCharCode(protocol);
}

function encodeFrontend(element: FrontendElement): Uint8Array {
  const out = new Uint8Array(abi.FRONTEND_VALUE_SIZE);
  abi.encodeFrontendValue(viewOf(out), 0, element);
  return out;
}

function encodeBackend({ key, frontend }: BackendElement): Uint8Array {
  const parts = bytesOf(key, BACKEND_KEY_BYTES);
  const out = new Uint8Array(abi.BACKEND_VALUE_SIZE);
  abi.encodeBackendValue(viewOf(out), 0, {
    family: parts.getUint8(0),
    port: parts.getUint16(ADDRESS_KEY_BYTES),
    address: addressOf(parts),
    frontend,
  });
  return out;
}

function decodeBackend(bytes: Uint8Array): BackendElement {
  const { family, address, port, frontend } = abi.decodeBackendValue(viewOf(bytes), 0);
  return { key: keyOf(family, address, port), frontend };
}

function keyOf(family: number, address: Uint8Array, port: number): string {
  return String.fromCharCode(family, ...address, port >> 8, port & 0xff);
}

function encodeRange(key: string): Uint8Array {
  const parts = bytesOf(key, RANGE_KEY_BYTES);
  const out = new Uint8Array(abi.PREFIX_KEY_SIZE);
  abi.encodePrefixKey(viewOf(out), 0, {
    bits: PREFIX_KEY_HEAD_BITS + parts.getUint8(1),
    family: parts.getUint8(0),
    address: new Uint8Array(parts.buffer, parts.byteOffset + 2, RANGE_KEY_BYTES - 2),
  });
  return out;
}

function decodeRange(bytes: Uint8Array): string {
  const { bits, family, address } = abi.decodePrefixKey(viewOf(bytes), 0);
  return String.fromCharCode(family, bits - PREFIX_KEY_HEAD_BITS) + readKey(address, 0, address.length);
}
