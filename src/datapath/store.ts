/**
 * Where tables live: the kernel's maps, or plain memory. A store knows nothing of transitions; it does primitive reads
 * and writes, and every single write is seen by packets as done or not done.
 */
import type { PortTable } from '../policy/tables.ts';
import type { Family } from '../net/address.ts';
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
} from './elements.ts';

/** One primitive write. Without a value the element is deleted; deleting what is not there is no error. */
export type TableWrite =
  | { readonly table: 'rows'; readonly key: RowKey; readonly value: RowElement | undefined }
  | { readonly table: 'addresses'; readonly key: AddressKey; readonly value: AddressElement | undefined }
  | { readonly table: 'locals'; readonly key: AddressKey; readonly value: LocalElement | undefined }
  | { readonly table: 'prefixes'; readonly key: PrefixKey; readonly value: PrefixElement | undefined }
  | { readonly table: 'endpoints'; readonly ifindex: number; readonly value: EndpointElement | undefined }
  /** Ports first to last of one protocol in the table that is not in force. */
  | {
      readonly table: 'ports';
      readonly number: PortTableNumber;
      readonly protocol: number;
      readonly first: number;
      readonly last: number;
      readonly portClass: number;
    }
  /** One 64-bit store. */
  | ({ readonly table: 'commit' } & Commit);

/** Reads as the programs do. */
export interface TableReader {
  /** Generation 0: nothing was ever committed. */
  commit(): Commit;
  /** config_flag bits. */
  configFlags(): number;
  endpoint(ifindex: number): EndpointElement | undefined;
  address(key: AddressKey): AddressElement | undefined;
  local(key: AddressKey): LocalElement | undefined;
  /** Of the longest prefix around the address. */
  prefixOf(family: Family, address: Uint8Array): PrefixElement | undefined;
  row(key: RowKey): RowElement | undefined;
  portClass(number: PortTableNumber, protocol: number, port: number): number;
}

export interface TableStore extends TableReader {
  /** Everything, in any order: for adopting what an earlier process left. */
  endpoints(): Iterable<readonly [number, EndpointElement]>;
  addresses(): Iterable<readonly [AddressKey, AddressElement]>;
  locals(): Iterable<readonly [AddressKey, LocalElement]>;
  prefixes(): Iterable<readonly [PrefixKey, PrefixElement]>;
  rows(): Iterable<readonly [RowKey, RowElement]>;
  /** As intervals of equal port classes. */
  portTable(number: PortTableNumber): PortTable;
  /**
   * In order. May be called with many writes at once; when it throws, those before the failed one are done and those
   * behind it are not.
   */
  write(writes: readonly TableWrite[]): void;
}
