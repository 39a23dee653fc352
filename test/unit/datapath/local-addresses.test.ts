/** The addresses of local endpoints: which tables know them, and what becomes of what an interrupted process left. */
import { expect, test } from 'vitest';
import { localElement } from '../../../src/datapath/own-elements.ts';
import { MemoryStore } from '../../../src/datapath/memory/store.ts';
import { TableKeeper } from '../../../src/datapath/table-keeper.ts';
import { parseAddress, tableBytes } from '../../../src/net/address.ts';
import type { AddressKey } from '../../../src/datapath/elements.ts';
import type { TableWrite } from '../../../src/datapath/store.ts';
import { wire } from './contract.ts';
import { contentsOf } from './store-contents.ts';

const POD = wire(7, 107, ['10.0.0.7', 'fd00::7']);

function keyOf(text: string): AddressKey {
  const address = parseAddress(text)!;
  return { family: address.family, address: tableBytes(address) };
}

async function open(store: MemoryStore): Promise<TableKeeper> {
  return TableKeeper.open(store, { grace: async () => undefined });
}

async function attached(): Promise<MemoryStore> {
  const store = new MemoryStore();
  await (await open(store)).attach(POD, () => undefined);
  return store;
}

test('an endpoint has an element of each of its addresses, and none when it is gone', async () => {
  const store = new MemoryStore();
  const keeper = await open(store);
  await keeper.attach(POD, () => undefined);
  for (const text of POD.addresses) expect(store.local(keyOf(text))).toEqual(localElement(POD));
  await keeper.detach(POD.id, () => undefined);
  expect([...store.locals(), ...store.addresses()]).toEqual([]);
});

const TORN: readonly (readonly [string, TableWrite])[] = [
  [
    'an address of no endpoint',
    { table: 'locals', key: keyOf('10.0.0.9'), value: localElement(wire(9, 109, ['10.0.0.9'])) },
  ],
  ['an endpoint without one of its addresses', { table: 'locals', key: keyOf('fd00::7'), value: undefined }],
  [
    'an address that leads to another',
    { table: 'locals', key: keyOf('10.0.0.7'), value: localElement(wire(3, 103, [])) },
  ],
  ['an address without a class', { table: 'addresses', key: keyOf('10.0.0.7'), value: undefined }],
];

test.each(TORN)('%s, left by a process that died, is put right by the next', async (_, write) => {
  const store = await attached();
  const whole = contentsOf(store);
  store.write([write]);
  expect(contentsOf(store)).not.toEqual(whole);
  await open(store);
  expect(contentsOf(store)).toEqual(whole);
});
