/** What a store holds in force, in a form that two stores can be compared by, whatever their generations. */
import { classInForce, ruleSetsInForce } from '../../../src/datapath/elements.ts';
import { addressText } from '../../../src/datapath/lookup.ts';
import type { TableStore } from '../../../src/datapath/store.ts';
import { formatAddressKey } from '../../../src/policy/address-key.ts';

export function contentsOf(store: TableStore): object {
  const { generation, portTable } = store.commit();
  return {
    endpoints: sorted(store.endpoints(), ([ifindex, element]) => {
      const { ingressOld: _a, ingressNew: _b, egressOld: _c, egressNew: _d, generation: _g, ...rest } = element;
      return [ifindex, { ...rest, ...ruleSetsInForce(element, generation) }];
    }),
    addresses: sorted(store.addresses(), ([key, element]) => {
      const { classOld: _a, classNew: _b, generation: _g, ...rest } = element;
      return [formatAddressKey(addressText(key)), { ...rest, peerClass: classInForce(element, generation) }];
    }),
    locals: sorted(store.locals(), ([key, element]) => [formatAddressKey(addressText(key)), element]),
    prefixes: sorted(store.prefixes(), ([key, element]) => [
      `${formatAddressKey(addressText(key))}/${key.length}`,
      classInForce(element, generation),
    ]),
    rows: sorted(store.rows(), ([key, row]) => [
      `${key.ruleSet} ${key.peerClass} ${key.block}`,
      [Buffer.from(row.allow).toString('hex'), Buffer.from(row.audit).toString('hex')],
    ]),
    ports: store.portTable(portTable),
  };
}

function sorted<T>(entries: Iterable<T>, describe: (entry: T) => readonly [string | number, unknown]): object {
  return Object.fromEntries([...entries].map(describe).sort(([a], [b]) => (String(a) < String(b) ? -1 : 1)));
}
