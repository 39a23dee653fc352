import { expect, test } from 'vitest';
import type { EndpointWiring } from '../../../src/datapath/datapath.ts';
import { MemoryDatapath } from '../../../src/datapath/memory/datapath.ts';

const WIRING: EndpointWiring = {
  id: 7,
  ifindex: 17,
  addresses: ['10.0.0.7', 'fd00::7'],
  mac: '02:00:00:00:00:07',
  hostMac: '02:00:00:00:01:07',
  noPeer: false,
};

test('CNI-42: an endpoint that is attached misses nothing; one that was closed, itself and its addresses', async () => {
  await using datapath = await MemoryDatapath.open();
  await datapath.attachEndpoint(WIRING);
  await datapath.settleEndpoint();
  expect(datapath.missingOf(WIRING)).toEqual([]);
  await datapath.closeEndpoint(WIRING.id);
  expect(datapath.missingOf(WIRING)).toEqual([
    'endpoint 7 in the maps',
    'address 10.0.0.7 in the maps',
    'address fd00::7 in the maps',
  ]);
  expect(datapath.endpoints().size).toBe(0);
});

test('what another endpoint has is missing', async () => {
  await using datapath = await MemoryDatapath.open();
  await datapath.attachEndpoint({ ...WIRING, id: 8, addresses: ['10.0.0.7'] });
  expect(datapath.missingOf(WIRING)).toHaveLength(3);
});
