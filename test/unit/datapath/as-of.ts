import type { Commit } from '../../../src/datapath/elements.ts';
import type { TableReader } from '../../../src/datapath/store.ts';

/** As a packet sees the store that read the commit word some time ago. */
export function asOf(store: TableReader, commit: Commit): TableReader {
  return {
    commit: () => commit,
    configFlags: () => store.configFlags(),
    endpoint: (ifindex) => store.endpoint(ifindex),
    address: (key) => store.address(key),
    local: (key) => store.local(key),
    prefixOf: (family, address) => store.prefixOf(family, address),
    row: (key) => store.row(key),
    portClass: (number, protocol, port) => store.portClass(number, protocol, port),
  };
}
