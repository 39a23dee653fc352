/**
 * The kernel's maps as a TableStore. Rows, addresses, locals, prefixes and endpoints are written by batch system calls; the
 * port tables and the commit word are mapped memory: a port class is one 16-bit store, the commit one 64-bit store with
 * release order, so that whoever reads it sees everything written before.
 */
import type { BpfMap } from '../../kernel/bpf-map.ts';
import type { MappedMemory } from '../../kernel/bpf-map-memory.ts';
import type { Family } from '../../net/address.ts';
import type { PortTable } from '../../policy/tables.ts';
import type {
  AddressElement,
  AddressKey,
  Commit,
  EndpointElement,
  LocalElement,
  PortTableNumber,
  PrefixElement,
  PrefixKey,
  RowElement,
  RowKey,
} from '../elements.ts';
import {
  ADDRESS,
  ADDRESS_KEY,
  type Codec,
  ENDPOINT,
  ENDPOINT_KEY,
  LOCAL,
  PREFIX,
  PREFIX_KEY,
  ROW,
  ROW_KEY,
  viewOf,
} from './codecs.ts';
import { PORT_CELLS_LENGTH, portIndex, readPortTable } from '../port-cells.ts';
import type { TableStore, TableWrite } from '../store.ts';

export interface TableMaps {
  readonly config: BpfMap;
  readonly endpoints: BpfMap;
  readonly addresses: BpfMap;
  readonly locals: BpfMap;
  readonly prefixes: BpfMap;
  readonly ports: BpfMap;
  readonly rows: BpfMap;
}

export function tableMapsOf(mapOf: (name: keyof TableMaps) => BpfMap): TableMaps {
  return {
    config: mapOf('config'),
    endpoints: mapOf('endpoints'),
    addresses: mapOf('addresses'),
    locals: mapOf('locals'),
    prefixes: mapOf('prefixes'),
    ports: mapOf('ports'),
    rows: mapOf('rows'),
  };
}

/** Indexes in struct config. */
const CONFIG_COMMIT_WORD64 = 0;
const CONFIG_GRACE_WORD64 = 1;
const CONFIG_FLAGS_WORD32 = 4;

export class KernelStore implements TableStore, Disposable {
  readonly #maps: TableMaps;
  readonly #memory: readonly MappedMemory[];
  readonly #words64: BigUint64Array;
  readonly #words32: Uint32Array;
  readonly #cells: Uint16Array;

  /** The maps stay the caller's. */
  constructor(maps: TableMaps) {
    this.#maps = maps;
    const config = maps.config.mmap();
    try {
      const ports = maps.ports.mmap();
      this.#memory = [config, ports];
      this.#words64 = new BigUint64Array(config.buffer);
      this.#words32 = new Uint32Array(config.buffer);
      this.#cells = new Uint16Array(ports.buffer, 0, PORT_CELLS_LENGTH);
    } catch (error) {
      config.unmap();
      throw error;
    }
  }

