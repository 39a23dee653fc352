/** Tables in plain memory, for tests and dry runs. Elements are kept as they were written and given back as they are. */
import type { Family } from '../../net/address.ts';
import type { PortTable } from '../../policy/tables.ts';
import {
  type AddressElement,
  type AddressKey,
  type Commit,
  type EndpointElement,
  type LocalElement,
  type PortTableNumber,
  type PrefixElement,
  type PrefixKey,
  type RowElement,
  type RowKey,
} from '../elements.ts';
import { addressText } from '../lookup.ts';
import { PORT_CELLS_LENGTH, portIndex, readPortTable } from '../port-cells.ts';
import type { TableStore, TableWrite } from '../store.ts';

export class MemoryStore implements TableStore {
  readonly #endpoints = new Map<number, EndpointElement>();
  readonly #addresses = new Map<string, readonly [AddressKey, AddressElement]>();
  readonly #locals = new Map<string, readonly [AddressKey, LocalElement]>();
  readonly #prefixes = new Map<string, readonly [PrefixKey, PrefixElement]>();
  readonly #rows = new Map<string, readonly [RowKey, RowElement]>();
  readonly #cells = new Uint16Array(PORT_CELLS_LENGTH);
  #commit: Commit = { generation: 0, portTable: 0 };

  commit(): Commit {
    return this.#commit;
  }

  configFlags(): number {
    return 0;
  }

  endpoint(ifindex: number): EndpointElement | undefined {
    return this.#endpoints.get(ifindex);
  }

  address(key: AddressKey): AddressElement | undefined {
    return this.#addresses.get(addressText(key))?.[1];
  }

  local(key: AddressKey): LocalElement | undefined {
    return this.#locals.get(addressText(key))?.[1];
  }

  prefixOf(family: Family, address: Uint8Array): PrefixElement | undefined {
    let longest: readonly [PrefixKey, PrefixElement] | undefined;
    for (const entry of this.#prefixes.values()) {
      const [key] = entry;
      if (key.family !== family || !hasPrefix(address, key)) continue;
      if (longest === undefined || key.length > longest[0].length) longest = entry;
    }
    return longest?.[1];
  }

  row(key: RowKey): RowElement | undefined {
    return this.#rows.get(rowText(key))?.[1];
  }

  portClass(number: PortTableNumber, protocol: number, port: number): number {
    return this.#cells[portIndex(number, protocol, port)]!;
  }

  endpoints(): Iterable<readonly [number, EndpointElement]> {
    return this.#endpoints.entries();
  }

  addresses(): Iterable<readonly [AddressKey, AddressElement]> {
    return this.#addresses.values();
  }

  locals(): Iterable<readonly [AddressKey, LocalElement]> {
    return this.#locals.values();
  }

  prefixes(): Iterable<readonly [PrefixKey, PrefixElement]> {
    return this.#prefixes.values();
  }

  rows(): Iterable<readonly [RowKey, RowElement]> {
    return this.#rows.values();
  }

  portTable(number: PortTableNumber): PortTable {
    return readPortTable(this.#cells, number);
  }

  write(writes: readonly TableWrite[]): void {
    for (const write of writes) this.#writeOne(write);
  }

  #writeOne(write: TableWrite): void {
    switch (write.table) {
      case 'endpoints':
        put(this.#endpoints, write.ifindex, write.value);
        return;
      case 'addresses':
        put(this.#addresses, addressText(write.key), write.value && [write.key, write.value]);
        return;
      case 'locals':
        put(this.#locals, addressText(write.key), write.value && [write.key, write.value]);
        return;
      case 'prefixes':
        put(this.#prefixes, `${write.key.length} ${addressText(write.key)}`, write.value && [write.key, write.value]);
        return;
      case 'rows':
        put(this.#rows, rowText(write.key), write.value && [write.key, write.value]);
        return;
      case 'ports': {
        const { number, protocol, first, last, portClass } = write;
        this.#cells.fill(portClass, portIndex(number, protocol, first), portIndex(number, protocol, last) + 1);
        return;
      }
      case 'commit':
        this.#commit = { generation: write.generation, portTable: write.portTable };
    }
  }
}

function put<K, V>(map: Map<K, V>, key: K, value: V | undefined): void {
  if (value === undefined) map.delete(key);
  else map.set(key, value);
}

function rowText({ ruleSet, peerClass, block }: RowKey): string {
  return `${ruleSet} ${peerClass} ${block}`;
}

function hasPrefix(address: Uint8Array, key: PrefixKey): boolean {
  for (let bit = 0; bit < key.length; bit++) {
    if (((address[bit >> 3]! ^ key.address[bit >> 3]!) >> (7 - (bit & 7))) & 1) return false;
  }
  return true;
}