  commit(): Commit {
    const word = Atomics.load(this.#words64, CONFIG_COMMIT_WORD64);
    return { generation: Number(word & 0xffff_ffffn), portTable: (word >> 32n) & 1n ? 1 : 0 };
  }

  configFlags(): number {
    return Atomics.load(this.#words32, CONFIG_FLAGS_WORD32);
  }

  /** In force at once; flows judged before are judged again only with the next generation. */
  setConfigFlags(flags: number): void {
    Atomics.store(this.#words32, CONFIG_FLAGS_WORD32, flags);
  }

  graceUntilNs(): bigint {
    return Atomics.load(this.#words64, CONFIG_GRACE_WORD64);
  }

  /** CLOCK_MONOTONIC: until then a segment without a flow may be admitted as a reply. */
  setGraceUntilNs(untilNs: bigint): void {
    Atomics.store(this.#words64, CONFIG_GRACE_WORD64, untilNs);
  }

  endpoint(ifindex: number): EndpointElement | undefined {
    return lookup(this.#maps.endpoints, ENDPOINT_KEY, ENDPOINT, { ifindex });
  }

  address(key: AddressKey): AddressElement | undefined {
    return lookup(this.#maps.addresses, ADDRESS_KEY, ADDRESS, key);
  }

  local(key: AddressKey): LocalElement | undefined {
    return lookup(this.#maps.locals, ADDRESS_KEY, LOCAL, key);
  }

  prefixOf(family: Family, address: Uint8Array): PrefixElement | undefined {
    return lookup(this.#maps.prefixes, PREFIX_KEY, PREFIX, { family, address, length: family === 4 ? 32 : 128 });
  }

  row(key: RowKey): RowElement | undefined {
    return lookup(this.#maps.rows, ROW_KEY, ROW, key);
  }

  portClass(number: PortTableNumber, protocol: number, port: number): number {
    return this.#cells[portIndex(number, protocol, port)]!;
  }

  *endpoints(): Generator<readonly [number, EndpointElement]> {
    for (const [{ ifindex }, element] of entries(this.#maps.endpoints, ENDPOINT_KEY, ENDPOINT))
      yield [ifindex, element];
  }

  addresses(): Iterable<readonly [AddressKey, AddressElement]> {
    return entries(this.#maps.addresses, ADDRESS_KEY, ADDRESS);
  }

  locals(): Iterable<readonly [AddressKey, LocalElement]> {
    return entries(this.#maps.locals, ADDRESS_KEY, LOCAL);
  }

  prefixes(): Iterable<readonly [PrefixKey, PrefixElement]> {
    return entries(this.#maps.prefixes, PREFIX_KEY, PREFIX);
  }

  rows(): Iterable<readonly [RowKey, RowElement]> {
    return entries(this.#maps.rows, ROW_KEY, ROW);
  }

  portTable(number: PortTableNumber): PortTable {
    return readPortTable(this.#cells, number);
  }

  write(writes: readonly TableWrite[]): void {
    for (let at = 0; at < writes.length;) {
      const end = endOfRun(writes, at);
      this.#writeRun(writes.slice(at, end));
      at = end;
    }
  }

  [Symbol.dispose](): void {
    for (const memory of this.#memory) memory.unmap();
  }

  /** Writes of one table, all with a value or all without. */
  #writeRun(run: readonly TableWrite[]): void {
    const batches = {
      endpoints: new Batch(ENDPOINT_KEY, ENDPOINT),
      addresses: new Batch(ADDRESS_KEY, ADDRESS),
      locals: new Batch(ADDRESS_KEY, LOCAL),
      prefixes: new Batch(PREFIX_KEY, PREFIX),
      rows: new Batch(ROW_KEY, ROW),
    };
    for (const write of run) {
      switch (write.table) {
        case 'endpoints':
          batches.endpoints.add({ ifindex: write.ifindex }, write.value);
          break;
        case 'addresses':
          batches.addresses.add(write.key, write.value);
          break;
        case 'locals':
          batches.locals.add(write.key, write.value);
          break;
        case 'prefixes':
          batches.prefixes.add(write.key, write.value);
          break;
        case 'rows':
          batches.rows.add(write.key, write.value);
          break;
        case 'ports':
          this.#writePorts(write);
          break;
        case 'commit':
          this.#writeCommit(write);
          break;
      }
    }
    for (const table of ['endpoints', 'addresses', 'locals', 'prefixes', 'rows'] as const) {
      batches[table].writeTo(this.#maps[table]);
    }
  }

  #writePorts({ number, protocol, first, last, portClass }: Extract<TableWrite, { table: 'ports' }>): void {
    this.#cells.fill(portClass, portIndex(number, protocol, first), portIndex(number, protocol, last) + 1);
  }

  #writeCommit({ generation, portTable }: Commit): void {
    Atomics.store(this.#words64, CONFIG_COMMIT_WORD64, (BigInt(portTable) << 32n) | BigInt(generation));
  }
}

/** Behind the last write from `start` on that goes to the same table and has, or has not, a value as the first. */
function endOfRun(writes: readonly TableWrite[], start: number): number {
  const kind = kindOf(writes[start]!);
  let end = start + 1;
  while (end < writes.length && kindOf(writes[end]!) === kind) end++;
  return end;
}

function kindOf(write: TableWrite): string {
  return 'value' in write && write.value === undefined ? `delete ${write.table}` : write.table;
}

function lookup<K, V>(map: BpfMap, keyCodec: Codec<K>, valueCodec: Codec<V>, key: K): V | undefined {
  const bytes = new Uint8Array(keyCodec.size);
  keyCodec.encode(viewOf(bytes), 0, key);
  const value = map.lookup(bytes);
  return value && valueCodec.decode(viewOf(value), 0);
}

function* entries<K, V>(map: BpfMap, keyCodec: Codec<K>, valueCodec: Codec<V>): Generator<readonly [K, V]> {
  for (const { key, value } of map.entries()) {
    yield [keyCodec.decode(viewOf(key), 0), valueCodec.decode(viewOf(value), 0)];
  }
}

/** Collects the writes of one run as flat bytes. */
class Batch<K, V> {
  readonly #keyCodec: Codec<K>;
  readonly #valueCodec: Codec<V>;
  readonly #writes: (readonly [K, V | undefined])[] = [];

  constructor(keyCodec: Codec<K>, valueCodec: Codec<V>) {
    this.#keyCodec = keyCodec;
    this.#valueCodec = valueCodec;
  }

  add(key: K, value: V | undefined): void {
    this.#writes.push([key, value]);
  }

  writeTo(map: BpfMap): void {
    const count = this.#writes.length;
    if (count === 0) return;
    const keys = new Uint8Array(count * this.#keyCodec.size);
    const values = new Uint8Array(count * this.#valueCodec.size);
    const keyView = viewOf(keys);
    const valueView = viewOf(values);
    let hasValues = false;
    for (const [index, [key, value]] of this.#writes.entries()) {
      this.#keyCodec.encode(keyView, index * this.#keyCodec.size, key);
      if (value === undefined) continue;
      hasValues = true;
      this.#valueCodec.encode(valueView, index * this.#valueCodec.size, value);
    }
    if (hasValues) map.updateBatch(keys, values);
    else map.deleteBatch(keys);
  }
}
